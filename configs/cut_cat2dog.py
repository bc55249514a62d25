"""Cats to dogs, of your own folders, by CUT.

Paper:    Park et al. 2020 (arXiv 2007.15651), section 4.1: faces of AFHQ, there at 256 px.
Command:  imgtrans train cut_cat2dog --config.data.a=cats --config.data.b=dogs
Data:     two folders of faces; the paper's are those of AFHQ (Choi et al. 2020): 5,153 cats and
          4,739 dogs, free for research, from github.com/clovaai/stargan-v2. Folders cats and dogs
          of the present one unless the flags say otherwise.
Expected: a dog in the cat's pose; fur and ears change, unlike with CycleGAN.
Needs:    2,061,200 steps (400 epochs) of AFHQ. Estimate, not measured: two days on a data-centre
          GPU; a tenth of the epochs does much.
"""

import dataclasses

from imgtrans_jax.configs.cut_horse2zebra import get_config as cut

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.datasets import Unpaired


def get_config() -> Experiment:
    base = cut()
    return dataclasses.replace(base, data=Unpaired("cats", "dogs", base.data.cut))
