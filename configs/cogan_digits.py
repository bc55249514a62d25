"""Pairs of a handwritten digit and its outline, learned without a single pair.

Paper:    CoGAN, Liu and Tuzel 2016 (arXiv 1606.07536), section 4, task "digit and edge images";
          DCGAN's networks, small.
Command:  imgtrans train cogan_digits
Data:     handwritten digits of scikit-learn, enlarged to 16 px: one half as they are, outlines of
          the other half.
Expected: pairs of one digit.
Needs:    4,000 steps.
"""

import dataclasses

from imgtrans_jax.configs.gan_digits import get_config as gan

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.datasets import Unpaired
from imgtrans_jax.data.digits import DigitStyle
from imgtrans_jax.methods.cogan import CoGAN
from imgtrans_jax.models.dcgan import CoupledCritic, CoupledGenerator


def get_config() -> Experiment:
    base = gan()
    return dataclasses.replace(
        base,
        data=Unpaired(DigitStyle("filled"), DigitStyle("outline"), base.data.cut, channels=1),
        recipe=CoGAN(
            generator=CoupledGenerator(size=16, width=32, channels=1),
            critic=CoupledCritic(width=32),
            latent=64,
            ema=0.995,
        ),
    )
