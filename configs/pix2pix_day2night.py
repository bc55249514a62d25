"""Places by day become places by night.

Paper:    pix2pix, Isola et al. 2017 (arXiv 1611.07004), appendix 6.2: 17,823 pairs of 91 webcams,
          17 epochs, batch 4.
Command:  imgtrans train pix2pix_day2night
Data:     pix2pix's night2day, from $IMGTRANS_DATA/night2day or fetched from its authors (2 GB).
Expected: skies darken and lamps light up; shapes stay (figure 16).
Needs:    75,700 steps. Estimate, not measured: 2 to 4 hours on a data-centre GPU.
"""

import dataclasses

from imgtrans_jax.configs.pix2pix_facades import get_config as facades

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.datasets import Paired
from imgtrans_jax.data.pairs import Pix2PixPairs
from imgtrans_jax.optim import Adam, Constant


def get_config() -> Experiment:
    base = facades()
    data = Paired(Pix2PixPairs("night2day"), direction="b2a", cut=base.data.cut)
    return dataclasses.replace(
        base, data=data, optimizer=Adam(Constant(2e-4, length=17)), batch_size=4
    )
