"""Line drawings become coloured drawings, learned without a single pair, in about five minutes on two CPU cores."""

from imgtrans_jax.config import Experiment
from imgtrans_jax.data.augment import Cut
from imgtrans_jax.data.pipeline import Unpaired
from imgtrans_jax.data.sources import OpenMoji
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.optim import Adam, LinearDecay
from imgtrans_jax.recipes.cyclegan import CycleGAN


def get_config() -> Experiment:
    return Experiment(
        data=Unpaired(OpenMoji("sketch"), OpenMoji("colour"), Cut(load_size=64, crop_size=64)),
        recipe=CycleGAN(
            generator=ResNetGenerator(width=16, blocks=3, upsample="nearest"),
            critic=PatchGAN(width=16),
            identity=0.2,
            ema=0.99,
        ),
        optimizer=Adam(LinearDecay(4e-4, constant_epochs=4, decay_epochs=2)),
        batch_size=8,
        log_every=20,
        sample_every=100,
        save_every=100,
    )
