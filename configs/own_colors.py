"""Line drawings in the colours of one's own drawings: a folder of finished ones is enough.

Paper:    pix2pix, Isola et al. 2017 (arXiv 1611.07004), begun from the network sketch2color.
Command:  imgtrans train own_colors --config.data.a=lines --config.data.b=colored
Data:     your coloured drawings (it was tried with 89), and the lines that
          imgtrans translate color2sketch colored/ --out=lines takes out of them: pairs by names.
Expected: your sketches, with imgtrans translate runs/own_colors sketches/ --out=results: shapes of
          one colour each, of your palette; what has which colour follows sketch2color and is partly
          luck with so few. After 3,000 steps at 3e-4 it knew its 89 drawings by heart, and painted
          rainbows into others.
Needs:    600 steps; 2 minutes 38 seconds on two CPU cores (measured).
"""

import dataclasses

from imgtrans_jax.configs.sketch2color import get_config as sketch2color

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Paired
from imgtrans_jax.optim import Adam, Cosine


def get_config() -> Experiment:
    base = sketch2color()
    return dataclasses.replace(
        base,
        data=Paired(
            a="lines",
            b="colored",
            cut=Preprocess(load_size=143, crop_size=128),
            line_drawings=True,
        ),
        recipe=dataclasses.replace(base.recipe, content=0.0, ema=0.99),
        optimizer=Adam(Cosine(1e-4, length=600, unit="steps")),
        batch_size=4,
        log_every=50,
        sample_every=200,
        save_every=200,
        init_from="sketch2color",
    )
