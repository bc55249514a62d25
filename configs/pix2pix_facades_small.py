"""Architectural labels become photographs of facades, at 256 px on a laptop.

Paper:    pix2pix, Isola et al. 2017 (arXiv 1611.07004), at half its width, with 6 levels, instance
          norm and no dropout; and with features of VGG-16 beside L1, as pix2pixHD has them (Wang et
          al. 2018, arXiv 1711.11585, section 3.2): 8 epochs with them are cleaner than 16 without.
Command:  imgtrans train pix2pix_facades_small
Data:     as configs/pix2pix_facades.py.
Expected: windows, doors, balconies and roofs where the labels are (docs/gallery/pix2pix.md).
Needs:    3,200 steps; 61 minutes on two CPU cores with one to three other jobs beside (measured).
"""

import dataclasses

from imgtrans_jax.configs.pix2pix_facades import get_config as facades

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.optim import Adam, LinearDecay


def get_config() -> Experiment:
    base = facades()
    return dataclasses.replace(
        base,
        recipe=dataclasses.replace(
            base.recipe,
            generator=UNet(width=32, levels=6, upsample="nearest", norm="instance", dropout=0.0),
            critic=PatchGAN(width=32),
            pixel=10.0,
            content=10.0,
            content_layers=("relu2_2", "relu3_3"),
            ema=0.99,
            test_mode="eval",
        ),
        optimizer=Adam(LinearDecay(2e-4, constant_epochs=4, decay_epochs=4)),
        sample_every=800,
        save_every=400,
    )
