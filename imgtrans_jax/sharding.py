"""One program on one device, many devices or many hosts: a mesh with a single data axis, by `jit` and shardings."""

from __future__ import annotations

import math
import os
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from imgtrans_jax.state import TrainState
from imgtrans_jax.types import UserError


def data_mesh(batch_size: int, pool_groups: int | None = None) -> Mesh:
    """A mesh over as many devices as divide both the batch and the pool's groups, if there is a pool; says so where some are
    left idle.

    Raises UserError if several processes would leave devices idle.
    """
    available = jax.device_count()
    used = math.gcd(available, batch_size, pool_groups or batch_size)
    if used < available:
        groups = f" --config.recipe.pool_groups={available}" if pool_groups else ""
        advice = f"--config.batch_size={available}{groups} (or multiples) uses all"
        if jax.process_count() > 1:
            raise UserError(
                f"{available} devices over {jax.process_count()} processes are there, but {used} would be used; {advice}."
            )
        print(f"Using {used} of {available} devices; {advice}.")
    return Mesh(np.array(jax.devices()[:used]), ("data",))


def replicated(mesh: Mesh) -> NamedSharding:
    """Whole on every device."""
    return NamedSharding(mesh, PartitionSpec())


def split_rows(mesh: Mesh) -> NamedSharding:
    """The leading axis split over the devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def state_shardings(state: Any, mesh: Mesh) -> Any:
    """A TrainState of shardings: everything replicated, but the pools' groups, each on the device that has its rows."""
    everywhere = jax.tree.map(lambda _: replicated(mesh), state)
    assert isinstance(state, TrainState)
    return everywhere.replace(pool=jax.tree.map(lambda _: split_rows(mesh), state.pool))


def to_devices(batch: dict[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """This process's rows of a batch as global arrays, split over the mesh."""
    sharding = split_rows(mesh)
    return {side: jax.make_array_from_process_local_data(sharding, rows) for side, rows in batch.items()}


def start_processes() -> None:
    """Joins this process to the others. On TPU VMs, Slurm and Kubernetes jax finds them by itself; elsewhere set
    JAX_COORDINATOR_ADDRESS (host:port of process 0), JAX_NUM_PROCESSES and JAX_PROCESS_ID for each. Raises UserError."""
    count, index = os.environ.get("JAX_NUM_PROCESSES"), os.environ.get("JAX_PROCESS_ID")
    try:
        if count is None or index is None:
            jax.distributed.initialize()
        else:
            jax.distributed.initialize(num_processes=int(count), process_id=int(index))
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"The other processes were not found ({error}): set JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID."
        ) from None
