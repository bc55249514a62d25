"""Yosemite in summer and in winter.

Paper:    Zhu et al. 2017 (arXiv 1703.10593), section 5.2 (season transfer); identity 0.5 as in the
          authors' code.
Command:  imgtrans train cyclegan_summer2winter
Data:     cycle_gan/summer2winter_yosemite of tensorflow-datasets: 1231 summer and 962 winter
          photographs.
Expected: snow on the ground and colder light, and back; section 6 calls winter -> summer the harder
one.
Needs:    246,200 steps (200 epochs). Estimate, not measured: 6 to 11 hours on a data-centre GPU.
"""

import dataclasses

from imgtrans_jax.configs.cyclegan_horse2zebra import get_config as horse2zebra

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.sources import Tfds


def get_config() -> Experiment:
    base = horse2zebra()
    source = Tfds("cycle_gan/summer2winter_yosemite")
    return dataclasses.replace(base, data=dataclasses.replace(base.data, a=source, b=source))
