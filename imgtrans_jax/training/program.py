"""An experiment as compiled programs: its initial state, its training step, its samples."""

from __future__ import annotations

import contextlib
import functools
import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.config.stored import is_own
from imgtrans_jax.data.looks import read_look
from imgtrans_jax.engine import sharding
from imgtrans_jax.engine.checksums import named_shapes
from imgtrans_jax.engine.game import Game, Networks, apply
from imgtrans_jax.engine.pool import ImagePool, regrouped
from imgtrans_jax.engine.state import TrainState, init_state
from imgtrans_jax.engine.step import gan_step
from imgtrans_jax.methods.base import Recipe, Sheets, new_game
from imgtrans_jax.optim.adam import Optimizer, Transformations
from imgtrans_jax.runtime import memory
from imgtrans_jax.runtime.target import target
from imgtrans_jax.types import UserError
from imgtrans_jax.weights.vgg import load_vgg


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """A third of tracing would be the garbage collector's walks through what is traced."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _row_means(logits: jax.Array) -> jax.Array:
    return logits.reshape(len(logits), -1).mean(1)


def _networks(recipe: Recipe) -> list[Any]:
    return [net for net in (recipe.generator, recipe.critic) if net is not None]


class Program:
    """The jitted functions of an experiment.

    Args:
        experiment: What is trained.
        mesh: Of devices.
        example: This process's rows of a batch: arrays, or their shapes.
        per_epoch: Steps of an epoch.
        game: The experiment's, if it is there already.

    Raises:
        UserError: If the networks refuse a size or a pool.
    """

    def __init__(
        self,
        experiment: Experiment,
        mesh: Mesh,
        example: Mapping[str, Any],
        per_epoch: int,
        game: Game | None = None,
    ) -> None:
        self.experiment, self.mesh, self.per_epoch = experiment, mesh, per_epoch
        self.steps_ahead = 0
        self.game = game or new_game(experiment.recipe)
        self.tx = self._transformations()
        count = experiment.batch_size * self.game.minibatches
        self.batch = {
            side: jax.ShapeDtypeStruct(
                (count, *x.shape[1:]), x.dtype, sharding=sharding.split(mesh, x.shape)
            )
            for side, x in example.items()
        }
        initialize = functools.partial(init_state, self.game, self.tx, self.batch)
        try:
            shapes = jax.eval_shape(initialize, jax.random.key(0))
        except ValueError as error:  # a size or a pool that the networks refuse
            raise UserError(str(error)) from None
        except TypeError as error:
            if all(is_own(type(net).__module__) for net in _networks(experiment.recipe)):
                raise
            raise UserError(
                f"The network of your own cannot be called ({error}): a generator is called as "
                "net(images, train), a critic as net(images, train), and gives images or logits."
            ) from error
        self.shardings = sharding.state_shardings(shapes, mesh, experiment.shard_optimizer)
        self.like: TrainState = jax.tree.map(
            lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), shapes, self.shardings
        )
        # On a CPU the many random draws take 14 s to optimise and 20 ms to run; unoptimised it is 3
        # s in all.
        options = {"xla_backend_optimization_level": "0"} if self.platform == "cpu" else None
        self._initialize = jax.jit(
            lambda: initialize(jax.random.key(experiment.seed)),
            out_shardings=self.shardings,
            compiler_options=options,
        )
        self._samples = jax.jit(experiment.recipe.samples)
        self._judged = jax.jit(self._logits)

    def count_epochs_from(self, step: int, epochs: Fraction) -> None:
        """Counts epochs on from those that were done, whatever length they had. Rounded down to a
        step, so that an epoch is over only when all of it was there. Call it before `compile`.

        Args:
            step: That the training goes on from.
            epochs: How many were done at it.
        """
        self.steps_ahead = math.floor(epochs * self.per_epoch) - step
        self.tx = self._transformations()

    def epochs(self, step: int) -> Fraction:
        """How many epochs are done after `step` steps."""
        return Fraction(step + self.steps_ahead, self.per_epoch)

    @property
    def optimizers(self) -> dict[str, Optimizer]:
        """By the experiment's field: that of both players, or of the generators and the critics."""
        both, critics = self.experiment.optimizer, self.experiment.critic_optimizer
        return {"optimizer": both} | ({"critic_optimizer": critics} if critics else {})

    def schedule_end(self, of: str | None = None) -> int | None:
        """At which step the schedule ends, if it has a length. of: one of the `optimizers`; without
        it the generators', or the critics' if that alone has a length.
        """
        for name, optimizer in self.optimizers.items():
            length = optimizer.schedule.epochs
            if of in (None, name) and length is not None:
                return length if optimizer.by_steps else length * self.per_epoch - self.steps_ahead
        return None

    def rate(self, step: int) -> float:
        """The generators' learning rate of step number `step`, from 0."""
        return self.rates(step)["optimizer"]

    def rates(self, step: int) -> dict[str, float]:
        """The learning rate of step number `step`, from 0, of each of the `optimizers`."""
        return {
            name: float(optimizer.rate(step, self.per_epoch, self.steps_ahead))
            for name, optimizer in self.optimizers.items()
        }

    def _transformations(self) -> Transformations:
        made = [
            o.transformation(self.per_epoch, self.steps_ahead) for o in self.optimizers.values()
        ]
        return Transformations(made[0], made[-1])

    def batch_shapes(self) -> dict[str, list[int]]:
        return {side: list(x.shape) for side, x in self.batch.items()}

    def initial_state(self) -> TrainState:
        """The state that follows from the seed."""
        return self._initialize()

    def shapes_with_pools_of(self, arrays: Mapping[str, str]) -> TrainState | None:
        """What to restore when a checkpoint of `arrays` ("float32[2, 3]" by name) was made with
        other pools: `like` with those, whole on every device; None if anything else differs.
        """
        pools: dict[str, dict[str, Any]] = {}
        for name, text in arrays.items():
            if name.startswith("pool/"):
                dtype, _, dims = text.rstrip("]").partition("[")
                shape = tuple(int(size) for size in dims.split(",") if size)
                whole = jax.ShapeDtypeStruct(
                    shape, np.dtype(dtype), sharding=sharding.replicated(self.mesh)
                )
                pools.setdefault(name.split("/")[1], {})[name.split("/")[2]] = whole
        like = self.like.replace(pool={name: ImagePool(**fields) for name, fields in pools.items()})
        return like if named_shapes(like) == dict(arrays) else None

    def with_own_pools(self, state: TrainState) -> tuple[TrainState, str]:
        """A state that was restored by `shapes_with_pools_of`, with this experiment's pools, and
        what became of them.
        """
        pools, text = {}, "The pools of generated images start anew."
        for name, like in self.like.pool.items():
            groups, capacity, *picture = like.images.shape
            pool = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), like)
            if name in state.pool and list(state.pool[name].images.shape[2:]) == picture:
                old = jax.device_get(state.pool[name])
                pool = regrouped(old, groups, capacity)
                text = (
                    "The generated images in the pools were dealt out anew, from "
                    f"{len(old.count)} groups to {groups}."
                )
            pools[name] = jax.tree.map(sharding.to_global, pool, self.shardings.pool[name])
        return state.replace(pool=pools), text

    def step(
        self, state: TrainState, batch: Any, frozen: Any
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        """One update; to be traced.

        Args:
            state: Before it.
            batch: Rows of all processes, by name.
            frozen: The parameters of the network that is never trained, or None.

        Returns:
            The state after it, and its metrics by name.
        """
        key, parts = jax.random.key(self.experiment.seed), self.experiment.accumulate
        return gan_step(self.game, self.tx, state, batch, frozen, key, parts)

    def frozen(self) -> Any:
        """What the objectives get and never train: a network, or what a recipe makes of it; None
        without. Raises UserError if it cannot be had.
        """
        recipe = self.experiment.recipe
        if not recipe.frozen_network:
            return None
        network = load_vgg(recipe.frozen_network)[1]
        try:
            return recipe.frozen(network, read_look)
        except ValueError as error:  # layers that there are not, pictures too small for them
            raise UserError(str(error)) from None

    def compile(
        self,
    ) -> tuple[Callable[[TrainState, Any], tuple[TrainState, dict[str, jax.Array]]], float, str]:
        """The compiled step. Call it when the state is there.

        Returns:
            (state, batch) -> (state, metrics), which takes its state's memory over; how many
            seconds it took to compile; and what it needs of memory, in words.

        Raises:
            UserError: If it does not fit together, or into memory.
        """
        frozen = jax.device_put(self.frozen(), sharding.replicated(self.mesh))
        began = time.monotonic()
        traced = self.traced(frozen)
        with _without_collecting():
            compiled = traced.lower().compile()
        # one memory
        sharing = len(self.mesh.local_devices) if self.platform == "cpu" else 1
        needed, free = sharing * memory.needed(compiled), memory.free()
        taken = sharing * memory.held((self.like, frozen))
        text = (
            f"A step needs {memory.text(needed)} of memory, {memory.text(taken)} of it "
            "already taken"
        )
        if free is not None and needed - taken > free:
            raise UserError(
                f"{text}, and {memory.text(free)} are free: a smaller batch "
                "(`config.batch_size`), its parts one after the other (`config.accumulate`), "
                "smaller pictures (`config.data.cut.crop_size`) or a narrower network need less."
            )
        text += "." if free is None else f", {memory.text(free)} are free."
        return lambda state, batch: compiled(state, batch, frozen), time.monotonic() - began, text

    @property
    def platform(self) -> str:
        """`cpu`, `gpu` or `tpu`, of the mesh's devices, which need not be there."""
        return self.mesh.devices.flat[0].platform

    def traced(self, frozen: Any, platform: str = "") -> jax.stages.Traced:
        """The step, ready to be lowered and compiled.

        Args:
            frozen: What `frozen` gives, or its shapes.
            platform: Whose forms it takes; '' for that of the mesh.

        Returns:
            (state, batch, frozen) -> (state, metrics).

        Raises:
            UserError: If it does not fit together.
        """
        # XLA:CPU drops barriers before it merges what is computed twice, and with them all that
        # remat saves; other platforms, and versions without such a pass, do not mind.
        kept = {"xla_disable_hlo_passes": "cse_barrier_expander"}
        shardings = self.shardings, sharding.replicated(self.mesh)
        jitted = jax.jit(
            self.step,
            donate_argnums=0,
            out_shardings=shardings,
            compiler_options=kept if self.platform == "cpu" else None,
        )
        precision = jax.default_matmul_precision(self.experiment.matmul_precision)
        try:
            with _without_collecting(), target(platform or self.platform), precision:
                return jitted.trace(self.like, self.batch, frozen)
        except ValueError as error:  # shapes that a loss refuses
            raise UserError(str(error)) from None

    def judged(
        self, state: TrainState, batch: Mapping[str, Any]
    ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """What the critics say of pictures and of what the generators make beside them, as a step
        has them say it, but that nobody moves.

        Args:
            state: Of the training.
            batch: Rows of pictures, by name.

        Returns:
            By the name of the critic's view its mean logits of the real and of the made one, (N,)
            each; {} where there is no critic, or where it is shown nothing real.
        """
        if self.game.critic is None or not self.game.reals(batch):
            return {}
        # without the moments, which may lie in parts on other hosts
        players = (Networks(player.params, player.stats) for player in (state.g, state.d))
        return jax.device_get(self._judged(*jax.device_get(tuple(players)), batch))

    def _logits(
        self, g: Networks, d: Networks, batch: Any
    ) -> dict[str, tuple[jax.Array, jax.Array]]:
        key, game = jax.random.key(0), self.game
        assert game.critic is not None, "`judged` asks before"
        samples, _ = apply(game.generator, g.params, g.stats, batch, key)
        real, made = (
            apply(game.critic, d.params, d.stats, views, key)[0]
            for views in (game.reals(batch), game.fakes(batch, samples))
        )
        return {
            name: (_row_means(real[name]), _row_means(made[name]))
            for name in real.keys() & made.keys()
        }

    def sheets(
        self, state: TrainState, batch: Mapping[str, np.ndarray], classes: tuple[str, ...]
    ) -> Sheets:
        """What the report shows for test pictures, by the smoothed generators if there are any.

        Args:
            state: Of the training.
            batch: The test pictures, by name.
            classes: The names of the labels; () without.

        Returns:
            By name, columns of pictures (N, H, W, C) in [-1, 1] by their names.
        """
        generators = jax.device_get(state.generators)
        samples = jax.device_get(self._samples(generators.params, generators.stats, batch))
        sheets = self.experiment.recipe.sheets(batch, samples, classes)
        given = batch.get("a")

        def shown(column: np.ndarray) -> np.ndarray:
            return (
                column
                if given is None or column is given
                else self.experiment.data.decode_output(given, column)
            )

        return {
            name: {column: shown(x) for column, x in columns.items()}
            for name, columns in sheets.items()
        }
