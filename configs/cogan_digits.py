"""Pairs of a handwritten digit and its outline, learned without a single pair.

Paper:    CoGAN, Liu and Tuzel 2016 (arXiv 1606.07536), section 4, task "digit and edge images";
          DCGAN's networks, small.
Command:  imgtrans train cogan_digits
Data:     handwritten digits of scikit-learn, enlarged to 16 px, and their outlines, each in an
          order of its own: no pair is ever shown.
Expected: digits and outlines of one another. By examples/score_digits.py (measured, one seed): of
          test digits 96 % keep their class as outlines, and of outlines 94 % as digits; of 1000
          pairs of random latents, some of which are no digits, 85 % are of one class. How well
          pairs fit is partly luck: with a generator twice as wide and a latent of 8 it was 25 %,
          with halves of the data 81 to 85 %.
Needs:    4,000 steps; 5 minutes 30 seconds on two CPU cores with two other trainings beside
          (measured).
"""

import dataclasses

from imgtrans_jax.configs.gan_digits import get_config as gan

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.datasets import Unpaired
from imgtrans_jax.data.digits import DigitStyle
from imgtrans_jax.methods.cogan import CoGAN
from imgtrans_jax.models.dcgan import CoupledCritic, CoupledGenerator
from imgtrans_jax.optim import Adam, LinearDecay


def get_config() -> Experiment:
    base = gan()
    return dataclasses.replace(
        base,
        data=Unpaired(
            DigitStyle("filled", whole=True),
            DigitStyle("outline", whole=True),
            base.data.cut,
            channels=1,
        ),
        recipe=CoGAN(
            generator=CoupledGenerator(size=16, width=16, channels=1),
            critic=CoupledCritic(width=32),
            latent=16,
            ema=0.999,
        ),
        optimizer=Adam(LinearDecay(2e-4, constant_epochs=2000, decay_epochs=2000, unit="steps")),
        steps=None,
    )
