"""Your sketches <-> your coloured sketches, from two folders that need no pairs.

Paper:    CycleGAN, Zhu et al. 2017 (arXiv 1703.10593); upsampling by nearest neighbour and
          convolution, against checkerboards.
Command:  imgtrans train cyclegan_sketches
Data:     two folders: data/sketches (a) and data/coloured (b), or elsewhere: --config.data.a=DIR
          --config.data.b=DIR. A hundred pictures a side are a start, five hundred are good. To
          start small on a laptop: --config.data.cut.load_size=72 --config.data.cut.crop_size=64
          --config.recipe.generator.width=16 --config.recipe.generator.blocks=3
Expected: lines kept, areas filled with the colours of side b. Colours that side b never has are not
invented.
Needs:    200 epochs of the larger folder at 128 px: with 500 pictures 100,000 steps. Estimate, not
          measured: 1 to 2 hours on a data-centre GPU; on two CPU cores 1.8 s a step (measured).
"""

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Unpaired
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.optim import Adam, LinearDecay


def get_config() -> Experiment:
    return Experiment(
        data=Unpaired("data/sketches", "data/coloured", Preprocess(load_size=143, crop_size=128)),
        recipe=CycleGAN(
            ResNetGenerator(width=64, blocks=6, upsample="nearest"),
            PatchGAN(),
            identity=0.5,
            ema=0.999,
        ),
        optimizer=Adam(LinearDecay(2e-4, constant_epochs=100, decay_epochs=100)),
        log_every=100,
        sample_every=500,
        save_every=500,
    )
