"""What L1 makes of pairs that do not fit, beside configs/shifted_small.py: the same networks, pairs
and steps.

Paper:    pix2pix, Isola et al. 2017 (arXiv 1611.07004), equation 4, with a critic that does not see
          the drawing.
Command:  imgtrans train shifted_small_l1
Data:     as configs/shifted_small.py.
Expected: blurred lines, for the mean over all places is what L1 asks for; the figures are in
          configs/shifted_small.py.
Needs:    1,500 steps; 11 minutes on two CPU cores with two other trainings beside (measured).
"""

import dataclasses

from imgtrans_jax.configs.shifted_small import get_config as shifted

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.losses.adversarial import lsgan
from imgtrans_jax.methods.pix2pix import Pix2Pix


def get_config() -> Experiment:
    base = shifted()
    recipe = Pix2Pix(
        generator=base.recipe.generator,
        critic=base.recipe.critic,
        gan=lsgan,
        pixel=10.0,
        conditional=False,
        test_mode="eval",
        ema=0.995,
    )
    return dataclasses.replace(base, recipe=recipe)
