"""Photographs become van Goghs, with a network of 226 thousand parameters: small batches.

Paper:    a project report on style transfer: CycleGAN's losses without identity and pool, DnCNN
          generators (Zhang et al. 2017, arXiv 1608.03981), critics of stride 1; Adam (0.5, 0.999),
          200 epochs, batch 2, rate 1e-3.
Command:  imgtrans train vangogh_smallBS
Data:     cycle_gan/vangogh2photo of tensorflow-datasets: 400 paintings and 6,287 photographs. An
          artist's folder instead: --config.data.b=DIR. One single painting, in random crops at its
          own scale: --config.data.b=starry_night.jpg --config.data.cut.resize=none.
Expected: brush strokes and colours of the painter; shapes stay, since a logit sees 11 pixels. What
          is light may come out dark (docs/gallery/cyclegan.md):
          --config.recipe.generator.residual=True keeps it light.
Needs:    628,600 steps. Estimate, not measured: 8 to 12 hours on a data-centre GPU.
"""

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Unpaired
from imgtrans_jax.data.sources import Tfds
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.models.dncnn import DnCNN
from imgtrans_jax.models.patchgan import StrideOneCritic
from imgtrans_jax.optim import Adam, Constant


def get_config() -> Experiment:
    return Experiment(
        data=Unpaired(
            Tfds("cycle_gan/vangogh2photo", train="trainB", test="testB"),
            Tfds("cycle_gan/vangogh2photo", train="trainA", test="testA"),
            Preprocess(load_size=143, crop_size=128),
        ),
        recipe=CycleGAN(
            DnCNN(width=64, depth=6),
            StrideOneCritic(),
            cycle=1.0,
            identity=0.0,
            halve_critic=False,
            pool_size=0,
        ),
        optimizer=Adam(Constant(1e-3, length=200)),
        batch_size=2,
        log_every=100,
        sample_every=1000,
        save_every=1000,
    )
