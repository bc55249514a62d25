"""What TPU's compiler says of one evaluation of a style transfer, and of one pass of the network
`painters`, on a machine that has no TPU.

  pip install "imgtrans_jax[tpu]"
  python -m benchmarks.tpu_style [--topology=v5e:1x1] [--size=512] [--dtype=bfloat16]

Millions of cycles, those of its products alone, code and memory; and what costs most.
"""

from __future__ import annotations

import argparse
import functools
import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # for what is not compiled for a TPU

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from imgtrans_jax.config.overrides import override
from imgtrans_jax.inference.load import load_generator
from imgtrans_jax.planning import tpu
from imgtrans_jax.planning.arithmetic import total
from imgtrans_jax.planning.plan import compiled_for
from imgtrans_jax.runtime import memory
from imgtrans_jax.runtime.target import target
from imgtrans_jax.style import optimize
from imgtrans_jax.style.gatys import Gatys
from imgtrans_jax.types import Dtype, UserError
from imgtrans_jax.weights.vgg import load_vgg

Program = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function, and the shapes of its arguments."""


def transfer(image: jax.ShapeDtypeStruct, dtype: Dtype) -> Program:
    """One evaluation of the default loss with its gradient, and the optimizer's step."""
    recipe, (depth, params) = Gatys(dtype=dtype), load_vgg("embedded")
    scalar = jax.ShapeDtypeStruct((), jnp.float32)
    shapes: dict[str, Any] = {
        "params": params,
        "weights": dict.fromkeys(recipe.weighting(), scalar),
        "content": jax.eval_shape(functools.partial(recipe.content_targets, depth), params, image),
        "styles": (
            jax.eval_shape(lambda p, x: recipe.style_targets(depth, p, [x], [1.0]), params, image),
        ),
        "shares": (scalar,),
        "masks": (),
        "picture": image,
    }
    begin = functools.partial(optimize.start, optimizer=recipe.optimizer, steps=120)
    step = functools.partial(optimize.step, recipe.objective(depth), recipe.optimizer, 120, True)
    return step, (jax.eval_shape(begin, image), shapes)


def painted(image: jax.ShapeDtypeStruct, dtype: Dtype) -> Program:
    """One picture by the finished network, in its first look."""
    network = load_generator("painters")
    recipe = override(network.experiment, "recipe.generator.dtype", dtype).recipe

    def paint(params: Any, stats: Any, images: jax.Array) -> jax.Array:
        return recipe.translate(params, stats, images, "a2b")

    return paint, (network.params, network.stats, image)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--topology", default="v5e:1x1")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    given = parser.parse_args()
    try:
        chips = tpu.devices(given.topology)
    except UserError as error:
        parser.error(str(error))
    mesh = Mesh(np.array(chips[:1]), ("x",))
    here = NamedSharding(mesh, PartitionSpec())
    generation = tpu.GENERATIONS[given.topology.partition(":")[0]]
    image = jax.ShapeDtypeStruct((1, given.size, given.size, 3), jnp.float32)
    for name, program in {"transfer, an evaluation": transfer, "painters, a pass": painted}.items():
        step, arguments = program(image, given.dtype)
        shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), arguments)
        with target("tpu"):
            traced = jax.jit(step, in_shardings=here, out_shardings=here).trace(*shapes)
        found = compiled_for(traced, generation)
        if found is None:
            print(f"{name}, {given.size} px: it does not fit")
            continue
        alone = total(found.products) / generation.products
        print(
            f"{name}, {given.size} px, {given.dtype}: {found.cycles / 1e6:.1f} million "
            f"cycles, its products alone {alone / 1e6:.1f}; code {found.code / 1e6:.0f} MB, memory "
            f"{memory.text(found.needed)}; compiled in {found.seconds:.0f} s"
        )
        for what, cycles in tpu.dearest(found.operations, lambda one: one.source)[:8]:
            print(f"  {cycles / 1e6:6.2f}  {what}")


if __name__ == "__main__":
    main()
