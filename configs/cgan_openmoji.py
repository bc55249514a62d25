"""Small coloured drawings from noise and a group: faces, people, animals, food and plants, travel,
things.

Paper:    conditional GAN, Mirza and Osindero 2014 (arXiv 1411.1784), with DCGAN's networks at 32 px
          and the hinge loss (Lim and Ye 2017, arXiv 1705.02894).
Command:  imgtrans train cgan_openmoji
Data:     the embedded OpenMoji drawings, by group: no download. Colour pictures of your own, a
          folder with a folder for each class: --config.data.pictures=DIR.
Expected: yellow faces are faces, the other groups are recognisable at best (docs/gallery/gan.md).
Needs:    4,000 steps; 8 minutes on two CPU cores (measured, two other jobs beside).
"""

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Labelled
from imgtrans_jax.data.labelled import OpenMojiGroups
from imgtrans_jax.losses.adversarial import hinge
from imgtrans_jax.methods.gan import GAN
from imgtrans_jax.models.dcgan import DCGANCritic, DCGANGenerator
from imgtrans_jax.optim import Adam, Constant


def get_config() -> Experiment:
    return Experiment(
        data=Labelled(OpenMojiGroups(), Preprocess(load_size=32, crop_size=32), channels=3),
        recipe=GAN(
            generator=DCGANGenerator(size=32, width=32),
            critic=DCGANCritic(width=32),
            gan=hinge,
            conditional=True,
            ema=0.995,
        ),
        optimizer=Adam(Constant(2e-4)),
        batch_size=64,
        steps=4000,
        log_every=100,
        sample_every=500,
        save_every=500,
    )
