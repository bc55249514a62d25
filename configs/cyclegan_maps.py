"""Aerial photographs <-> maps.

Paper:    Zhu et al. 2017 (arXiv 1703.10593), section 5.1.2 and table 2 (maps <-> aerial photos); no
          identity loss.
Command:  imgtrans train cyclegan_maps
Data:     cycle_gan/maps of tensorflow-datasets: 1096 aerial photographs and 1096 maps, used without
          their pairing.
Expected: streets and water in the right colours; fooled 26.8 % (map -> photo) and 23.2 % of the
paper's observers.
Needs:    219,200 steps (200 epochs). Estimate, not measured: 5 to 10 hours on a data-centre GPU.
"""

import dataclasses

from imgtrans_jax.configs.cyclegan_horse2zebra import get_config as horse2zebra

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.sources import Tfds


def get_config() -> Experiment:
    base = horse2zebra()
    source = Tfds("cycle_gan/maps")
    recipe = dataclasses.replace(base.recipe, identity=0.0)
    return dataclasses.replace(
        base, data=dataclasses.replace(base.data, a=source, b=source), recipe=recipe
    )
