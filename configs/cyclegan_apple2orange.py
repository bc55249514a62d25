"""Apples into oranges and back.

Paper:    Zhu et al. 2017 (arXiv 1703.10593), section 5.2 (object transfiguration); identity 0.5 as
          in the authors' code.
Command:  imgtrans train cyclegan_apple2orange
Data:     cycle_gan/apple2orange of tensorflow-datasets: 995 apples, 1019 oranges.
Expected: colour and texture change, the shape stays: a bitten apple becomes a bitten orange.
Needs:    203,800 steps (200 epochs). Estimate, not measured: 5 to 9 hours on a data-centre GPU.
"""

import dataclasses

from imgtrans_jax.configs.cyclegan_horse2zebra import get_config as horse2zebra

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.sources import Tfds


def get_config() -> Experiment:
    base = horse2zebra()
    source = Tfds("cycle_gan/apple2orange")
    return dataclasses.replace(base, data=dataclasses.replace(base.data, a=source, b=source))
