"""Coloured drawings become line drawings: the network color2sketch that comes along.

Paper:    the pixel term of pix2pix alone, Isola et al. 2017 (arXiv 1611.07004): the drawing tells
          which lines there are, no critic is needed to choose. A narrow ResNet.
Command:  imgtrans train color2sketch
Data:     the embedded OpenMoji drawings, 1,735 pairs and 190 held out: no download.
Expected: clean black lines; edges between colours that have none in the drawing are left out. Held
          out at 256 px (measured, docs/networks.md): 30.3 dB and 0.981.
Needs:    11 minutes on two CPU cores (measured, other work beside): 2,000 steps.
"""

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Paired
from imgtrans_jax.data.pairs import OpenMojiPairs
from imgtrans_jax.methods.pix2pix import Pix2Pix
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.optim import Adam, Cosine


def get_config() -> Experiment:
    return Experiment(
        data=Paired(OpenMojiPairs(), direction="b2a", cut=Preprocess(load_size=256, crop_size=96)),
        recipe=Pix2Pix(
            generator=ResNetGenerator(width=16, blocks=3, upsample="bilinear"),
            adversarial=0.0,
            pixel=1.0,
            test_mode="eval",
            ema=0.99,
        ),
        optimizer=Adam(Cosine(1e-3, length=2000, unit="steps"), b1=0.9),
        batch_size=8,
        log_every=50,
        sample_every=500,
        save_every=500,
    )
