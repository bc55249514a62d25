"""Pairs of a handwritten digit and its outline, learned without a single pair.

Paper:    CoGAN, Liu and Tuzel 2016 (arXiv 1606.07536), section 4, task "digit and edge images";
          DCGAN's networks, small.
Command:  imgtrans train cogan_digits
Data:     handwritten digits of scikit-learn, enlarged to 16 px, and their outlines, each in an
          order of its own: no pair is ever shown.
Expected: digits and outlines of one another. By examples/score_digits.py (measured, one seed): of
          test digits 97 % keep their class as outlines, and of outlines 93 % as digits. Of 1000
          pairs of random latents 87 % are of one class by two classifiers, which agree on 88 %
          even if the outlines are the exact ones of the made digits, for some are no digits; by
          one classifier 91 % of the made outlines are what the exact ones are. How well pairs fit
          is partly luck: with a latent of 8 the two classifiers agreed on 25 %, with halves of the
          data on 81 to 85 %; after twice the steps at half the width on 86 %.
Needs:    6,000 steps; 6 minutes 53 seconds on two CPU cores with another job beside (measured).
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
            generator=CoupledGenerator(size=16, width=32, channels=1),
            critic=CoupledCritic(width=32),
            latent=16,
            ema=0.999,
        ),
        optimizer=Adam(LinearDecay(2e-4, constant_epochs=3000, decay_epochs=3000, unit="steps")),
        steps=None,
    )
