"""Loss against evaluations and seconds, of several optimisers of pixels, on the sample pictures
with the settings as they come.

python benchmarks/optimizers.py [--size=256] [--evaluations=200]
"""

import argparse
import platform
import time

import jax
import numpy as np

from imgtrans_jax.data import sample_pictures
from imgtrans_jax.io import images
from imgtrans_jax.optim import LBFGS, PixelAdam
from imgtrans_jax.style.gatys import Gatys
from imgtrans_jax.style.optimize import lower_step, start
from imgtrans_jax.style.workspace import unit
from imgtrans_jax.weights.vgg import load_vgg

OPTIMIZERS = (LBFGS(5), LBFGS(20), LBFGS(50), PixelAdam(0.01), PixelAdam(0.02), PixelAdam(0.05))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--evaluations", type=int, default=200)
    args = parser.parse_args()
    recipe = Gatys(recolor=False)
    depth, params = load_vgg()
    params = jax.device_put(params)
    content, style = (
        unit(images.resize(p, args.size, args.size))[None]
        for p in (sample_pictures.photograph(), sample_pictures.painting())
    )
    frozen = {
        "params": params,
        "weights": {name: np.float32(weight) for name, weight in recipe.weighting().items()},
        "content": jax.jit(lambda p, x: recipe.content_targets(depth, p, x))(params, content),
        "styles": (
            jax.jit(lambda p, x: recipe.style_targets(depth, p, [x], [1.0]))(params, style),
        ),
        "picture": content,
        "shares": (np.float32(1),),
        "masks": (),
    }
    marks = [n for n in (10, 25, 50, 100, 150, 200, 300, 500) if n <= args.evaluations]
    for optimizer in OPTIMIZERS:
        began = time.perf_counter()
        program = lower_step(
            recipe.objective(depth), content, frozen, optimizer, args.evaluations
        ).compile()
        compiled = time.perf_counter() - began
        walk = jax.jit(lambda x, o=optimizer: start(x, o, args.evaluations))(content)
        lowest, line = np.inf, []
        began = time.perf_counter()
        for number in range(1, args.evaluations + 1):
            walk, terms = program(walk, frozen)
            lowest = min(lowest, float(terms["total"]))
            if number in marks:
                line.append(f"{number}: {lowest:.4f} ({time.perf_counter() - began:.0f} s)")
        print(
            f"{optimizer}, compiled in {compiled:.1f} s, lowest loss after  {'  '.join(line)}",
            flush=True,
        )
    print(
        f"{args.size} px, jax {jax.__version__} on {jax.devices()[0].device_kind}, "
        f"{platform.platform()}"
    )


if __name__ == "__main__":
    main()
