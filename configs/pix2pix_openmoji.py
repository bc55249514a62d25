"""Line drawings become coloured drawings, learned from pairs.

Paper:    pix2pix, Isola et al. 2017 (arXiv 1611.07004), narrowed for a laptop: 64 px, width 32, 6 levels.
Command:  python train.py --config=configs/pix2pix_openmoji.py
"""

from imgtrans_jax.config import Experiment
from imgtrans_jax.data.augment import Cut
from imgtrans_jax.data.pairs import OpenMojiPairs
from imgtrans_jax.data.pipeline import Paired
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.optim import Adam, LinearDecay
from imgtrans_jax.recipes.pix2pix import Pix2Pix


def get_config() -> Experiment:
    return Experiment(
        data=Paired(OpenMojiPairs(), cut=Cut(load_size=64, crop_size=64)),
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
