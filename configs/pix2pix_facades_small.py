"""Architectural labels become photographs of facades, at 128 px on a laptop.

Paper:    pix2pix, Isola et al. 2017 (arXiv 1611.07004), at half its size and a quarter of its
          parameters (width 32, 7 levels).
Command:  imgtrans train pix2pix_facades_small
Data:     as configs/pix2pix_facades.py.
Expected: windows, doors, balconies and roofs where the labels are, walls of one stone
(docs/gallery/pix2pix.md).
Needs:    6,400 steps; 24 minutes on two CPU cores (measured, another training beside).
"""

import dataclasses

from imgtrans_jax.configs.pix2pix_facades import get_config as facades

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.optim import Adam, LinearDecay


def get_config() -> Experiment:
    base = facades()
    return dataclasses.replace(
        base,
        data=dataclasses.replace(base.data, cut=Preprocess(load_size=142, crop_size=128)),
        recipe=dataclasses.replace(
            base.recipe,
            generator=UNet(width=32, levels=7, upsample="nearest"),
            critic=PatchGAN(width=32, layers=3, norm="batch"),
            ema=0.998,
        ),
        optimizer=Adam(LinearDecay(2e-4, constant_epochs=8, decay_epochs=8)),
        sample_every=1000,
        save_every=1000,
    )
