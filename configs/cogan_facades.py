"""A baseline of CycleGAN: CoGAN, pairs of labels and photographs, learned without pairs.

Paper:    Zhu et al. 2017 (arXiv 1703.10593), section 5.1.1, tables 2 and 3 (there on Cityscapes);
          Liu and Tuzel 2016 (arXiv 1606.07536).
Command:  imgtrans train cogan_facades
Data:     cycle_gan/facades of tensorflow-datasets, as configs/simgan_facades.py, at 64 px.
Expected: pictures of the other domain that have little to do with their input: what is translated
          is the nearest picture that the generator can make.
Needs:    5,000 steps (200 epochs of 25). Estimate, not measured: minutes on a data-centre GPU.
"""

import dataclasses

from imgtrans_jax.configs.simgan_facades import get_config as simgan

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.methods.cogan import CoGAN
from imgtrans_jax.models.dcgan import CoupledCritic, CoupledGenerator


def get_config() -> Experiment:
    base = simgan()
    return dataclasses.replace(
        base,
        data=dataclasses.replace(base.data, cut=Preprocess(load_size=72, crop_size=64)),
        recipe=CoGAN(CoupledGenerator(size=64, width=32), CoupledCritic(norm="instance")),
        batch_size=16,
    )
