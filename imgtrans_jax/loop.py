"""Training and translating, read from top to bottom. No arithmetic lives here."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import json
import math
import platform
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from tqdm import tqdm

from imgtrans_jax import config, images, sharding
from imgtrans_jax.checkpoint import Checkpoints, OtherArraysError
from imgtrans_jax.config import Experiment
from imgtrans_jax.data.pipeline import Batch, Batches, UnpairedPictures
from imgtrans_jax.files import make_folder
from imgtrans_jax.report import Clock, Report, duration
from imgtrans_jax.state import TrainState, init_state
from imgtrans_jax.step import gan_step
from imgtrans_jax.types import Direction, UserError

# ------------------------------------------------------------------------------------------------ training


def train(experiment: Experiment, workdir: str | Path, steps: int | None = None) -> TrainState:
    """Trains, or goes on training, in the folder `workdir`, and returns the last state.

    steps: where to stop, counted from the very start; None for the experiment's own length. The same call goes on from
    the newest checkpoint. Ctrl-C and SIGTERM save and raise `Interrupted`.

    Raises UserError for anything the user can mend, a loss that is no longer finite among them.
    """
    began = time.monotonic()
    stored = config.to_json(experiment)
    folder = Path(workdir)

    # ---- data
    _check_numbers(experiment)
    pictures = _open_data(experiment)
    per_epoch = pictures.steps_per_epoch(experiment.batch_size)
    total = _total_steps(experiment, per_epoch, steps)
    batches = pictures.batches(experiment.batch_size, experiment.seed, jax.process_index(), jax.process_count())
    _say(_described(pictures, experiment, per_epoch, total))

    # ---- programs and state
    mesh = sharding.data_mesh(experiment.batch_size, experiment.recipe.pool_groups)
    program = Program(experiment, mesh, batches[0], per_epoch)
    make_folder(folder, "--workdir")
    checkpoints = Checkpoints(folder / "checkpoints", experiment.keep)
    state, metadata = _restore_or_init(program, checkpoints, stored)
    first = int(state.step)
    if first >= total:
        _say(f"{folder} has already been trained for {first} steps; see {folder / 'index.html'}. A larger --steps goes on.")
        return state
    iterator = batches.iterator()
    if metadata:
        iterator.set_state(metadata["data"])
        _say(_resumed(first, metadata["config"], stored))
    if program.rate(total - 1) == 0:
        _say("The last steps have a learning rate of 0: the schedule is over before; lengthen config.optimizer.schedule.")
    _write_json(folder / "config.json", stored)
    compiled, compile_time = program.compile()
    facts = _versions() | {"compiled in": compile_time}
    report = Report(folder, stored, facts, first) if jax.process_index() == 0 else None

    # ---- the loop
    clock = Clock(first, total, experiment.batch_size)
    records = Records(experiment, stored, folder, pictures, batches, program, iterator, checkpoints, report, clock)
    with Stop() as stop, records:
        for step in range(first + 1, total + 1):
            with clock.waiting():
                batch = sharding.to_devices(next(iterator), mesh)
            state, metrics = compiled(state, batch)
            stopping = stop.asked(step)
            records.after(step, state, metrics, ending=stopping or step == total)
            if stopping:
                raise Interrupted(f"Stopped at step {step} of {total} and saved; the same command goes on from there.")

    _say(f"Finished {total} steps in {duration(time.monotonic() - began)}. Look at {folder / 'index.html'}")
    return state


@dataclasses.dataclass
class Records:
    """What a run leaves behind as it goes: console lines, metrics, samples, the page and checkpoints."""

    experiment: Experiment
    stored: Any
    folder: Path
    pictures: UnpairedPictures
    batches: Batches
    program: Program
    iterator: grain.DatasetIterator
    checkpoints: Checkpoints
    report: Report | None  # on process 0
    clock: Clock

    def __enter__(self) -> Records:
        self.pending: list[dict[str, jax.Array]] = []
        self.samples = self.pictures.samples(self.experiment.samples)
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self.report and isinstance(error, UserError):
            self.report.page(f"Stopped: {error}", running=False)
        if self.report:
            self.report.close()

    def after(self, step: int, state: TrainState, metrics: dict[str, jax.Array], ending: bool) -> None:
        """Does what is due after a step. Raises UserError if its loss was not finite, or the disk is full."""
        self.pending.append(metrics)
        jax.block_until_ready(self.pending[max(0, len(self.pending) - 3)])  # so that a stop is obeyed within three steps
        saving = ending or step % self.experiment.save_every == 0
        showing = ending or step % self.experiment.sample_every == 0
        logging = saving or showing or step % self.experiment.log_every == 0
        if logging or self.clock.due():
            self._log(step, state, keep=logging)
        if saving:
            self._save(step, state)
        if self.report and showing:
            self.report.samples(step, self.program.sampled(state, self.samples))
        if self.report and logging:
            self.report.page(self.clock.status(step, running=not ending), running=not ending)

    def _log(self, step: int, state: TrainState, keep: bool) -> None:
        values = _means(self.pending)
        _raise_if_failed(int(state.failed), values, self.batches, self.folder)
        _say(self.clock.line(step, values))
        if keep:
            self.pending = []
            if self.report:
                rate = self.program.rate(step - 1)
                self.report.metrics(step, values | {"rate": rate} | self.clock.figures())

    def _save(self, step: int, state: TrainState) -> None:
        position, shapes = self.iterator.get_state(), self.program.batch_shapes()
        record = {"config": self.stored, "data": position, "batch": shapes, "versions": _versions()}
        self.checkpoints.save(step, state, record)


class Interrupted(Exception):
    """Training was stopped by a signal after its state had been saved."""


class Program:
    """The jitted functions of an experiment, for batches of the shape of `example` (this process's rows)."""

    def __init__(self, experiment: Experiment, mesh: Mesh, example: Batch, per_epoch: int) -> None:
        self.experiment, self.mesh, self.per_epoch = experiment, mesh, per_epoch
        tx = experiment.optimizer.transformation(per_epoch)
        rows = sharding.split_rows(mesh)
        self.batch = {
            side: jax.ShapeDtypeStruct((experiment.batch_size, *x.shape[1:]), x.dtype, sharding=rows)
            for side, x in example.items()
        }
        try:
            self.game = experiment.recipe.game(tx, tx)
            initialise = functools.partial(init_state, self.game, self.batch)
            shapes = jax.eval_shape(initialise, jax.random.key(0))
        except ValueError as error:  # a size, a weight or a pool that recipe and networks refuse
            raise UserError(str(error)) from None
        self.shardings = sharding.state_shardings(shapes, mesh)
        self.like: TrainState = jax.tree.map(
            lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), shapes, self.shardings
        )
        # On a CPU the many random draws take 14 s to optimise and 20 ms to run; unoptimised it is 3 s in all.
        options = {"xla_backend_optimization_level": "0"} if jax.default_backend() == "cpu" else None
        self._initialise = jax.jit(
            lambda: initialise(jax.random.key(experiment.seed)), out_shardings=self.shardings, compiler_options=options
        )
        self._samples = jax.jit(experiment.recipe.samples)

    def rate(self, step: int) -> float:
        """The learning rate of update number `step`, from 0."""
        return float(self.experiment.optimizer.rate(step, self.per_epoch))

    def batch_shapes(self) -> dict[str, list[int]]:
        return {side: list(x.shape) for side, x in self.batch.items()}

    def initial(self) -> TrainState:
        """The state that follows from the seed."""
        return self._initialise()

    def step(self, state: TrainState, batch: Any) -> tuple[TrainState, dict[str, jax.Array]]:
        """One update; to be traced."""
        return gan_step(self.game, state, batch, None, jax.random.key(self.experiment.seed))

    def compile(self) -> tuple[Callable[..., Any], str]:
        """The compiled step, which takes its state's memory over, and how long it took to compile."""
        _say("Compiling the training step …")
        began = time.monotonic()
        jitted = jax.jit(self.step, donate_argnums=0, out_shardings=(self.shardings, sharding.replicated(self.mesh)))
        with jax.default_matmul_precision(self.experiment.matmul_precision):
            compiled = jitted.lower(self.like, self.batch).compile()
        taken = duration(time.monotonic() - began)
        _say(f"Compiled in {taken}.")
        return compiled, taken

    def sampled(self, state: TrainState, batch: Batch) -> dict[str, tuple[np.ndarray, ...]]:
        """(inputs, outputs, reconstructions) by direction, by the smoothed generators if there are any."""
        params = jax.device_get(state.g.params if state.ema is None else state.ema)
        out = jax.device_get(self._samples(params, jax.device_get(state.g.stats), batch))
        return {"a2b": (batch["a"], out["fake_b"], out["rec_a"]), "b2a": (batch["b"], out["fake_a"], out["rec_b"])}


