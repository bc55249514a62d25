"""Pictures become four times as large, with texture.

Paper:    SRGAN, Ledig et al. 2017 (arXiv 1609.04802), sections 2.2 and 3.2: VGG-19 features of
          layer 5_4, adversarial weight 1e-3, 200,000 steps at 1e-4 and then 1e-5, from a trained
          SRResNet.
Command:  imgtrans train srgan --config.init_from=runs/srresnet
Data:     as configs/srresnet.py. The VGG network is VGG-16, whose deepest layer stands in;
          --config.recipe.weights=vgg19 fetches the paper's.
Expected: sharper than SRResNet to the eye, about 1 to 2 dB less (table 2). Not trained to the end
here; configs/srgan_small.py is.
Needs:    Estimate, not measured: 12 to 24 hours on a data-centre GPU.
"""

import dataclasses

from imgtrans_jax.configs.srresnet import get_config as srresnet

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.optim import Adam, StepDecay


def get_config() -> Experiment:
    base = srresnet()
    recipe = dataclasses.replace(
        base.recipe, pixel=0.0, content=0.006, layer="relu5_4", adversarial=1e-3
    )
    schedule = StepDecay(1e-4, factor=0.1, every=100_000, unit="steps")
    return dataclasses.replace(
        base,
        recipe=recipe,
        optimizer=Adam(schedule, b1=0.9),
        steps=200_000,
        init_from="runs/srresnet",
    )
