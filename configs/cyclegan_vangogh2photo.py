"""Photographs in the manner of van Gogh, and his paintings as photographs.

Paper:    Zhu et al. 2017 (arXiv 1703.10593), section 5.2 (collection style transfer; photo
          generation from paintings), with the identity loss.
Command:  imgtrans train cyclegan_vangogh2photo
Data:     cycle_gan/vangogh2photo of tensorflow-datasets: 400 paintings, 6287 photographs.
Expected: b2a gives van Gogh's strokes and colours; a2b gives photographs of his places.
Needs:    1,257,400 steps (200 epochs). Estimate, not measured: 28 to 57 hours on a data-centre GPU.
"""

import dataclasses

from imgtrans_jax.configs.cyclegan_horse2zebra import get_config as horse2zebra

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.sources import Tfds


def get_config() -> Experiment:
    base = horse2zebra()
    source = Tfds("cycle_gan/vangogh2photo")
    return dataclasses.replace(base, data=dataclasses.replace(base.data, a=source, b=source))
