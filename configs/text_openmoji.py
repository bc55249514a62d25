"""Small coloured drawings of a text: "red heart", "green cat face".

Paper:    StackGAN, Zhang et al. 2017 (arXiv 1612.03242), small: 32 px, then 64, both stages at
          once (arXiv 1710.10916); texts as bags of words, whose meaning is learned along.
Command:  imgtrans train text_openmoji
          imgtrans generate runs/text_openmoji --text="red heart"
Data:     the embedded OpenMoji drawings with their names in Unicode, and the name of the colour
          that most of a drawing has: hues are turned by chance. Pictures of your own with captions:
          --config.data.pictures=DIR (cat.txt beside cat.png, or else the name says it).
Expected: TODO
Needs:    TODO
"""

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.captions import Captioned, OpenMojiCaptions
from imgtrans_jax.methods.stackgan import StackGAN
from imgtrans_jax.models.dcgan import DCGANGenerator
from imgtrans_jax.models.stackgan import Conditioning, Refiner, TextCritic
from imgtrans_jax.optim import Adam, LinearDecay


def get_config() -> Experiment:
    return Experiment(
        data=Captioned(OpenMojiCaptions(), Preprocess(64, 64), recolor=True),
        recipe=StackGAN(
            generator=DCGANGenerator(size=32, width=32, upsample="nearest"),
            refiner=Refiner(width=16),
            conditioning=Conditioning(length=64),
            critic=TextCritic(width=16),
            texts=(
                "red heart",
                "blue heart",
                "yellow face",
                "green cat face",
                "orange moon",
                "purple star",
            ),
            ema=0.995,
        ),
        optimizer=Adam(LinearDecay(2e-4, 2000, 2000, unit="steps")),
        batch_size=32,
        log_every=100,
        sample_every=500,
        save_every=500,
    )
