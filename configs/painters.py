"""Photographs in the looks of several painters and techniques, in one pass of one network.

Paper:    Johnson et al. 2016 (arXiv 1603.08155), with the Wasserstein distance of Gaussians
          instead of that of Gram matrices, and several looks in one network by Dumoulin et al. 2017
          (arXiv 1610.07629). Narrower, for laptops: width 24 instead of 32.
Command:  imgtrans train painters --config.data.pictures=my_photos
Data:     your pictures, any folder of photographs; the embedded drawings without one. Looks: six
          that are drawn by data/looks.py, and every .jpg in the folder paintings of
          $IMGTRANS_DATA, or without it of the present folder, each by its file's name.
Expected: the strokes and colours of a look on the forms of the picture. The network painters that
          comes along is this after half of its steps (docs/networks.md).
Needs:    40,000 steps. An H200 made 53 a second (measured) with
          --config.recipe.feature_dtype=bfloat16: 13 minutes on such a GPU.
"""

import os
from pathlib import Path

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import OneDomain
from imgtrans_jax.data.looks import DRAWN
from imgtrans_jax.methods.fast_style import FastStyle, Look
from imgtrans_jax.models.style_network import StyleNetwork
from imgtrans_jax.optim import Adam, Cosine

# ink and woodcut hide a picture easily; the wave is mostly empty paper
STRENGTHS = {"wave": 1.3, "woodcut": 0.6, "ink_wash": 0.6}


def get_config() -> Experiment:
    paintings = sorted(Path(os.environ.get("IMGTRANS_DATA", "."), "paintings").glob("*.jpg"))
    pictures = {path.stem: str(path) for path in paintings} | dict.fromkeys(DRAWN, "")
    looks = tuple(
        Look(name, picture, strength=STRENGTHS.get(name, 1.0)) for name, picture in pictures.items()
    )
    return Experiment(
        data=OneDomain(cut=Preprocess(load_size=288, crop_size=256, resize="none")),
        recipe=FastStyle(
            looks,
            StyleNetwork(width=24, looks=len(looks), register=0.125, grain=0.02),
            content=0.04,
            ema=0.999,
        ),
        optimizer=Adam(Cosine(1e-3, length=40_000, unit="steps"), b1=0.9),
        batch_size=8,
        log_every=50,
        sample_every=500,
        save_every=500,
    )
