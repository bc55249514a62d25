"""Photographs become van Goghs, with a network of 226 thousand parameters: large batches, a falling
rate.

Paper:    a project report on style transfer: CycleGAN's losses without identity and pool, DnCNN
          generators (Zhang et al. 2017, arXiv 1608.03981), critics of stride 1; Adam (0.5, 0.999),
          200 epochs, batch 16, rate 2e-3 x 0.99 every 2 epochs.
Command:  imgtrans train vangogh_largeBS_decay
Data:     cycle_gan/vangogh2photo of tensorflow-datasets: 400 paintings and 6,287 photographs. An
          artist's folder instead: --config.data.b=DIR. One single painting, in random crops at its
          own scale: --config.data.b=starry_night.jpg --config.data.cut.resize=none.
Expected: the report's best.
Needs:    78,400 steps. Estimate, not measured: 4 to 8 hours on a data-centre GPU.
"""

import dataclasses

from imgtrans_jax.configs.vangogh_smallBS import get_config as small

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.optim import Adam, StepDecay


def get_config() -> Experiment:
    return dataclasses.replace(
        small(), optimizer=Adam(StepDecay(2e-3, factor=0.99, every=2, length=200)), batch_size=16
    )
