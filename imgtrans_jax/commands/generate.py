"""Makes pictures from nothing or of a text with a trained GAN.

imgtrans generate runs/cgan_digits --count=64 --out=digits
imgtrans generate digits.safetensors --count=64 --label=3 --seed=1
imgtrans generate runs/text_openmoji --text="red heart"
"""

from __future__ import annotations

from imgtrans_jax.commands import app

FLAGS = app.Flags()
RUN = FLAGS.path(
    "run",
    None,
    "A GAN's run, or the .safetensors file of one; a CoGAN makes pairs, a left, b right.",
)
OUT = FLAGS.path("out", "out", "A folder for the pictures and a sheet of them.")
COUNT = FLAGS.whole("count", 16, "How many pictures.")
LABEL = FLAGS.whole("label", None, "The class, from 0. Default: all in turn.")
TEXT = FLAGS.string("text", None, "What they show, for a run that learned from captions.")
SEED = FLAGS.whole("seed", 0, "Another number makes other pictures.", 0, 2**31 - 1)
OVERWRITE = FLAGS.switch("overwrite", "Make results anew that are there already.")
TRUST_CODE = FLAGS.switch(
    "trust_code", "Run code that the run's config names outside imgtrans_jax."
)
FLAGS.alias("generator", "run")
POSITIONAL = (RUN,)


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.inference import sample

    app.no_overrides(overrides)
    source = app.required(RUN.value, "run")
    label, trusted, anew = LABEL.value, TRUST_CODE.value, OVERWRITE.value
    return app.wrote(
        sample.generate(
            source, OUT.value, COUNT.value, label, SEED.value, trusted, anew, TEXT.value
        )
    )
