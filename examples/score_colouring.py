"""Prints the four numbers of a run that colours the embedded drawings, on its held-out sketches.

  python examples/score_colouring.py --run=runs/quickstart

Exit code 0 if all four pass, 1 if not.
"""

import sys

import numpy as np

from imgtrans_jax.commands import app

FLAGS = app.Flags()
RUN = FLAGS.path("run", "runs/quickstart", "The folder of the run.")
FINISHED = FLAGS.switch(
    "finished", "Score what `translate` gives, with its lines and fills, not the network alone."
)


def main(_: app.Overrides) -> int:
    from imgtrans_jax.data.openmoji import TEST, load_openmoji
    from imgtrans_jax.inference import translator
    from imgtrans_jax.io.images import to_signed
    from imgtrans_jax.metrics.colouring import score_coloring

    apply, experiment = translator.generator(RUN.value, "a2b")
    drawings = load_openmoji(experiment.data.cut.crop_size)
    held_out = drawings["split"] == TEST
    sketches, coloured = (to_signed(drawings[kind][held_out]) for kind in ("sketch", "colour"))
    if FINISHED.value:
        pictures = drawings["sketch"][held_out]
        translated = to_signed(np.concatenate([apply.of_pixels(one[None]) for one in pictures]))
    else:
        translated = np.concatenate([np.asarray(apply(sketch[None])) for sketch in sketches])
    score = score_coloring(sketches, translated, coloured)
    print(
        f"kernel distance to real drawings, of the sketches' own  {score.distance_ratio:.3f}  (at "
        "most 0.5)"
    )
    print(
        f"change of the background, of the range                  {score.background_change:.3f}  "
        "(under 0.05)"
    )
    print(
        f"mean luminance of the lines                             {score.line_luminance:.3f}  "
        "(under 0.35)"
    )
    print(
        f"hue groups                                              {score.hue_groups}      (at "
        "least 3)"
    )
    return 0 if score.passes() else 1


if __name__ == "__main__":
    app.main(sys.modules[__name__])
