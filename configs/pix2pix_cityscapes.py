"""Street labels become street scenes.

Paper:    pix2pix, Isola et al. 2017 (arXiv 1611.07004), section 4.1 and appendix 6.2: 2,975 pairs,
          200 epochs, batch 1.
Command:  imgtrans train pix2pix_cityscapes
Data:     pix2pix's cityscapes, from $IMGTRANS_DATA/cityscapes or fetched from its authors (where
          its licence lets them give it).
Expected: cars, roads and trees in place; faces and signs stay rough (figure 13).
Needs:    595,000 steps. Estimate, not measured: 8 to 15 hours on a data-centre GPU.
"""

import dataclasses

from imgtrans_jax.configs.pix2pix_facades import get_config as facades

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.datasets import Paired
from imgtrans_jax.data.pairs import Pix2PixPairs


def get_config() -> Experiment:
    base = facades()
    data = Paired(Pix2PixPairs("cityscapes"), direction="b2a", cut=base.data.cut)
    return dataclasses.replace(base, data=data)
