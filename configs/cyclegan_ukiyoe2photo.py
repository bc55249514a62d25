"""Photographs in the manner of Ukiyo-e prints, and the prints as photographs.

Paper:    Zhu et al. 2017 (arXiv 1703.10593), section 5.2 (collection style transfer; photo
          generation from paintings), with the identity loss.
Command:  imgtrans train cyclegan_ukiyoe2photo
Data:     cycle_gan/ukiyoe2photo of tensorflow-datasets: 562 prints, 6287 photographs.
Expected: b2a gives flat areas, outlines and the prints' muted palette; a2b is the weaker direction.
Needs:    1,257,400 steps (200 epochs). Estimate, not measured: 28 to 57 hours on a data-centre GPU.
"""

import dataclasses

from imgtrans_jax.configs.cyclegan_horse2zebra import get_config as horse2zebra

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.sources import Tfds


def get_config() -> Experiment:
    base = horse2zebra()
    source = Tfds("cycle_gan/ukiyoe2photo")
    return dataclasses.replace(base, data=dataclasses.replace(base.data, a=source, b=source))
