"""How far the translations of a run with pairs are from the truth, on held-out pairs.

  python examples/score_pairs.py --run=runs/pix2pix_openmoji

Prints the mean absolute error of the translations and of the unchanged inputs, of the range [-1, 1].
"""

import numpy as np
from absl import flags

from imgtrans_jax import cli

RUN = flags.DEFINE_string("run", "runs/pix2pix_openmoji", "The folder of the run.")


def main(_: cli.Overrides) -> int:
    from imgtrans_jax import translation

    apply, experiment = translation.generator(RUN.value, "a2b")
    pairs = experiment.data.open().samples(100_000)
    translated = np.concatenate([np.asarray(apply(a[None])) for a in pairs["a"]])
    error, unchanged = (float(np.abs(x - pairs["b"]).mean()) for x in (translated, pairs["a"]))
    print(f"mean absolute error of {len(translated)} translations  {error:.4f}")
    print(f"of the unchanged inputs                  {unchanged:.4f}  ({1 - error / unchanged:.0%} less)")
    return 0


if __name__ == "__main__":
    cli.run(main)
