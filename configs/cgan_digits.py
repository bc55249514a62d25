"""Handwritten digits from noise and a class: each column of the sheet `classes` is one digit.

Paper:    conditional GAN, Mirza and Osindero 2014 (arXiv 1411.1784), with DCGAN's networks, small.
Command:  python train.py --config=configs/cgan_digits.py
"""

import dataclasses

from configs.gan_digits import get_config as gan
from imgtrans_jax.config import Experiment


def get_config() -> Experiment:
    base = gan()
    return dataclasses.replace(base, recipe=dataclasses.replace(base.recipe, conditional=True))
