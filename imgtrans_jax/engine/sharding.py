"""One program on one device, many devices or many hosts: a mesh of two axes, by `jit` and
shardings.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Shaped

from imgtrans_jax.engine.state import TrainState
from imgtrans_jax.types import UserError

DATA, HEIGHT = "data", "height"

Leaf: TypeAlias = jax.Array | jax.ShapeDtypeStruct
"""Of a state, or of its form."""


def device_mesh(
    wanted: tuple[int, int], batch_size: int, pool_groups: int | None = None, parts: int = 1
) -> Mesh:
    """A mesh of devices along the batch and along the pictures' height. Says so where some are left
    idle.

    Args:
        wanted: Devices along the batch, devices along the pictures' height. The first may be 0, for
            as many as divide the rows that are computed at once, batch_size / parts, and the pool's
            groups, if there is a pool.
        batch_size: Rows of a minibatch, over all devices.
        pool_groups: Groups of the pool; None or 0 if there is none.
        parts: In how many parts, one after the other, a batch is computed.

    Returns:
        The mesh, with the axes `data` and `height`.

    Raises:
        UserError: For a mesh that the devices, the rows or the groups do not allow, for groups that
            do not divide the rows, and if several processes would leave devices idle.
    """
    data, height = wanted
    available, local, rows = jax.device_count(), jax.local_device_count(), batch_size // parts
    at_once = f"{rows} rows" + (f" (in each of {parts} parts)" if parts > 1 else "")
    if pool_groups and rows % pool_groups:
        raise UserError(
            f"config.recipe.pool_groups={pool_groups} does not divide the {at_once} of a batch."
        )
    if data < 0:
        raise UserError(
            f"config.mesh={data},{height}: the first number counts devices along the batch, 0 for "
            "as many as fit."
        )
    if height < 1 or local % height:
        raise UserError(
            f"config.mesh={data},{height}: the second number counts devices along the height of "
            f"pictures; it must divide the {local} of a host."
        )
    groups = f" --config.recipe.pool_groups={available // height}" if pool_groups else ""
    advice = f"--config.batch_size={available // height * parts}{groups} (or multiples) uses all"
    fitting = math.gcd(available // height, rows, pool_groups or rows)
    used = (data or fitting) * height
    if data and (used > available or rows % data or (pool_groups or data) % data):
        what = at_once + (f", {pool_groups} pool groups" if pool_groups else "")
        raise UserError(
            f"config.mesh={data},{height} does not fit {what} and {available} devices; {advice}."
        )
    if used < available and jax.process_count() > 1:
        raise UserError(
            f"Of {available} devices over {jax.process_count()} processes {used} would be used; "
            f"{advice}."
        )
    if used < available and not data:
        print(f"Using {used} of {available} devices; {advice}.")
    return Mesh(np.array(jax.devices()[:used]).reshape(-1, height), (DATA, HEIGHT))


def one_device() -> Mesh:
    """A mesh of this process's first device alone."""
    return Mesh(np.array(jax.local_devices()[:1]).reshape(1, 1), (DATA, HEIGHT))


def replicated(mesh: Mesh) -> NamedSharding:
    """Whole on every device."""
    return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh, shape: tuple[int, ...]) -> NamedSharding:
    """Of a batch's array: its rows over the data axis and, of pictures (N, H, W, C), their height
    over the other.

    Args:
        mesh: The devices.
        shape: Of the whole array; four axes are pictures.

    Returns:
        The sharding.

    Raises:
        UserError: For a height that does not divide.
    """
    height = mesh.shape[HEIGHT]
    if len(shape) == 4 and shape[1] % height:
        raise UserError(
            f"Pictures {shape[1]} pixels high cannot be split over {height} devices; change "
            "config.mesh."
        )
    return NamedSharding(
        mesh, PartitionSpec(DATA, HEIGHT) if len(shape) == 4 else PartitionSpec(DATA)
    )


def state_shardings(state: TrainState, mesh: Mesh, shard_optimizer: bool = False) -> TrainState:
    """Where the arrays of a state are: everything replicated, but the pools' groups, each on the
    devices that have its rows.

    Args:
        state: A TrainState, of arrays or jax.ShapeDtypeStruct.
        mesh: The devices.
        shard_optimizer: The optimisers' moments, too, are split, each along an axis that the data
            axis divides, if it has one (Rajbhandari et al. 2020, "ZeRO", stage 1).

    Returns:
        A TrainState of shardings.
    """

    def slots(x: Leaf) -> NamedSharding:
        return NamedSharding(
            mesh, PartitionSpec(DATA, None, HEIGHT) if x.ndim == 5 else PartitionSpec(DATA)
        )

    def parts(x: Leaf) -> NamedSharding:
        axis = max(
            range(x.ndim),
            key=lambda a: (x.shape[a] % mesh.shape[DATA] == 0, x.shape[a]),
            default=None,
        )
        if axis is None or x.shape[axis] % mesh.shape[DATA]:
            return replicated(mesh)
        return NamedSharding(
            mesh, PartitionSpec(*[DATA if a == axis else None for a in range(x.ndim)])
        )

    shardings = jax.tree.map(lambda _: replicated(mesh), state)
    shardings = shardings.replace(pool=jax.tree.map(slots, state.pool))
    if shard_optimizer:
        g, d = (
            player.replace(opt=jax.tree.map(parts, of.opt))
            for player, of in ((shardings.g, state.g), (shardings.d, state.d))
        )
        shardings = shardings.replace(g=g, d=d)
    return shardings


def to_global(
    x: Shaped[np.ndarray, " *shape"], sharding: jax.sharding.Sharding
) -> Shaped[Array, " *shape"]:
    """An array that every process has, as a global one.

    Args:
        x: The whole array.
        sharding: Which part of it each device gets.

    Returns:
        The global array, of the same shape.
    """
    return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])


def to_devices(batch: dict[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """A batch as global arrays, split over the mesh.

    Args:
        batch: This process's rows, by the sides' names.
        mesh: The devices of all processes.

    Returns:
        Global arrays under the same names.
    """
    return {
        side: jax.make_array_from_process_local_data(split(mesh, x.shape), x)
        for side, x in batch.items()
    }
