"""Handwritten digits from noise.

Paper:    GAN, Goodfellow et al. 2014 (arXiv 1406.2661), with the networks of DCGAN (Radford et al. 2016, arXiv
          1511.06434), small.
Command:  python train.py --config=configs/gan_digits.py
"""

from imgtrans_jax.config import Experiment
from imgtrans_jax.data.augment import Cut
from imgtrans_jax.data.labelled import Digits
from imgtrans_jax.data.pipeline import Labelled
from imgtrans_jax.losses.adversarial import vanilla
from imgtrans_jax.models.dcgan import DCGANCritic, DCGANGenerator
from imgtrans_jax.optim import Adam, Constant
from imgtrans_jax.recipes.gan import GAN


def get_config() -> Experiment:
    return Experiment(
        data=Labelled(Digits(), Cut(load_size=16, crop_size=16, flip=False)),
        recipe=GAN(
            generator=DCGANGenerator(size=16, width=32, channels=1),
            critic=DCGANCritic(width=32),
            gan=vanilla,
            latent=64,
            ema=0.995,
        ),
        optimizer=Adam(Constant(2e-4)),
        batch_size=64,
        steps=4000,
        log_every=100,
        sample_every=500,
        save_every=500,
    )
