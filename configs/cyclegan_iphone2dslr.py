"""Photo enhancement: flowers from a telephone with the shallow focus of a DSLR.

Paper:    Zhu et al. 2017 (arXiv 1703.10593), section 5.2 (photo enhancement), with the identity
          loss.
Command:  imgtrans train cyclegan_iphone2dslr
Data:     cycle_gan/iphone2dslr_flower of tensorflow-datasets: 1813 telephone and 3326 DSLR
          photographs of flowers.
Expected: a2b blurs the background behind the flower and keeps the flower.
Needs:    665,200 steps (200 epochs). Estimate, not measured: 15 to 30 hours on a data-centre GPU.
"""

import dataclasses

from imgtrans_jax.configs.cyclegan_horse2zebra import get_config as horse2zebra

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.sources import Tfds


def get_config() -> Experiment:
    base = horse2zebra()
    source = Tfds("cycle_gan/iphone2dslr_flower")
    return dataclasses.replace(base, data=dataclasses.replace(base.data, a=source, b=source))
