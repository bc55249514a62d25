"""Photographs in one look, in one pass of a network.

Paper:    Johnson et al. 2016 (arXiv 1603.08155) with instance norm (Ulyanov et al. 2016, arXiv
          1607.08022): width 32, 5 residual blocks, Gram matrices, Adam 1e-3.
Command:  imgtrans train fast_style --config.data.pictures=my_photos
Data:     your pictures, any folder of photographs; the embedded drawings without one. The look is a
          mosaic that data/looks.py draws; a painting of yours: a config that begins with this one
          and has looks=(Look("mine", "painting.jpg"),).
Expected: the strokes and colours of the look on the forms of the picture.
Needs:    Estimate, not measured: 20,000 steps of 4, 20 minutes on a data-centre GPU.
"""

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import OneDomain
from imgtrans_jax.losses.style import style_relative
from imgtrans_jax.methods.fast_style import FastStyle, Look
from imgtrans_jax.models.style_network import StyleNetwork
from imgtrans_jax.optim import Adam, Constant


def get_config() -> Experiment:
    return Experiment(
        data=OneDomain(cut=Preprocess(load_size=288, crop_size=256, resize="none")),
        recipe=FastStyle(
            (Look("mosaic"),),
            StyleNetwork(width=32, register=0.125, grain=0.02),
            style_loss=style_relative,
            content=0.04,
            variation=1e-3,
        ),
        optimizer=Adam(Constant(1e-3), b1=0.9),
        batch_size=4,
        steps=20_000,
        log_every=50,
        sample_every=500,
        save_every=500,
    )
