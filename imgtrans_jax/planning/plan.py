"""What a training needs on a machine: seconds, hours, memory, and what would make it faster.
Imports training, config, data, engine, runtime and this folder."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.config.overrides import override
from imgtrans_jax.data.captions import CaptionSource, OpenMojiCaptions
from imgtrans_jax.data.datasets import Captioned, Data, Mixed, OneDomain, OpenedDataset, SelfPaired
from imgtrans_jax.data.digits import DigitStyle
from imgtrans_jax.data.labelled import Digits, OpenMojiGroups
from imgtrans_jax.data.pairs import OpenMojiPairs, PairSource, ShiftedPairs
from imgtrans_jax.data.sources import OpenMoji, Side, Source
from imgtrans_jax.engine import sharding
from imgtrans_jax.planning import tpu
from imgtrans_jax.planning.arithmetic import Product, products, total
from imgtrans_jax.runtime import memory
from imgtrans_jax.runtime.console import duration, say_here
from imgtrans_jax.training.program import Program
from imgtrans_jax.types import UserError

LEAST_SHARE = 0.5  # of a chip's products, under which there is something to be said
MANY = 8  # pictures a chip, from which its products are well filled
MOST_A_CHIP = 64  # pictures, where the largest batch is looked for
AT_HAND = (
    OpenMoji,
    OpenMojiPairs,
    OpenMojiGroups,
    Digits,
    DigitStyle,
    OpenMojiCaptions,
    ShiftedPairs,
)  # sources that nothing is fetched for


@dataclasses.dataclass(frozen=True)
class Card:
    """A GPU by its maker's data sheet.

    Attributes:
        rate: Multiplications and additions a second in tf32.
        bandwidth: Bytes a second of its memory.
        memory: Bytes.
    """

    rate: float
    bandwidth: float
    memory: float


CARDS = {
    "h100": Card(378e12, 3.35e12, 80e9),
    "a100": Card(156e12, 2.0e12, 80e9),
    "l4": Card(60e12, 0.3e12, 24e9),
    "rtx4090": Card(82e12, 1.0e12, 24e9),
    "rtx3090": Card(36e12, 0.94e12, 24e9),
}
# Measured on one H100 at 256 px and batch 1: CycleGAN 28.8 ms, of 1,875 GFLOP and 6.5 GB that its
# 736 products read and write, and pix2pix 4.46 ms, of 84 GFLOP, 1.9 GB and 197: so many times what
# the data sheet would have, and so many seconds for each product with what is around it.
_RATE_TAKES, _BYTES_TAKE, _CALL = 3.2, 5.5, 3e-6


@dataclasses.dataclass(frozen=True)
class Blank(Source):
    """A picture for its shape alone, where the real ones are not at hand."""

    def open(self, side: Side, size: int, channels: int) -> Any:
        return ([np.zeros((size, size, channels), np.uint8)],) * 2


@dataclasses.dataclass(frozen=True)
class BlankPair(PairSource):
    """The same for pairs."""

    def open(self, size: int, channels: int) -> Any:
        return ([(np.zeros((size, size, channels), np.uint8),) * 2],) * 2


@dataclasses.dataclass(frozen=True)
class BlankCaption(CaptionSource):
    """The same with a text."""

    def open(self, size: int, channels: int) -> Any:
        return ([(np.zeros((size, size, channels), np.uint8), "")],) * 2


@dataclasses.dataclass(frozen=True)
class Length:
    """How long a training is.

    Attributes:
        steps: In all, of `batch` pictures each; None where that is not known.
        batch: Of the config.
        per_epoch: Steps of an epoch.
    """

    steps: int | None
    batch: int
    per_epoch: int

    def of(self, batch: int) -> int | None:
        """Steps of another batch, for as many pictures."""
        return None if self.steps is None else max(1, round(self.steps * self.batch / batch))


def plan(
    experiment: Experiment, on: str, batch: int | None, largest: bool, told: int | None
) -> list[str]:
    """Says what a training needs.

    Args:
        experiment: What is trained.
        on: `tpu:GENERATION:FORM`, `gpu`, `gpu:NAME` or `cpu`.
        batch: Pictures a device; None for one on a TPU, else the config's.
        largest: Looks for the largest batch that fits into a TPU.
        told: How many steps its description says that it takes; None for none.

    Returns:
        Lines.

    Raises:
        UserError: If there is no such machine, or the experiment does not fit together.
    """
    where, _, name = on.partition(":")
    if where not in ("tpu", "gpu", "cpu") or (where == "cpu" and name):
        raise UserError(f"There is no machine {on}; use tpu:v5e:2x2, gpu, gpu:a100 or cpu.")
    if where == "gpu" and name and name not in CARDS:
        raise UserError(f"No figures of a {name} are known; use one of {', '.join(CARDS)}.")
    if largest and where != "tpu":
        raise UserError("--largest is for a TPU, whose compiler says what fits.")
    example, length = _example(experiment, told)
    if where == "tpu":
        return _on_tpu(experiment, name or "v5e:2x2", example, length, batch, largest)
    experiment = _with_batch(experiment, batch, 1 if batch else None)
    if where == "gpu":
        return _on_gpu(experiment, name or "a100", example, length)
    return _on_cpu(experiment, example, length)


def _example(experiment: Experiment, told: int | None) -> tuple[dict[str, Any], Length]:
    """One row, and the length: of the pictures, where they are the user's own or nothing else says
    how many there are; else of a stand-in, for nothing is to be fetched.
    """
    data, batch, steps = experiment.data, experiment.batch_size, experiment.steps
    schedule = experiment.optimizer.schedule.epochs
    if steps is None and experiment.optimizer.by_steps:
        steps = schedule
    fields = {field.name: getattr(data, field.name) for field in dataclasses.fields(data)}
    sources = [fields[name] for name in ("a", "b", "pairs", "pictures") if fields.get(name)]
    own = any(isinstance(source, str) for source in sources)
    opened, per_epoch = None, 1000
    if own or (told is None and isinstance(sources[0], AT_HAND)):
        try:
            opened = data.open()
            per_epoch = opened.steps_per_epoch(batch)
            steps = steps or (schedule and schedule * per_epoch)
        except UserError as error:
            say_here(f"{error} Its pictures are taken to be of the config's size.")
    opened = opened or _blank(data, fields)
    rows: dict[str, Any] = {}
    for stream in opened.streams:
        rows |= stream.prepare(stream.train[0], None)
    return rows, Length(steps or told, batch, per_epoch)


def _blank(data: Data, fields: Mapping[str, Any]) -> OpenedDataset:
    """Stand-ins for the pictures; labelled ones, of which there may be any number of kinds, are
    opened as they are.
    """
    blank: dict[str, Any] = {name: Blank() for name in ("a", "b") if name in fields}
    if isinstance(data, Mixed):
        blank |= {"pairs": BlankPair(), "pairs_a": "", "pairs_b": "", "count": 0}
    elif "pairs" in fields:
        blank = {"pairs": BlankPair(), "a": "", "b": ""}
    elif isinstance(data, Captioned):
        blank = {"pictures": BlankCaption()}
    elif isinstance(data, (OneDomain, SelfPaired)):
        blank = {"pictures": Blank()}
    return dataclasses.replace(data, **blank).open()


def _with_batch(experiment: Experiment, batch: int | None, groups: int | None) -> Experiment:
    """With another batch, and so many groups of the pool; None for the experiment's own."""
    changed = dataclasses.replace(experiment, batch_size=batch or experiment.batch_size)
    if groups and getattr(experiment.recipe, "pool_size", 0):
        changed = override(changed, "recipe.pool_groups", str(groups))
    return changed


