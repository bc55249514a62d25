"""A baseline of CycleGAN: BiGAN/ALI, labels and photographs both ways, without pairs.

Paper:    Zhu et al. 2017 (arXiv 1703.10593), section 5.1.1, tables 2 and 3 (there on Cityscapes);
          Donahue et al. 2017 (arXiv 1605.09782), Dumoulin et al. 2017 (arXiv 1606.00704).
Command:  imgtrans train ali_facades
Data:     cycle_gan/facades of tensorflow-datasets, as configs/simgan_facades.py.
Expected: pictures of the other domain that have little to do with their input: nothing but the
          critic ties the two (the paper's score is the second lowest).
Needs:    80,000 steps (200 epochs of 400). Estimate, not measured: 1 to 2 hours on a data-centre
          GPU.
"""

import dataclasses

from imgtrans_jax.configs.simgan_facades import get_config as simgan

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.methods.bigan import ALI


def get_config() -> Experiment:
    return dataclasses.replace(simgan(), recipe=ALI())
