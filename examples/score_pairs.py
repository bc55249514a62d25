"""How far the translations of a run with pairs are from the truth, on held-out pairs.

  python examples/score_pairs.py --run=runs/pix2pix_openmoji

Prints the mean absolute error of the translations and of the unchanged inputs, of the range [-1,
1].
"""

import sys

import numpy as np

from imgtrans_jax.commands import app

FLAGS = app.Flags()
RUN = FLAGS.path("run", "runs/pix2pix_openmoji", "The folder of the run.")
TRUST_PATHS = FLAGS.switch(
    "trust_paths", "Open the folders and data sets that somebody else's run names."
)


def main(_: app.Overrides) -> int:
    from imgtrans_jax.config import trust
    from imgtrans_jax.data.datasets import Paired, SelfPaired
    from imgtrans_jax.inference import load, translator
    from imgtrans_jax.types import UserError

    loaded = load.load_generator(RUN.value)
    if not isinstance(loaded.experiment.data, (Paired, SelfPaired)):
        raise UserError(f"{RUN.value} was not trained on pairs; there is no truth to compare with.")
    apply, opened = (
        translator.Translation(loaded),
        trust.opened(loaded.experiment, TRUST_PATHS.value),
    )
    pairs, held_out = opened.samples(100_000), opened.streams[0].test is not opened.streams[0].train
    translated = np.concatenate([np.asarray(apply(a[None])) for a in pairs["a"]])
    error, unchanged = (float(np.abs(x - pairs["b"]).mean()) for x in (translated, pairs["a"]))
    kind = "held-out pairs" if held_out else "training pairs, for there are no others"
    print(f"mean absolute error of the translations  {error:.4f}   ({len(translated)} {kind})")
    print(
        f"of the unchanged inputs                  {unchanged:.4f}   (the translations' is "
        f"{error / unchanged:.0%} of it)"
    )
    return 0


if __name__ == "__main__":
    app.main(sys.modules[__name__])
