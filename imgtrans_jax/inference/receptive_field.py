"""What a network's own program says of its layers: how far they see, how large their maps are, and
what they cost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

from imgtrans_jax.convolution.forms import form

NARROW, PASS = 16, 50
"""For the time left, as measured on a CPU: fewer channels than that take as long, and to write one
value of a map takes as long as so many multiplications.
"""

Apply = Callable[[Any, jax.Array], jax.Array]
"""Weights and pictures (N, H, W, C) in [-1, 1] -> pictures (N, kH, kW, C') with k 1, or more where
the network enlarges.
"""


class NotLocalError(ValueError):
    """The network is not made of local layers and known norms, and cannot be applied in tiles."""


def largest_map(apply: Apply, weights: Any, shape: tuple[int, int, int]) -> int:
    """Bytes of the largest map that a convolution of the network gives.

    Args:
        apply: The network.
        weights: Its weights, or their shapes.
        shape: (H, W, C) of a picture.

    Returns:
        Bytes; 0 for a network without convolutions.
    """

    def largest(jaxpr: core.Jaxpr) -> int:
        maps: list[Any] = [
            eqn.outvars[0].aval
            for eqn in jaxpr.eqns
            if eqn.primitive.name == "conv_general_dilated"
        ]
        inner = [largest(sub) for eqn in jaxpr.eqns for sub in core.jaxprs_in_params(eqn.params)]
        return max([math.prod(x.shape) * x.dtype.itemsize for x in maps] + inner, default=0)

    with form("direct"):
        return largest(
            jax.make_jaxpr(apply)(weights, jax.ShapeDtypeStruct((1, *shape), jnp.float32)).jaxpr
        )


class ReceptiveFieldTracer:
    """How far the values of a program see, in pixels of the picture to each side, and what they
    cost.
    """

    def __init__(self, height: int) -> None:
        self.height, self.cost = height, 0.0

    def through(self, jaxpr: core.Jaxpr, inputs: Sequence[float | None]) -> list[float | None]:
        """The reach of each result from those of the inputs.

        Args:
            jaxpr: The program.
            inputs: The reach of each in pixels; None is a value that no pixel has touched.

        Returns:
            The reach of each result, or None.

        Raises:
            NotLocalError: For a layer that sees all of the picture, or that is not known.
        """
        reach: dict[Any, float | None] = dict(zip(jaxpr.invars, inputs, strict=True))

        def of(variable: Any) -> float | None:
            return None if isinstance(variable, core.Literal) else reach.get(variable)

        for eqn in jaxpr.eqns:
            known = [r for r in map(of, eqn.invars) if r is not None]
            inner = list(core.jaxprs_in_params(eqn.params))
            if not known:
                results: list[float | None] = [None] * len(eqn.outvars)
            elif inner:
                given = list(map(of, eqn.invars))
                branches = [
                    self.through(sub, given[len(given) - len(sub.invars) :]) for sub in inner
                ]
                results = [
                    max((r for r in many if r is not None), default=None)
                    for many in zip(*branches, strict=True)
                ]
            else:
                results = [max(known) + self._more(eqn)] * len(eqn.outvars)
            reach |= dict(zip(eqn.outvars, results, strict=True))
        return [of(variable) for variable in jaxpr.outvars]

    def _more(self, eqn: Any) -> float:
        x, name, params = eqn.invars[0].aval, eqn.primitive.name, eqn.params
        self.cost += PASS * sum(math.prod(result.aval.shape) for result in eqn.outvars)
        # Padded maps are a little higher than the picture's share: the scale is a power of two.
        scale = 2.0 ** round(math.log2(self.height / x.shape[1])) if x.ndim == 4 else 1.0
        if name == "conv_general_dilated":
            kernel = eqn.invars[1].aval
            given, made = (max(NARROW, channels) for channels in kernel.shape[2:])
            products = (
                math.prod(eqn.outvars[0].aval.shape[:3])
                * math.prod(kernel.shape[:2])
                * given
                * made
            )
            self.cost += products / math.prod(params["lhs_dilation"])
            return kernel.shape[0] // 2 * scale / params["lhs_dilation"][0]
        if name == "slice" and params["strides"] is not None and max(params["strides"]) > 1:
            return scale
        if name == "dot_general":
            # A resize: the map's height or width with a matrix of the filter's weights, bicubic at
            # most.
            if {eqn.invars[0].aval.ndim, eqn.invars[1].aval.ndim} != {2, 4}:
                raise NotLocalError(
                    "The network has a product over positions, which no tile can compute alone."
                )
            return 2 * 2.0 ** round(math.log2(self.height / max(eqn.invars[0].aval.shape[:3])))
        seen = (
            params.get("axes", params.get("dimensions", ()))
            if name.startswith(("reduce", "arg"))
            else ()
        )
        if name in _FAR or (x.ndim == 4 and isinstance(seen, tuple) and {1, 2} & set(seen)):
            raise NotLocalError(
                f"The network has a layer over all of the picture ({name}), which no tile can "
                "compute alone."
            )
        return 0.0


_FAR = frozenset(
    {"cumsum", "cumprod", "cummax", "cummin", "sort", "fft", "gather", "scatter", "while", "scan"}
) | {
    "reduce_window",
    "reduce_window_max",
    "reduce_window_sum",
    "select_and_gather_add",
}