class Stop:
    """Turns Ctrl-C and SIGTERM into a question that the loop asks after each step; a second Ctrl-C stops at once."""

    def __enter__(self) -> Stop:
        self.signal: int | None = None
        self.before: dict[int, Any] = {}
        # With several processes SIGTERM belongs to jax, which brings all of them to the same step.
        wanted = (signal.SIGINT, signal.SIGTERM) if jax.process_count() == 1 else (signal.SIGINT,)
        if threading.current_thread() is threading.main_thread():
            self.before = {number: signal.signal(number, self._note) for number in wanted}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def asked(self, step: int) -> bool:
        if jax.process_count() > 1:
            return multihost_utils.reached_preemption_sync_point(step)
        return self.signal is not None

    def _note(self, number: int, _: object) -> None:
        if self.signal is not None or jax.process_count() > 1:
            raise KeyboardInterrupt
        self.signal = number
        _say("Stopping after this step; saving …")


def _open_data(experiment: Experiment) -> UnpairedPictures:
    """Process 0 first, since it may have to prepare what the others then read."""
    if jax.process_count() == 1:
        return experiment.data.open()
    opened = experiment.data.open() if jax.process_index() == 0 else None
    multihost_utils.sync_global_devices("data prepared")
    return opened or experiment.data.open()