def _program(
    experiment: Experiment, devices: list[Any], example: Mapping[str, Any], length: Length
) -> Program:
    mesh = Mesh(np.array(devices).reshape(-1, 1), ("data", "height"))
    shapes = {
        side: jax.ShapeDtypeStruct((1, *np.shape(x)), np.asarray(x).dtype)
        for side, x in example.items()
    }
    return Program(experiment, mesh, shapes, length.per_epoch)


def _frozen_shapes(program: Program) -> Any:
    whole = sharding.replicated(program.mesh)
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(np.shape(x), x.dtype, sharding=whole), program.frozen()
    )


def _hours(seconds: float, length: Length, batch: int) -> str:
    steps = length.of(batch)
    if steps is None:
        return "how many steps it takes is not said"
    return f"{duration(steps * seconds)} for its {steps:,} steps of {batch}"


# ---------------------------------------------------------------------------------------------- TPU


@dataclasses.dataclass(frozen=True)
class Compiled:
    """What a TPU's compiler says of a program.

    Attributes:
        operations: Its operations.
        products: Those of the program as it was written.
        code: Bytes.
        needed: Bytes of memory.
        seconds: That it took to compile.
    """

    operations: list[tpu.Operation]
    products: list[Product]
    code: int
    needed: int
    seconds: float

    @property
    def cycles(self) -> int:
        return tpu.cycles(self.operations)


