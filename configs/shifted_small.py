"""Line drawings in colour from pairs that do not fit: each coloured drawing is moved by up to 8
pixels.

Paper:    supervised PatchNCE for pairs that fit only nearly, after CUT, Park et al. 2020 (arXiv
          2007.15651); small, as configs/cut_small.py.
Command:  imgtrans train shifted_small
          The same pairs with L1 as pix2pix has it:
          imgtrans train pix2pix_openmoji --workdir=runs/shifted_l1 --config.data.pairs=ShiftedPairs
Data:     the embedded OpenMoji drawings, moved at 64 px; test pairs fit.
Expected: TODO
Needs:    TODO
"""

import dataclasses

from imgtrans_jax.configs.cut_small import get_config as cut

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Paired
from imgtrans_jax.data.pairs import ShiftedPairs


def get_config() -> Experiment:
    base = cut()
    return dataclasses.replace(
        base,
        data=Paired(ShiftedPairs(by=8), cut=Preprocess(load_size=64, crop_size=64)),
        recipe=dataclasses.replace(base.recipe, supervised=1.0),
    )
