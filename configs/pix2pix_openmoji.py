"""Line drawings become coloured drawings, learned from pairs.

Paper:    pix2pix, Isola et al. 2017 (arXiv 1611.07004), narrowed for a laptop: 64 px, width 32, 6
          levels.
Command:  imgtrans train pix2pix_openmoji
Data:     the embedded OpenMoji drawings, 1,735 pairs and 190 held out: no download.
          --config.data.direction=b2a learns to take the colours away. Your own pairs:
          --config.data.pairs=DIR.
Expected: colours inside the lines, one choice where many are right. Held out, by
examples/score_colouring.py (measured): kernel distance to real drawings 0.006 of the sketches' own,
background changed by 0.010 of the range, lines of luminance 0.06, 3 hue groups. Colour to sketch,
by examples/score_pairs.py: mean absolute error 73 % below that of the unchanged input.
Needs:    7 minutes 12 seconds on two CPU cores (measured): 2,592 steps.
"""

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Paired
from imgtrans_jax.data.pairs import OpenMojiPairs
from imgtrans_jax.methods.pix2pix import Pix2Pix
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.optim import Adam, LinearDecay


def get_config() -> Experiment:
    return Experiment(
        data=Paired(OpenMojiPairs(), cut=Preprocess(load_size=64, crop_size=64)),
        recipe=Pix2Pix(
            generator=UNet(width=32, levels=6, norm="instance"),
            critic=PatchGAN(width=32, layers=2),
            pixel=25.0,
            test_mode="eval",
            ema=0.995,
        ),
        optimizer=Adam(LinearDecay(4e-4, constant_epochs=6, decay_epochs=6)),
        batch_size=8,
        log_every=25,
        sample_every=200,
        save_every=200,
    )
