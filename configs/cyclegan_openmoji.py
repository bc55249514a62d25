"""Line drawings <-> coloured drawings at 128 px with the paper's 6-block network.

Paper:    Zhu et al. 2017 (arXiv 1703.10593), section 7.2 (the network for 128 px) and 7.1
          (training).
Command:  imgtrans train cyclegan_openmoji
Data:     the embedded OpenMoji drawings, drawn at 143 px: no download.
Expected: flat, clean colours inside the lines; better kept apart than in the quickstart. Not
trained to the end here.
Needs:    90,200 steps (100 epochs of 902). Estimate, not measured: 1 to 2 hours on a data-centre
          GPU. On two CPU cores 1.8 s a step (measured): 45 hours.
"""

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Unpaired
from imgtrans_jax.data.sources import OpenMoji
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.optim import Adam, LinearDecay


def get_config() -> Experiment:
    return Experiment(
        data=Unpaired(
            OpenMoji("sketch"), OpenMoji("colour"), Preprocess(load_size=143, crop_size=128)
        ),
        recipe=CycleGAN(ResNetGenerator(width=64, blocks=6), PatchGAN(), identity=0.5),
        optimizer=Adam(LinearDecay(2e-4, constant_epochs=50, decay_epochs=50)),
        log_every=100,
        sample_every=1000,
        save_every=1000,
    )
