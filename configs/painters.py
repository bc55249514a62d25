"""Photographs in the looks of several painters and techniques, in one pass of one network.

Paper:    Johnson et al. 2016 (arXiv 1603.08155) for the losses, Dumoulin et al. 2017 (arXiv
          1610.07629) for several looks in one network; narrower (width 20 instead of 32), for
          laptops.
Command:  imgtrans train painters --config.data.pictures=my_photos
Data:     your pictures, any folder of photographs; the embedded drawings without one. Looks: six
          that are drawn by data/looks.py, and every picture in $IMGTRANS_DATA/paintings, each by
          its file's name.
Expected: the strokes and colours of a look on the forms of the picture.
Needs:    some 10 minutes on a data-centre GPU, an H100.
"""

import os
from pathlib import Path

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import OneDomain
from imgtrans_jax.data.looks import DRAWN
from imgtrans_jax.methods.fast_style import FastStyle, Look
from imgtrans_jax.models.style_network import StyleNetwork
from imgtrans_jax.optim import Adam, LinearDecay


def get_config() -> Experiment:
    paintings = sorted(Path(os.environ.get("IMGTRANS_DATA", "."), "paintings").glob("*.jpg"))
    looks = (*(Look(path.stem, str(path)) for path in paintings), *map(Look, DRAWN))
    return Experiment(
        data=OneDomain(cut=Preprocess(load_size=288, crop_size=256, resize="none")),
        recipe=FastStyle(
            looks, StyleNetwork(width=20, blocks=5, looks=len(looks)), content=0.5, ema=0.999
        ),
        optimizer=Adam(LinearDecay(1e-3, constant_epochs=60, decay_epochs=60), b1=0.9),
        batch_size=8,
        log_every=50,
        sample_every=500,
        save_every=500,
    )
