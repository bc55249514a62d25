"""Handwritten digits from noise.

Paper:    GAN, Goodfellow et al. 2014 (arXiv 1406.2661), with the networks of DCGAN (Radford et al.
          2016, arXiv 1511.06434), small.
Command:  imgtrans train gan_digits
Data:     handwritten digits of scikit-learn: 1,797 of 8x8, enlarged to 16. MNIST is a source,
          TfdsLabelled("mnist"), in a config of your own. Other pictures: see
          configs/cgan_openmoji.py.
Expected: digits, some of them between two. examples/score_digits.py (measured): of 1000 samples 6.5
to 14.1 % in every class, median confidence of a classifier 0.77, on real digits 0.84.
Needs:    4,000 steps; 1 minute 45 seconds on two CPU cores (measured, other work beside).
"""

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Labelled
from imgtrans_jax.data.labelled import Digits
from imgtrans_jax.losses.adversarial import vanilla
from imgtrans_jax.methods.gan import GAN
from imgtrans_jax.models.dcgan import DCGANCritic, DCGANGenerator
from imgtrans_jax.optim import Adam, Constant


def get_config() -> Experiment:
    return Experiment(
        data=Labelled(Digits(), Preprocess(load_size=16, crop_size=16, flip=False)),
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
