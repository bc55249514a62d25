"""Flat drawings with light and shadow.

Paper:    pix2pix, Isola et al. 2017 (arXiv 1611.07004): a U-Net of width 48 and 6 levels, bilinear
          upsampling, instance norm; beside the pixels the features of VGG (Johnson et al. 2016).
Command:  imgtrans train flat2shaded --config.data.pairs=fluent
Data:     Fluent Emoji, flat and shaded (Microsoft, MIT), as examples/make_pairs.py draws them:
          1,728 pairs and 182 held out.
Expected: not known: it needs a GPU and had none. Tried on a CPU, both without VGG: a U-Net of width
          16 (9,991 steps of 4) shades everything as if it were glass and blurs faces, perhaps
          because its first skip connection holds 16 numbers where the picture has 48; a ResNet of
          width 16 was still blurred after 2,117 steps, when it was stopped.
Needs:    20,000 steps of 16. Estimate, not measured: half an hour on a data-centre GPU.
"""

import dataclasses

from imgtrans_jax.configs.sketch2color import get_config as sketch2color

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Paired
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.optim import Adam, Cosine


def get_config() -> Experiment:
    base = sketch2color()
    wide = UNet(width=48, levels=6, norm="instance", upsample="bilinear", dropout=0.0)
    return dataclasses.replace(
        base,
        data=Paired("fluent", cut=Preprocess(load_size=143, crop_size=128)),
        recipe=dataclasses.replace(base.recipe, generator=wide),
        optimizer=Adam(Cosine(3e-4, length=20_000, unit="steps")),
    )
