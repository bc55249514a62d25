"""Handwritten digits from noise, by a critic that is kept smooth.

Paper:    WGAN-GP, Gulrajani et al. 2017 (arXiv 1704.00028), Algorithm 1: 5 critic steps, penalty 10, Adam 1e-4 (0,
          0.9).
Command:  python train.py --config=configs/wgan_gp_digits.py
"""

import dataclasses

from configs.gan_digits import get_config as gan
from imgtrans_jax.config import Experiment
from imgtrans_jax.losses.adversarial import wgan
from imgtrans_jax.models.dcgan import DCGANCritic
from imgtrans_jax.optim import Adam, Constant


def get_config() -> Experiment:
    base = gan()
    recipe = dataclasses.replace(base.recipe, critic=DCGANCritic(width=32, norm="none"), gan=wgan, critic_steps=5, penalty=10.0)
    return dataclasses.replace(base, recipe=recipe, optimizer=Adam(Constant(2e-4), b1=0.0, b2=0.9))
