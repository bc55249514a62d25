"""How much arithmetic a traced program is. Imports nothing of this package."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from jax.extend import core


@dataclasses.dataclass(frozen=True)
class Product:
    """A convolution or a matrix product of a program.

    Attributes:
        flops: Multiplications and additions, without those by zeros of padding and dilation.
        bytes: Of what it reads and writes.
        times: How often it runs.
    """

    flops: float
    bytes: float
    times: int


def products(jaxpr: core.Jaxpr, times: int = 1) -> Iterator[Product]:
    """All convolutions and matrix products that run: those of a loop as often as it turns, of
    several branches those of the dearest. A loop whose turns depend on values counts once.

    Args:
        jaxpr: Of `jax.jit(f).trace(...)`.
        times: How often it runs.

    Yields:
        Each with how often it runs.
    """
    for eqn in jaxpr.eqns:
        name, inner = eqn.primitive.name, _inner(eqn)
        if name == "conv_general_dilated":
            yield Product(_convolution(eqn), _bytes(eqn), times)
        elif name == "dot_general":
            yield Product(_matrix_product(eqn), _bytes(eqn), times)
        elif name == "cond":
            branches = [list(products(branch, times)) for branch in inner]
            yield from max(branches, key=total)
        else:
            turns = times * (eqn.params["length"] if name == "scan" else 1)
            for one in inner:
                yield from products(one, turns)


def total(found: list[Product]) -> float:
    """Their multiplications and additions in all."""
    return sum(one.flops * one.times for one in found)


def _inner(eqn: Any) -> list[core.Jaxpr]:
    """The programs within an operation."""
    found = []
    for value in eqn.params.values():
        for one in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(one, core.ClosedJaxpr):
                found.append(one.jaxpr)
            elif isinstance(one, core.Jaxpr):
                found.append(one)
    return found


def _bytes(eqn: Any) -> float:
    return float(
        sum(math.prod(v.aval.shape) * v.aval.dtype.itemsize for v in (*eqn.invars, *eqn.outvars))
    )


def _matrix_product(eqn: Any) -> float:
    (contracted, _), _ = eqn.params["dimension_numbers"]
    left = eqn.invars[0].aval.shape
    depth = math.prod(left[axis] for axis in contracted)
    return 2.0 * math.prod(eqn.outvars[0].aval.shape) * depth


def _convolution(eqn: Any) -> float:
    p = eqn.params
    (image, kernel), result = (v.aval.shape for v in eqn.invars), eqn.outvars[0].aval.shape
    numbers = p["dimension_numbers"]
    taps = 1
    for i, (x, k, y) in enumerate(
        zip(numbers.lhs_spec[2:], numbers.rhs_spec[2:], numbers.out_spec[2:], strict=True)
    ):
        places = (
            np.arange(result[y])[:, None] * p["window_strides"][i]
            + np.arange(kernel[k])[None] * p["rhs_dilation"][i]
            - p["padding"][i][0]
        )
        dilation = p["lhs_dilation"][i]
        inside = (places >= 0) & (places <= (image[x] - 1) * dilation) & (places % dilation == 0)
        taps *= int(inside.sum())
    rows, features = result[numbers.out_spec[0]], result[numbers.out_spec[1]]
    return 2.0 * taps * rows * features * kernel[numbers.rhs_spec[1]]
