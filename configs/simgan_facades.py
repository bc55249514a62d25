"""A baseline of CycleGAN: SimGAN, labels to photographs in one direction, without pairs.

Paper:    Zhu et al. 2017 (arXiv 1703.10593), section 5.1.1 and figure 5 (there on Cityscapes and
          maps); Shrivastava et al. 2017 (arXiv 1612.07828).
Command:  imgtrans train simgan_facades
Data:     cycle_gan/facades of tensorflow-datasets, as configs/cyclegan_facades.py, from labels to
          photographs.
Expected: nearly the labels themselves: an L1 to the input leaves no room (figure 5).
Needs:    80,000 steps (200 epochs of 400). Estimate, not measured: 1 to 2 hours on a data-centre
          GPU.
"""

import dataclasses

from imgtrans_jax.configs.cyclegan_facades import get_config as facades

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.sources import Tfds
from imgtrans_jax.methods.simgan import SimGAN


def get_config() -> Experiment:
    base = facades()
    labels = Tfds("cycle_gan/facades", train="trainB", test="testB")
    photographs = Tfds("cycle_gan/facades", train="trainA", test="testA")
    recipe = SimGAN(similarity=10.0)
    return dataclasses.replace(
        base, data=dataclasses.replace(base.data, a=labels, b=photographs), recipe=recipe
    )
