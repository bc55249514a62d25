"""Architectural labels become photographs of facades.

Paper:    pix2pix, Isola et al. 2017 (arXiv 1611.07004), section 3 and appendix 6.2: 400 pairs, 200
          epochs, batch 1, from scratch.
Command:  imgtrans train pix2pix_facades
Data:     pix2pix's facades, 400 training and 100 validation pairs, from $IMGTRANS_DATA/facades or
          fetched from its authors (30 MB); any folder in that form: --config.data.pairs=DIR.
Expected: windows, doors and balconies where the labels are, plausible and varied walls (figure 14).
Not trained to the end here.
Needs:    80,000 steps. Estimate, not measured: 1 to 2 hours on a data-centre GPU. On two CPU cores
          about 1.5 s a step: 33 hours; configs/pix2pix_facades_small.py is for a laptop, in about
          an hour.
"""

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Paired
from imgtrans_jax.data.pairs import Pix2PixPairs
from imgtrans_jax.losses.adversarial import vanilla
from imgtrans_jax.methods.pix2pix import Pix2Pix
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.optim import Adam, LinearDecay


def get_config() -> Experiment:
    return Experiment(
        data=Paired(
            Pix2PixPairs("facades"), direction="b2a", cut=Preprocess(load_size=286, crop_size=256)
        ),
        recipe=Pix2Pix(
            UNet(width=64, levels=8), PatchGAN(layers=3, norm="batch"), gan=vanilla, pixel=100.0
        ),
        optimizer=Adam(LinearDecay(2e-4, constant_epochs=100, decay_epochs=100)),
        batch_size=1,
        log_every=100,
        sample_every=2000,
        save_every=2000,
    )
