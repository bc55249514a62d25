"""Edges become shoes, and so do sketches.

Paper:    pix2pix, Isola et al. 2017 (arXiv 1611.07004), appendix 6.2: 50,000 pairs, 15 epochs,
          batch 4, pictures as they are, without jitter.
Command:  imgtrans train pix2pix_edges2shoes
Data:     pix2pix's edges2shoes, from $IMGTRANS_DATA/edges2shoes or fetched from its authors (2 GB).
Expected: leather, laces and soles inside the lines; one colour for a drawing (figure 15).
Needs:    186,900 steps. Estimate, not measured: 4 to 8 hours on a data-centre GPU.
"""

import dataclasses

from imgtrans_jax.configs.pix2pix_facades import get_config as facades

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Paired
from imgtrans_jax.data.pairs import Pix2PixPairs
from imgtrans_jax.optim import Adam, Constant


def get_config() -> Experiment:
    base = facades()
    data = Paired(
        Pix2PixPairs("edges2shoes"),
        direction="a2b",
        cut=Preprocess(load_size=256, crop_size=256, flip=False),
    )
    return dataclasses.replace(
        base, data=data, optimizer=Adam(Constant(2e-4, length=15)), batch_size=4
    )