def _total_steps(experiment: Experiment, per_epoch: int, steps: int | None) -> int:
    if steps is None:
        steps = experiment.steps
    if steps is None and experiment.optimizer.schedule.epochs is not None:
        steps = experiment.optimizer.schedule.epochs * per_epoch
    if steps is None:
        raise UserError("Neither the config nor its schedule says how long to train; give --steps or config.steps.")
    if steps < 1:
        raise UserError(f"{steps} steps are none; give 1 or more.")
    return steps


def _check_numbers(experiment: Experiment) -> None:
    if not 0 <= experiment.seed < 2**31:
        raise UserError(f"config.seed is {experiment.seed}; it must be from 0 to 2147483647.")
    for name in ("batch_size", "log_every", "sample_every", "save_every", "keep", "samples"):
        if getattr(experiment, name) < 1:
            raise UserError(f"config.{name} is {getattr(experiment, name)}; it must be 1 or more.")


def _described(pictures: UnpairedPictures, experiment: Experiment, per_epoch: int, total: int) -> str:
    counts = ", ".join(f"{side}: {len(p)} training and {len(pictures.test[side])} test" for side, p in pictures.train.items())
    return f"Pictures of {counts}. {total} steps of {experiment.batch_size}, {per_epoch} steps an epoch."


def _restore_or_init(program: Program, checkpoints: Checkpoints, stored: Any) -> tuple[TrainState, dict[str, Any] | None]:
    try:
        restored = checkpoints.restore(program.like)
    except OtherArraysError as error:
        changed = config.differences(error.metadata["config"], stored) or ["the program itself"]
        raise UserError(
            f"The checkpoint in {checkpoints.folder} has other networks than this config ({'; '.join(changed)}): undo the "
            "change, or give another --workdir to train anew."
        ) from None
    if restored is None:
        _say("Initialising the networks …")
        return program.initial(), None
    return restored


def _resumed(step: int, before: Any, now: Any) -> str:
    changed = config.differences(before, now)
    text = f"Going on from step {step}."
    if changed:
        text += f" The config has changed since; from step {step} on the new values hold:\n  " + "\n  ".join(changed)
    return text


def _means(pending: list[dict[str, jax.Array]]) -> dict[str, float]:
    fetched = jax.device_get(pending)
    return {name: float(np.mean([row[name] for row in fetched])) for name in fetched[0]}


def _raise_if_failed(failed: int, values: dict[str, float], batches: Batches, folder: Path) -> None:
    """The step left the state as it was before the failure; the batch is made again from its number and kept."""
    if failed < 0:
        return
    path = folder / f"failed_step_{failed + 1}_process_{jax.process_index()}.npz"
    np.savez_compressed(path, allow_pickle=False, **batches[failed])
    names = ", ".join(name for name, value in values.items() if not math.isfinite(value))
    raise UserError(
        f"Training stopped at step {failed + 1}: {names} became NaN or infinite. The batch is kept in {path}, and the newest "
        "checkpoint is sound. Look at the batch for broken pictures, then try a lower rate "
        "(--config.optimizer.schedule.rate=1e-4), float32 instead of bfloat16, or another --config.seed."
    )


# ------------------------------------------------------------------------------------------------ translating


