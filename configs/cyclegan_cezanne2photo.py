"""Photographs in the manner of Cezanne, and his paintings as photographs.

Paper:    Zhu et al. 2017 (arXiv 1703.10593), section 5.2 (collection style transfer; photo
          generation from paintings), with the identity loss.
Command:  imgtrans train cyclegan_cezanne2photo
Data:     cycle_gan/cezanne2photo of tensorflow-datasets: 526 paintings, 6287 photographs.
Expected: b2a gives the painter's palette and brush; a2b gives plausible photographs of his places.
Needs:    1,257,400 steps (200 epochs). Estimate, not measured: 28 to 57 hours on a data-centre GPU.
"""

import dataclasses

from imgtrans_jax.configs.cyclegan_horse2zebra import get_config as horse2zebra

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.sources import Tfds


def get_config() -> Experiment:
    base = horse2zebra()
    source = Tfds("cycle_gan/cezanne2photo")
    return dataclasses.replace(base, data=dataclasses.replace(base.data, a=source, b=source))
