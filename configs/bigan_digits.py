"""Handwritten digits from latents, and latents of digits: each digit is coded and made again.

Paper:    BiGAN, Donahue et al. 2017 (arXiv 1605.09782), section 4.1: fully connected encoder and
          critic; the generator is DCGAN's, small.
Command:  imgtrans train bigan_digits
Data:     as configs/gan_digits.py.
Expected: digits from latents; 85 % of test digits are of their class when they are coded and made
          again, by examples/score_digits.py (measured, one seed; 42 to 51 % with a batch norm in
          the critic, 76 % after 8,000 steps of rate 3e-4). Of 1000 samples 6.4 to 14.5 % in every
          class.
Needs:    4,000 steps; 1 minute 35 seconds on two CPU cores (measured, another training beside).
"""

import dataclasses

from imgtrans_jax.configs.gan_digits import get_config as gan

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.methods.bigan import BiGAN
from imgtrans_jax.models.bigan import Encoder, JointCritic
from imgtrans_jax.optim import Adam, LinearDecay


def get_config() -> Experiment:
    base = gan()
    return dataclasses.replace(
        base,
        recipe=BiGAN(
            generator=base.recipe.generator,
            encoder=Encoder(latent=16),
            critic=JointCritic(),
            latent=16,
            ema=0.995,
        ),
        optimizer=Adam(LinearDecay(2e-4, constant_epochs=2500, decay_epochs=1500, unit="steps")),
    )
