"""Photographs and drawings become four times as large: the network enlarge4 that comes along.

Paper:    SRResNet, Ledig et al. 2017 (arXiv 1609.04802), narrowed: width 32, 8 blocks; without norm
          and with an L1 loss (Lim et al. 2017, arXiv 1707.02921), added to a bicubic filter.
Command:  imgtrans train enlarge4 --config.data.pictures=my_photos
Data:     your pictures: any folder of photographs; the embedded drawings without one.
Expected: sharp lines, and texture where the small picture shows it. On the 100 validation pictures
          of BSDS500 (measured, docs/networks.md): 26.94 dB and 0.713, bicubic 25.96 and 0.668.
Needs:    2,600 steps; 19 minutes on two CPU cores (measured, other work beside).
"""

import dataclasses

from imgtrans_jax.configs.srresnet_small import get_config as srresnet_small

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.models.layers import Normal
from imgtrans_jax.models.srgan import SRResNet
from imgtrans_jax.optim import Adam, Cosine


def get_config() -> Experiment:
    base = srresnet_small()
    # without norms residual blocks must begin small: He et al.'s values would grow with each
    network = SRResNet(width=32, blocks=8, norm="none", skip=True, kernel_init=Normal(0.02))
    return dataclasses.replace(
        base,
        data=dataclasses.replace(
            base.data, cut=Preprocess(load_size=320, crop_size=96, resize="none")
        ),
        recipe=dataclasses.replace(base.recipe, generator=network, ema=0.999),
        optimizer=Adam(Cosine(5e-4, length=2_600, unit="steps"), b1=0.9),
        sample_every=2000,
        save_every=1000,
    )
