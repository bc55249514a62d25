"""Pictures become four times as large.

Paper:    SRResNet, Ledig et al. 2017 (arXiv 1609.04802), sections 2.1 and 3.2: 16 blocks, crops of
          96 px, batch 16, Adam 1e-4 (0.9), 1,000,000 steps.
Command:  imgtrans train srresnet --config.data.pictures=my_photos
Data:     your pictures: any folder, reduced here; without one the embedded drawings at 256 px. The
          paper took 350 thousand of ImageNet: --config.data.pictures=imagenet_folder.
Expected: about 2 dB over a bicubic filter on photographs (table 2). Not trained to the end here;
          configs/srresnet_small.py is.
Needs:    Estimate, not measured: 24 to 48 hours on a data-centre GPU.
"""

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import SelfPaired
from imgtrans_jax.data.derived import Downscale
from imgtrans_jax.data.sources import OpenMoji
from imgtrans_jax.methods.srgan import SRGAN
from imgtrans_jax.models.srgan import SRResNet
from imgtrans_jax.optim import Adam, Constant


def get_config() -> Experiment:
    return Experiment(
        data=SelfPaired(
            OpenMoji("colour", whole=True),
            Downscale(4),
            Preprocess(load_size=256, crop_size=96, resize="none"),
        ),
        recipe=SRGAN(SRResNet(width=64, blocks=16)),
        optimizer=Adam(Constant(1e-4), b1=0.9),
        batch_size=16,
        steps=1_000_000,
        log_every=100,
        sample_every=2000,
        save_every=2000,
    )
