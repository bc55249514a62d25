"""Line drawings in colour, at 128 pixels: the network sketch2color that comes along.

Paper:    pix2pix, Isola et al. 2017 (arXiv 1611.07004): a U-Net of width 24 and 6 levels, bilinear
          upsampling, instance norm; beside the pixels the features of VGG (Johnson et al. 2016).
Command:  imgtrans train sketch2color
Data:     the embedded OpenMoji drawings, 1,735 pairs and 190 held out: no download.
Expected: closed shapes are filled to the line; skin, hair and clothes are told apart; patches in
          large plain shapes. How the network that comes along was made is told by
          imgtrans networks sketch2color.
Needs:    24,000 steps of 16. An H200 made 77 a second (measured, another training beside): 5
          minutes on such a GPU.
"""

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Paired
from imgtrans_jax.data.pairs import OpenMojiPairs
from imgtrans_jax.methods.pix2pix import Pix2Pix
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.optim import Adam, Constant, Cosine


def get_config() -> Experiment:
    return Experiment(
        data=Paired(OpenMojiPairs(), cut=Preprocess(load_size=143, crop_size=128)),
        recipe=Pix2Pix(
            generator=UNet(width=24, levels=6, norm="instance", upsample="bilinear", dropout=0.0),
            critic=PatchGAN(width=32, layers=2),
            pixel=20.0,
            content=5.0,
            test_mode="eval",
            ema=0.999,
        ),
        optimizer=Adam(Cosine(3e-4, length=24_000, unit="steps")),
        critic_optimizer=Adam(Constant(2e-4)),
        batch_size=16,
        log_every=200,
        sample_every=2000,
        save_every=2000,
    )
