"""Handwritten digits from noise and a class: each column of the sheet `classes` is one digit.

Paper:    conditional GAN, Mirza and Osindero 2014 (arXiv 1411.1784), with DCGAN's networks, small.
Command:  imgtrans train cgan_digits
Data:     as configs/gan_digits.py.
Expected: clear digits, those that were asked for. examples/score_digits.py (measured): 98.8 % of
1000 samples are, median confidence 0.85, on real digits 0.84.
Needs:    4,000 steps; about 2 minutes on two CPU cores (measured, other work beside).
"""

import dataclasses

from imgtrans_jax.configs.gan_digits import get_config as gan

from imgtrans_jax.config.experiment import Experiment


def get_config() -> Experiment:
    base = gan()
    return dataclasses.replace(base, recipe=dataclasses.replace(base.recipe, conditional=True))