def translate(
    run: str | Path,
    source: str | Path,
    out: str | Path,
    direction: Direction = "a2b",
    size: int | None = None,
    trust_code: bool = False,
) -> list[Path]:
    """Applies a trained generator to a picture or to every picture of a folder; returns the PNG files written in `out`.

    The result has the size of its input. With `size` the network sees the picture with its shorter side at that many
    pixels, near those that it was trained on, and the result is enlarged again. The smoothed generator is used if the run
    has one. Raises UserError if the run or the input cannot be used; pictures that cannot be read are named at the end,
    after all others are done.
    """
    apply, experiment = generator(run, direction, trust_code)
    source, out = Path(source), Path(out)
    if not source.exists():
        raise UserError(f"There is no {source}; give a picture or a folder of pictures.")
    if size is not None and size < images.MIN_SIDE:
        raise UserError(f"A size of {size} pixels is too small; give {images.MIN_SIDE} or more.")
    paths = [source] if source.is_file() else images.list_pictures(source)
    targets = _targets(paths, source, out)
    sizes: set[tuple[int, ...]] = set()
    written, refused = [], []
    for path, target in tqdm(list(zip(paths, targets, strict=True)), unit="picture", delay=2, disable=None):
        try:
            picture = images.read_picture(path, experiment.data.channels)
        except UserError as error:
            refused.append(str(error))
            continue
        height, width = picture.shape[:2]
        scale = size / min(height, width) if size else 1.0
        seen = images.to_signed(images.resize(picture, round(height * scale), round(width * scale)))
        padded = images.pad_to_multiple(seen[None], 4, 16)
        if padded.shape not in sizes:
            sizes.add(padded.shape)
            tqdm.write(f"Compiling for {seen.shape[1]}x{seen.shape[0]} …")
        result = images.to_bytes(np.asarray(apply(padded))[0, : seen.shape[0], : seen.shape[1]])
        make_folder(target.parent, "--out")
        images.write_picture(target, images.resize(result, height, width))
        written.append(target)
    if refused:
        done = f"{len(written)} of {len(paths)} pictures were written to {out}. Left out: " if len(paths) > 1 else ""
        raise UserError(done + " ".join(refused))
    return written


def generator(
    run: str | Path, direction: Direction, trust_code: bool = False
) -> tuple[Callable[[np.ndarray], jax.Array], Experiment]:
    """A run's trained generator, (N, H, W, C) -> the same in [-1, 1], compiled once for every shape, and its experiment.

    Raises UserError if the run is missing or damaged, or names code outside imgtrans_jax and `trust_code` is not set.
    """
    run = Path(run)
    if not (run / "checkpoints").is_dir():
        raise UserError(
            f"{run} is no trained run (it has no checkpoints); train one with train.py --workdir={run}, or check --run."
        )
    checkpoints = Checkpoints(run / "checkpoints")
    metadata = checkpoints.metadata()
    if metadata is None:
        raise UserError(f"{run} has no checkpoint yet, or none that is sound; train it for longer.")
    stored = metadata["config"]
    stored["recipe"].pop("extra", None)  # the user's own losses are not needed here, so their code is not asked for
    experiment = config.from_json(stored, trust_code)
    example = {side: np.zeros(shape, np.float32) for side, shape in metadata["batch"].items()}
    mesh = Mesh(np.array(jax.devices()[:1]), ("data",))
    restored = checkpoints.restore(Program(experiment, mesh, example, 1).like, set_aside=False)
    assert restored is not None, "there is metadata, so there is a step"
    state, _ = restored
    params = state.g.params if state.ema is None else state.ema
    apply = jax.jit(lambda x: experiment.recipe.translate(params, state.g.stats, x, direction))
    return apply, experiment


def _targets(paths: list[Path], source: Path, out: Path) -> list[Path]:
    if source.is_file() and out.suffix.lower() == ".png":
        return [out]
    if source.is_file() and out.suffix.lower() in images.SUFFIXES:
        raise UserError(f"Results are PNG files: --out={out.with_suffix('.png')}, or a folder.")
    root = source.parent if source.is_file() else source
    if out.resolve() == root.resolve():
        raise UserError(f"--out={out} is the folder of the input, whose pictures would be overwritten; choose another.")
    targets = [out / path.relative_to(root).with_suffix(".png") for path in paths]
    # Two inputs that differ in their suffix alone keep it in the result's name.
    return [
        out / f"{path.relative_to(root)}.png" if targets.count(target) > 1 else target
        for path, target in zip(paths, targets, strict=True)
    ]


# ------------------------------------------------------------------------------------------------ small things


def _versions() -> dict[str, str]:
    names = ("imgtrans_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy", "pillow")
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed as a package"
    device = f"{jax.device_count()} x {jax.devices()[0].device_kind}"
    return found | {"python": platform.python_version(), "platform": platform.platform(), "devices": device}


def _write_json(path: Path, value: Any) -> None:
    if jax.process_index() == 0:
        path.write_text(json.dumps(value, indent=1) + "\n")


def _say(text: str) -> None:
    if jax.process_index() == 0:
        print(text, flush=True)
