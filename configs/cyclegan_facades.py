"""Architectural labels <-> photographs of facades.

Paper:    Zhu et al. 2017 (arXiv 1703.10593), appendix 7.2 and figure 8 (labels <-> photos); no
          identity loss.
Command:  imgtrans train cyclegan_facades
Data:     cycle_gan/facades of tensorflow-datasets: 400 photographs (a) and 400 label maps (b), used
          without their pairing.
Expected: windows and walls follow the labels in layout; textures stay rougher than with pairs
(pix2pix).
Needs:    80,000 steps (200 epochs). Estimate, not measured: 2 to 4 hours on a data-centre GPU.
"""

import dataclasses

from imgtrans_jax.configs.cyclegan_horse2zebra import get_config as horse2zebra

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.sources import Tfds


def get_config() -> Experiment:
    base = horse2zebra()
    source = Tfds("cycle_gan/facades")
    recipe = dataclasses.replace(base.recipe, identity=0.0)
    return dataclasses.replace(
        base, data=dataclasses.replace(base.data, a=source, b=source), recipe=recipe
    )
