"""Aerial photographs become maps; --config.data.direction=b2a turns it round.

Paper:    pix2pix, Isola et al. 2017 (arXiv 1611.07004), section 4.2 and appendix 6.2: 1,096 pairs,
          200 epochs, batch 1.
Command:  imgtrans train pix2pix_maps
Data:     pix2pix's maps, from $IMGTRANS_DATA/maps or fetched from its authors (240 MB).
Expected: roads and water in the map where they are in the photograph (figure 8).
Needs:    219,200 steps. Estimate, not measured: 3 to 6 hours on a data-centre GPU.
"""

import dataclasses

from imgtrans_jax.configs.pix2pix_facades import get_config as facades

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.datasets import Paired
from imgtrans_jax.data.pairs import Pix2PixPairs


def get_config() -> Experiment:
    base = facades()
    data = Paired(Pix2PixPairs("maps"), direction="a2b", cut=base.data.cut)
    return dataclasses.replace(base, data=data)
