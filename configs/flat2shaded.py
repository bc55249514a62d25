"""Flat drawings with light and shadow.

Paper:    pix2pix, Isola et al. 2017 (arXiv 1611.07004): a U-Net of width 16 and 6 levels, bilinear
          upsampling, instance norm.
Command:  imgtrans train flat2shaded --config.data.pairs=fluent
Data:     Fluent Emoji, flat and shaded (Microsoft, MIT), as examples/make_pairs.py draws them.
"""

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Paired
from imgtrans_jax.methods.pix2pix import Pix2Pix
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.optim import Adam, Constant, Cosine


def get_config() -> Experiment:
    return Experiment(
        data=Paired("fluent", cut=Preprocess(load_size=143, crop_size=128)),
        recipe=Pix2Pix(
            generator=ResNetGenerator(width=16, blocks=6, upsample="bilinear"),
            critic=PatchGAN(width=32, layers=2),
            pixel=30.0,
            test_mode="eval",
            ema=0.999,
        ),
        optimizer=Adam(Cosine(5e-4, length=5000, unit="steps")),
        critic_optimizer=Adam(Constant(2e-4)),
        batch_size=4,
        log_every=100,
        sample_every=1000,
        save_every=1000,
    )
