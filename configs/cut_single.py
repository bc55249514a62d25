"""One photograph in the manner of one painting, learned from these two pictures alone.

Paper:    CUT, Park et al. 2020 (arXiv 2007.15651), section 4.3 and appendix C.4 (SinCUT): crops of
          both pictures are the data; here with this package's networks.
Command:  imgtrans train cut_single --config.data.a=photo.jpg --config.data.b=painting.jpg
Data:     two pictures: photo.jpg and painting.jpg of the present folder, unless the flags say
          otherwise.
Expected: the photograph's shapes in the painting's colours. Which colours go where is luck: of two
          runs with mountains and van Gogh's wheat field one (its first 136 steps with larger crops)
          made meadows wheat, rocks cypresses, and clouds yellow, the other made all of it sky.
          Try other seeds, --config.seed=1.
Needs:    1,500 steps; 8 minutes 34 seconds on two CPU cores with another job beside (measured).
"""

import dataclasses

from imgtrans_jax.configs.cut_small import get_config as cut

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Unpaired
from imgtrans_jax.methods.cut import CUT
from imgtrans_jax.models.patch_heads import PatchHeads
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.optim import Adam, LinearDecay


def get_config() -> Experiment:
    return dataclasses.replace(
        cut(),
        data=Unpaired("photo.jpg", "painting.jpg", Preprocess(288, 64, "short")),
        recipe=CUT(
            generator=ResNetGenerator(width=16, blocks=3, upsample="nearest"),
            critic=PatchGAN(width=32, layers=2),
            heads=PatchHeads(64),
            taps=("input", "down_0", "down_1", "block_0", "block_2"),
            patches=64,
            nce=4.0,
            ema=0.995,
        ),
        optimizer=Adam(LinearDecay(4e-4, 800, 700, unit="steps")),
        batch_size=4,
        sample_every=250,
        save_every=250,
        log_every=50,
    )
