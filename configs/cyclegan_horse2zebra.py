"""Unpaired horse <-> zebra: the paper's training.

Paper:    Zhu et al. 2017 (arXiv 1703.10593), sections 5.2 (object transfiguration) and 7.1
          (training details). The identity loss of 0.5 is the authors' code's, which has it
          everywhere; their text has it for paintings only.
Command:  imgtrans train cyclegan_horse2zebra
Data:     cycle_gan/horse2zebra of tensorflow-datasets: 1067 horses, 1334 zebras; fetched and
          prepared once (112 MB).
Expected: stripes on horses, none on zebras, after some 50 epochs; the background keeps its colours
but for a tint. Riders may turn zebra too, and zebra -> horse is the weaker direction (section 6).
Needs:    266,800 steps (200 epochs). Estimate, not measured: 6 to 12 hours on a data-centre GPU. On
          two CPU cores about 9 s a step (measured): 28 days.
"""

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Unpaired
from imgtrans_jax.data.sources import Tfds
from imgtrans_jax.losses.adversarial import lsgan
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.optim import Adam, LinearDecay


def get_config() -> Experiment:
    return Experiment(
        data=Unpaired(
            Tfds("cycle_gan/horse2zebra"),
            Tfds("cycle_gan/horse2zebra"),
            Preprocess(load_size=286, crop_size=256),
        ),
        recipe=CycleGAN(
            generator=ResNetGenerator(width=64, blocks=9),
            critic=PatchGAN(width=64, layers=3),
            gan=lsgan,
            cycle=10.0,
            identity=0.5,
            pool_size=50,
        ),
        optimizer=Adam(LinearDecay(2e-4, constant_epochs=100, decay_epochs=100), b1=0.5, b2=0.999),
        batch_size=1,
        log_every=100,
        sample_every=2000,
        save_every=2000,
    )
