"""Line drawings in colour by CUT, small, without a single pair.

Paper:    Park et al. 2020 (arXiv 2007.15651), narrowed for a laptop: 64 px, width 16, 3 residual
          blocks, 64 patches, without anti-aliasing.
Command:  imgtrans train cut_small
Data:     the embedded OpenMoji drawings: sketches of one half, coloured drawings of the other half.
Expected: shapes with mottled fills of several hues, softer than the quickstart's. Held out, by
          examples/score_colouring.py (measured): kernel distance to real drawings 0.094 of the
          sketches' own, 4 groups of hues.
Needs:    2,250 steps. 13 minutes on two CPU cores with two other trainings beside (measured); alone
          about half of that.
"""

import dataclasses

from imgtrans_jax.configs.quickstart import get_config as quickstart

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.methods.cut import CUT
from imgtrans_jax.models.patch_heads import PatchHeads
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.optim import Adam, LinearDecay


def get_config() -> Experiment:
    return dataclasses.replace(
        quickstart(),
        recipe=CUT(
            generator=ResNetGenerator(width=16, blocks=3, upsample="nearest"),
            critic=PatchGAN(width=16),
            heads=PatchHeads(64),
            taps=("input", "down_0", "down_1", "block_0", "block_2"),
            patches=64,
            ema=0.995,
        ),
        optimizer=Adam(LinearDecay(4e-4, constant_epochs=6, decay_epochs=4)),
    )
