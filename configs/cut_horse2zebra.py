"""Horses to zebras in one direction, by patches: the paper's training of CUT.

Paper:    Park et al. 2020 (arXiv 2007.15651), sections 3 and 4: anti-aliased ResNet of 9 blocks,
          256 patches of five layers, identity loss of patches.
Command:  imgtrans train cut_horse2zebra
Data:     cycle_gan/horse2zebra of tensorflow-datasets: 1067 horses, 1334 zebras; fetched and
          prepared once (112 MB).
Expected: stripes on horses; backgrounds keep their colours better than with CycleGAN, and there is
          no way back.
Needs:    533,600 steps (400 epochs). Estimate, not measured: 10 to 16 hours on a data-centre GPU.
          On two CPU cores 4.7 s a step in 1.3 GB, FastCUT 3.1 s in 0.8 GB, CycleGAN 6.2 s in 1.8 GB
          (measured, by imgtrans plan NAME --on=cpu); the paper gives 0.24 and 0.40 s.
"""

import dataclasses

from imgtrans_jax.configs.cyclegan_horse2zebra import get_config as cyclegan

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.methods.cut import CUT
from imgtrans_jax.optim import Adam, LinearDecay


def get_config() -> Experiment:
    return dataclasses.replace(
        cyclegan(),
        recipe=CUT(),
        optimizer=Adam(LinearDecay(2e-4, constant_epochs=200, decay_epochs=200)),
    )