def _on_tpu(
    experiment: Experiment,
    topology: str,
    example: Mapping[str, Any],
    length: Length,
    each: int | None,
    largest: bool,
) -> list[str]:
    devices = tpu.devices(topology)
    generation = tpu.GENERATIONS[topology.partition(":")[0]]
    each = each or 1

    def compiled(each: int) -> Compiled | None:
        changed = _with_batch(experiment, each * len(devices), len(devices))
        program = _program(changed, devices, example, length)
        return compiled_for(program.traced(_frozen_shapes(program)), generation)

    found, tried = compiled(each), each
    while largest and found and 2 * tried <= MOST_A_CHIP:
        tried *= 2
        more = compiled(tried)
        if more is None:
            break
        found, each = more, tried
    lines = [f"On {len(devices)} chips of a TPU {topology}, {each} a chip (compiled, not run):"]
    if largest and found:
        lines.append(f"The largest batch that fits: {each} a chip, of 1, 2, 4, … {MOST_A_CHIP}.")
    if found is None:
        return [*lines, f"It does not fit into {generation.memory / 1e9:.0f} GB a chip."]
    return lines + _told_of_tpu(experiment, found, generation, len(devices), each, length)


def compiled_for(traced: jax.stages.Traced, generation: tpu.Generation) -> Compiled | None:
    """What the compiler says of a program.

    Args:
        traced: The program, with shapes that lie on the chips of a topology (`tpu.devices`).
        generation: Of those.

    Returns:
        None if it does not fit into their memory.
    """
    work, lowered = list(products(traced.jaxpr.jaxpr)), traced.lower()
    began = time.monotonic()
    try:
        compiled = lowered.compile()
    except Exception as error:  # jax has no narrower type for it
        if "RESOURCE_EXHAUSTED" in str(error):
            return None
        raise
    seconds = time.monotonic() - began
    needed = memory.needed(compiled)
    analysis = compiled.memory_analysis()
    code = analysis.generated_code_size_in_bytes if analysis else 0
    if needed > generation.memory:
        return None
    return Compiled(tpu.operations(compiled.as_text() or ""), work, code, needed, seconds)


