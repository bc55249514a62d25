"""Horses to zebras by FastCUT: half the memory of CUT, half the epochs, bolder changes.

Paper:    Park et al. 2020 (arXiv 2007.15651), section 4: the weight of the patches' loss is 10, no
          identity loss; the flipping is the authors' code's.
Command:  imgtrans train fastcut_horse2zebra
Data:     as configs/cut_horse2zebra.py.
Expected: as CUT, with more change of the background.
Needs:    266,800 steps (200 epochs). Estimate, not measured: 4 to 6 hours on a data-centre GPU.
"""

import dataclasses

from imgtrans_jax.configs.cut_horse2zebra import get_config as cut

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.methods.cut import CUT
from imgtrans_jax.optim import Adam, LinearDecay


def get_config() -> Experiment:
    return dataclasses.replace(
        cut(),
        recipe=CUT(nce=10.0, identity=False, equivariant=True),
        optimizer=Adam(LinearDecay(2e-4, constant_epochs=150, decay_epochs=50)),
    )
