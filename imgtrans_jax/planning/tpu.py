"""What TPU's compiler says of a program, on a machine that has no TPU. Imports types alone."""

from __future__ import annotations

import collections
import dataclasses
import importlib.util
import math
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from imgtrans_jax.types import UserError


@dataclasses.dataclass(frozen=True)
class Generation:
    """A kind of TPU, by its maker's data sheet.

    Attributes:
        hertz: Cycles a second.
        products: Multiplications, each with an addition, a cycle, in bfloat16.
        memory: Bytes.
        links: Bytes a second that a chip sends to its neighbours.
        accelerator: What the compiler calls so many of them.
    """

    hertz: float
    products: int
    memory: float
    links: float
    accelerator: str


GENERATIONS = {
    "v5e": Generation(1.5e9, 4 * 128 * 128, 16e9, 200e9, "v5litepod-{}"),
    "v6e": Generation(1.75e9, 4 * 256 * 256, 32e9, 448e9, "v6e-{}"),
}


def devices(topology: str) -> list[Any]:
    """The chips of a topology, none of which need be there.

    Args:
        topology: A generation and its form, as `v5e:2x2`.

    Returns:
        What a mesh can be made of, and a program compiled for.

    Raises:
        UserError: If there is no such topology, or no compiler for TPUs.
    """
    name, _, form = topology.partition(":")
    known = ", ".join(f"tpu:{name}:2x2" for name in GENERATIONS)
    if name not in GENERATIONS or not re.fullmatch(r"\d+x\d+", form):
        raise UserError(f"There is no topology tpu:{topology}; use one as {known}.")
    if importlib.util.find_spec("libtpu") is None and "TPU_LIBRARY_PATH" not in os.environ:
        raise UserError(
            'TPU\'s compiler is not installed, which needs no TPU: pip install "imgtrans_jax[tpu]".'
        )
    sides = tuple(map(int, form.split("x")))
    count = math.prod(sides)
    # a host has 2x2 chips unless it is told otherwise
    fewer = {"chips_per_host_bounds": (*sides, 1)} if count < 4 else {}
    for key, value in {
        "TPU_SKIP_MDS_QUERY": "1",
        "TPU_ACCELERATOR_TYPE": GENERATIONS[name].accelerator.format(count),
        "TPU_WORKER_HOSTNAMES": "localhost",
        "TPU_WORKER_ID": "0",
        "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    }.items():
        os.environ.setdefault(key, value)
    from jax.experimental import topologies

    try:
        found = topologies.get_topology_desc(
            topology_name=topology, platform="tpu", **fewer
        ).devices
    except Exception as error:  # of many types, by what is wrong
        raise UserError(
            f"TPU's compiler knows no topology tpu:{topology} ({str(error).splitlines()[0]}); use "
            f"one as {known}."
        ) from None
    return list(found)


@dataclasses.dataclass(frozen=True)
class Operation:
    """An operation of a compiled program.

    Attributes:
        kind: As `fusion` or `copy`.
        source: What it comes of, as the program's own names.
        cycles: Estimated by the compiler, for once.
        times: How often it runs.
        moved: Bytes that it brings to other chips, if it is a collective, for once.
    """

    kind: str
    source: str
    cycles: int
    times: int
    moved: int


_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_OPERATION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*?)\s([a-z][\w\-]*)\((.*)$")
_COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")
_BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "f32": 4, "s32": 4, "u32": 4}


def operations(text: str) -> list[Operation]:
    """All operations that run: those of a loop's body as often as it turns, of several branches
    those of the dearest.

    Args:
        text: Of a compiled program, `jax.stages.Compiled.as_text()`.

    Returns:
        Those that have a cost, or move something to other chips.

    Raises:
        ValueError: For a loop whose turns are not to be found.
    """
    computations, entry = _computations(text)

    def of(name: str, times: int) -> Iterator[Operation]:
        for line in computations[name]:
            match = _OPERATION.match(line)
            if not match:
                continue
            shape, kind, rest = match.group(2), match.group(3), match.group(4)
            if kind == "while":
                body, condition = (_named(rest, what) for what in ("body", "condition"))
                turns = _turns(rest, computations[condition])
                yield from of(body, times * turns)
            elif kind == "conditional":
                branches = [list(of(branch, times)) for branch in _branches(rest)]
                yield from max(branches, key=cycles)
            elif kind == "call":
                yield from of(_named(rest, "to_apply"), times)
            elif kind == "async-start":
                yield from of(_named(rest, "calls"), times)
            estimate = re.search(r'"estimated_cycles":"?(\d+)', rest)
            collective = kind.removesuffix("-start") in _COLLECTIVES
            if estimate or collective:
                source = re.search(r'op_name="([^"]*)"', rest)
                yield Operation(
                    kind,
                    source.group(1) if source else "",
                    int(estimate.group(1)) if estimate else 0,
                    times,
                    _size(shape) if collective else 0,
                )

    return list(of(entry, 1))


def cycles(found: list[Operation]) -> int:
    """Of all, as often as each runs."""
    return sum(one.cycles * one.times for one in found)


def dearest(found: list[Operation], key: Callable[[Operation], str]) -> list[tuple[str, int]]:
    """What the operations of each kind cost, the dearest first.

    Args:
        found: Operations.
        key: Says of an operation which kind it is.

    Returns:
        (kind, cycles).
    """
    sums: collections.Counter[str] = collections.Counter()
    for one in found:
        sums[key(one)] += one.cycles * one.times
    return sums.most_common()


def _computations(text: str) -> tuple[dict[str, list[str]], str]:
    found: dict[str, list[str]] = {}
    entry, lines = "", []
    for line in text.splitlines():
        if head := _HEAD.match(line):
            lines = found.setdefault(head.group(2), [])
            entry = head.group(2) if head.group(1) else entry
        else:
            lines.append(line)
    return found, entry


def _named(rest: str, what: str) -> str:
    match = re.search(rf"\b{what}=%?([\w.\-]+)", rest)
    if not match:
        raise ValueError(f"An operation of the compiled program has no {what}: {rest[:200]}")
    return match.group(1)


def _branches(rest: str) -> list[str]:
    if several := re.search(r"branch_computations=\{([^}]*)\}", rest):
        return [name.strip().lstrip("%") for name in several.group(1).split(",")]
    return [_named(rest, f"{which}_computation") for which in ("true", "false")]


def _turns(rest: str, condition: list[str]) -> int:
    """Of a loop, from what the compiler notes, or from its condition: it counts from 0, and goes on
    below a number.
    """
    if noted := re.search(r"known_trip_count\W+n\W+(\d+)", rest):
        return int(noted.group(1))
    limits = [re.search(r"= s32\[\]\S* constant\((\d+)\)", line) for line in condition]
    numbers = [int(limit.group(1)) for limit in limits if limit]
    below = any("direction=LT" in line for line in condition)
    if len(numbers) != 1 or not below:
        raise ValueError("A loop of the compiled program turns an unknown number of times.")
    return numbers[0]


def _size(shape: str) -> int:
    """Bytes of an array, or of a tuple of arrays."""
    return sum(
        _BYTES.get(kind, 4) * int(np.prod([int(n) for n in dims.split(",") if n], initial=1))
        for kind, dims in re.findall(r"\b([a-z]+\d*)\[([\d,]*)\]", shape)
    )