def _told_of_tpu(
    experiment: Experiment,
    found: Compiled,
    generation: tpu.Generation,
    chips: int,
    each: int,
    length: Length,
) -> list[str]:
    moved = [one for one in found.operations if one.moved]
    volume = sum(one.moved * one.times for one in moved)
    # around a ring each chip sends twice what there is, less its own part
    links = 2 * volume * (chips - 1) / chips / generation.links
    seconds = found.cycles / generation.hertz + links
    products_alone = total(found.products) / chips / 2 / generation.products
    share = products_alone / found.cycles
    kinds = sorted({one.kind.removesuffix("-start") for one in moved})
    lines = [
        f"  memory       {memory.text(found.needed)} of {generation.memory / 1e9:.0f} GB: it fits",
        f"  code         {found.code >> 20} MB, compiled in {duration(found.seconds)} here",
        f"  cycles       {found.cycles / each / 1e6:.1f} million cycles a picture; its products "
        f"alone {products_alone / each / 1e6:.1f}: {share:.0%} of the chip",
        f"  collectives  {sum(one.times for one in moved)} ({', '.join(kinds) or 'none'}), "
        f"{memory.text(volume)}: {1e3 * links:.1f} ms on the links",
        f"  a step       {1e3 * seconds:.1f} ms; {_hours(seconds, length, each * chips)}",
        "  most of it   " + ", ".join(f"{name} {part:.0%}" for name, part in _dearest(found)),
    ]
    if share >= LEAST_SHARE:
        return lines
    if each < MANY:  # by the compiler, bfloat16 is no faster for a picture alone
        return [*lines, f"  try          a larger batch: --batch={MANY}, then config.batch_size"]
    if getattr(experiment.recipe.generator, "dtype", "") == "float32":
        names = ("generator", "critic")
        flags = " ".join(f"--config.recipe.{name}.dtype=bfloat16" for name in names)
        lines.append(f"  try          {flags}")
    return lines


def _dearest(found: Compiled) -> list[tuple[str, float]]:
    """The five layers that cost most, and which share."""

    def layer(one: tpu.Operation) -> str:
        names = re.findall(r"\b(?:[a-z]+_\d+|head|tail|scan|while)\b", one.source)
        return names[0].replace("while", "blocks") if names else "the rest"

    return [
        (name, cycles / found.cycles) for name, cycles in tpu.dearest(found.operations, layer)[:5]
    ]


# -------------------------------------------------------------------------------------- GPU and CPU


def _on_gpu(
    experiment: Experiment, name: str, example: Mapping[str, Any], length: Length
) -> list[str]:
    card, batch = CARDS[name], experiment.batch_size
    program = _program(experiment, jax.devices()[:1], example, length)
    work = list(products(program.traced(_frozen_shapes(program), "gpu").jaxpr.jaxpr))
    moved = sum(one.bytes * one.times for one in work)
    seconds = _RATE_TAKES * total(work) / card.rate + _BYTES_TAKE * moved / card.bandwidth
    seconds += _CALL * sum(one.times for one in work)
    needed = memory.held(program.like) + moved / 3
    fits = "it fits" if needed < card.memory else "it does not fit"
    return [
        f"On one {name}, {batch} at a time (an estimate from {total(work) / 1e9:,.0f} GFLOP and "
        f"{moved / 1e9:.1f} GB that the products read and write, fitted to two steps that were "
        "measured on an h100):",
        f"  memory       some {needed / 1e9:.1f} of {card.memory / 1e9:.0f} GB: {fits}",
        f"  a step       {1e3 * seconds:.1f} ms in tf32; {_hours(seconds, length, batch)}",
    ]


def _on_cpu(experiment: Experiment, example: Mapping[str, Any], length: Length) -> list[str]:
    batch = experiment.batch_size
    program = _program(experiment, jax.devices()[:1], example, length)
    update, compiling, needs = program.compile()
    count = batch * program.game.minibatches
    rows = {side: np.stack([np.asarray(x)] * count) for side, x in example.items()}
    given = sharding.to_devices(rows, program.mesh)
    state, taken = program.initial_state(), []
    for _ in range(3):  # the first finds its memory
        began = time.monotonic()
        state, metrics = update(state, given)
        jax.block_until_ready((state, metrics))
        taken.append(time.monotonic() - began)
    seconds = min(taken[1:])
    return [
        f"On the machine at hand, {batch} at a time (two steps measured):",
        f"  memory       {needs}",
        f"  code         compiled in {duration(compiling)}",
        f"  a step       {seconds:.2f} s; {_hours(seconds, length, batch)}",
    ]
