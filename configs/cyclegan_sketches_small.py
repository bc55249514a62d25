"""Your sketches <-> your coloured sketches on a laptop: the quickstart's network, for two folders
of your own.

Paper:    CycleGAN, Zhu et al. 2017 (arXiv 1703.10593), narrowed as in configs/quickstart.py.
Command:  imgtrans train cyclegan_sketches_small --config.data.a=DIR --config.data.b=DIR
Data:     two folders: data/sketches (a) and data/coloured (b), or those of the command. They need
          no pairs.
Expected: as the quickstart's pictures, in your colours; use it with imgtrans translate --size=64.
Needs:    100 epochs of the larger folder: 2,500 steps with 100 pictures, 12,500 with 500. On two
          CPU cores about 0.22 s a step (measured): 10 to 45 minutes.
"""

import dataclasses

from imgtrans_jax.configs.quickstart import get_config as quickstart

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Unpaired
from imgtrans_jax.optim import Adam, LinearDecay


def get_config() -> Experiment:
    data = Unpaired("data/sketches", "data/coloured", Preprocess(load_size=72, crop_size=64))
    optimizer = Adam(LinearDecay(4e-4, constant_epochs=60, decay_epochs=40))
    return dataclasses.replace(quickstart(), data=data, optimizer=optimizer)
