"""Pictures become four times as large, with texture, on a laptop.

Paper:    SRGAN, Ledig et al. 2017 (arXiv 1609.04802), narrowed as configs/srresnet_small.py.
Command:  imgtrans train srgan_small
Data:     as configs/srresnet_small.py, from whose run it starts: train that first, or
          --config.init_from=RUN.
Expected: edges as sharp as SRResNet's, a little less PSNR, as in the paper.
examples/score_enlarging.py (measured): 23.32 dB and 0.909 on held-out drawings, SRResNet 23.97 and
0.918.
Needs:    648 steps; 8 minutes on two CPU cores (measured, another job beside).
"""

import dataclasses

from imgtrans_jax.configs.srresnet_small import get_config as srresnet

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.models.srgan import SRGANCritic
from imgtrans_jax.optim import Adam, Cosine


def get_config() -> Experiment:
    base = srresnet()
    recipe = dataclasses.replace(
        base.recipe,
        critic=SRGANCritic(width=16, units=128),
        pixel=0.2,
        content=0.02,
        layer="relu2_2",
        adversarial=0.02,
        ema=0.995,
    )
    return dataclasses.replace(
        base,
        recipe=recipe,
        optimizer=Adam(Cosine(1e-4, length=6), b1=0.9),
        init_from="runs/srresnet_small",
    )
