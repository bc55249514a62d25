"""Street labels <-> photographs of streets, from your own copy of Cityscapes.

Paper:    Zhu et al. 2017 (arXiv 1703.10593), section 5.1.2 and table 2 (labels <-> photo, 128 px);
          no identity loss.
Command:  imgtrans train cyclegan_cityscapes
Data:     your Cityscapes: folders trainA (photographs), trainB (labels), testA, testB in
          data/cityscapes, or elsewhere: --config.data.a=DIR --config.data.b=DIR. Its licence
          does not allow that it is fetched for you.
Expected: roads, cars and trees where the labels have them.
Needs:    595,000 steps (200 epochs of 2975). Estimate, not measured: 5 to 10 hours on a data-centre
          GPU at 128 px.
"""

import dataclasses

from imgtrans_jax.configs.cyclegan_horse2zebra import get_config as horse2zebra

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Unpaired
from imgtrans_jax.models.resnet import ResNetGenerator


def get_config() -> Experiment:
    base = horse2zebra()
    recipe = dataclasses.replace(base.recipe, generator=ResNetGenerator(blocks=6), identity=0.0)
    data = Unpaired("data/cityscapes", "data/cityscapes", Preprocess(load_size=143, crop_size=128))
    return dataclasses.replace(base, data=data, recipe=recipe)
