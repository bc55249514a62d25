"""Pictures become four times as large, on a laptop.

Paper:    SRResNet, Ledig et al. 2017 (arXiv 1609.04802), narrowed: width 32, 6 blocks, no norm and
          an L1 loss (Lim et al. 2017, arXiv 1707.02921; L1 leaves flat areas flat), and added to a
          bicubic filter, so that it learns what that lacks.
Command:  imgtrans train srresnet_small
Data:     the embedded drawings at 128 px, 1,735 and 190 held out; any folder of pictures:
          --config.data.pictures=DIR.
Expected: sharp lines and flat areas. examples/score_enlarging.py (measured): 23.97 dB and 0.918 on
held-out drawings, bicubic 18.94 and 0.760.
Needs:    3,240 steps; 14 minutes on two CPU cores (measured, another training beside).
"""

import dataclasses

from imgtrans_jax.configs.srresnet import get_config as srresnet

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.losses.pixel import l1
from imgtrans_jax.models.srgan import SRResNet
from imgtrans_jax.optim import Adam, Cosine


def get_config() -> Experiment:
    base = srresnet()
    return dataclasses.replace(
        base,
        data=dataclasses.replace(
            base.data, cut=Preprocess(load_size=128, crop_size=64, resize="none")
        ),
        recipe=dataclasses.replace(
            base.recipe, generator=SRResNet(width=32, blocks=6, norm="none", skip=True), distance=l1
        ),
        optimizer=Adam(Cosine(5e-4, length=30), b1=0.9),
        steps=None,
        sample_every=500,
        save_every=500,
    )
