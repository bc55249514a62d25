"""Line drawings in colour from pairs that do not fit: each coloured drawing is moved by up to 8
pixels.

Paper:    supervised PatchNCE, for pairs that fit only nearly (Li et al. 2023), after CUT, Park et
          al. 2020 (arXiv 2007.15651); small, as configs/cut_small.py.
Command:  imgtrans train shifted_small
          With pairs of your own: --config.data.pairs=DIR
Data:     the embedded OpenMoji drawings, moved at 64 px; test pairs fit.
Expected: few hues and mottled fills, but lines where they belong. Held out, beside the same
          training with L1 instead (configs/shifted_small_l1.py; measured, one seed): LPIPS 0.377
          against 0.420, mean absolute error 0.238 against 0.300, kernel distance to real drawings
          0.13 of the sketches' own against 0.29.
Needs:    1,500 steps; 15 minutes on two CPU cores with two other trainings beside (measured).
"""

import dataclasses

from imgtrans_jax.configs.cut_small import get_config as cut

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Paired
from imgtrans_jax.data.pairs import ShiftedPairs
from imgtrans_jax.optim import Adam, LinearDecay


def get_config() -> Experiment:
    base = cut()
    return dataclasses.replace(
        base,
        data=Paired(ShiftedPairs(by=8), cut=Preprocess(load_size=64, crop_size=64)),
        recipe=dataclasses.replace(base.recipe, nce=0.0, identity=False, supervised=1.0),
        optimizer=Adam(LinearDecay(4e-4, constant_epochs=750, decay_epochs=750, unit="steps")),
    )
