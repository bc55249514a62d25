"""State, data position and config, saved and restored as one; a damaged save is noticed and the one before it is used."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from imgtrans_jax.types import UserError


class OtherArraysError(Exception):
    """The checkpoint holds other arrays than were asked for; `metadata` is what was saved with it."""

    def __init__(self, metadata: dict[str, Any]) -> None:
        super().__init__("The checkpoint has other arrays than this config.")
        self.metadata = metadata


class Checkpoints:
    """The checkpoints of one run, in `folder`, the newest `keep` of them.

    orbax writes them whole or not at all, but does not notice bytes that change later: each save therefore carries a
    checksum of every array and of its own metadata.
    """

    def __init__(self, folder: Path, keep: int = 3) -> None:
        self.folder = folder.absolute()
        options = ocp.CheckpointManagerOptions(max_to_keep=max(keep, 1), enable_async_checkpointing=False, create=True)
        with _quiet():
            self.manager = ocp.CheckpointManager(self.folder, options=options)

    def save(self, step: int, state: Any, metadata: dict[str, Any]) -> None:
        """Saves `state`, a pytree of arrays, with JSON metadata. Raises UserError if the disk refuses it; earlier
        checkpoints stay as they are."""
        if step in self.manager.all_steps():
            return
        record = metadata | {"step": step, "arrays": _shapes(state), "checksums": _checksums(state)}
        record["digest"] = _digest(record)
        items = ocp.args.Composite(state=ocp.args.StandardSave(state), metadata=ocp.args.JsonSave(record))
        try:
            with _quiet():
                self.manager.save(step, args=items, force=True)
        except (OSError, ValueError) as error:
            shutil.rmtree(self.folder / f"{step}.orbax-checkpoint-tmp", ignore_errors=True)
            if not isinstance(error, OSError) and not _speaks_of_the_disk(error):
                raise
            free = shutil.disk_usage(self.folder).free / 2**20
            raise UserError(
                f"The checkpoint of step {step} could not be written to {self.folder} ({free:.0f} MB are free): make room and "
                "start the same command again; it goes on from the checkpoint before."
            ) from error

    def metadata(self) -> dict[str, Any] | None:
        """The newest sound metadata, or None if nothing was ever saved."""
        for step in sorted(self.manager.all_steps(), reverse=True):
            record = self._read_metadata(step)
            if record is not None:
                return record
        return None

    def restore(self, like: Any, set_aside: bool = True) -> tuple[Any, dict[str, Any]] | None:
        """The newest sound state and its metadata, or None if nothing was ever saved.

        like: a pytree of jax.ShapeDtypeStruct with shardings. What is damaged is said, and with `set_aside` moved to the folder
        `damaged`, so that its step can be saved again.
        Raises OtherArraysError if `like` has other arrays than were saved, and UserError if nothing sound is left.
        """
        steps = sorted(self.manager.all_steps(), reverse=True)
        for step in steps:
            restored = self._restore_step(step, like)
            if restored is not None:
                return restored
            print(f"The checkpoint of step {step} is damaged.", flush=True)
            if set_aside:
                self._set_aside(step)
        if steps:
            where = self.folder / "damaged" if set_aside else self.folder
            raise UserError(
                f"No checkpoint of {self.folder} is sound (the damaged ones are in {where}); bring back a copy, or train anew "
                "with train.py."
            )
        return None

    def _restore_step(self, step: int, like: Any) -> tuple[Any, dict[str, Any]] | None:
        record = self._read_metadata(step)
        if record is None:
            return None
        if record["arrays"] != _shapes(like):
            raise OtherArraysError(record)
        state = self._read_state(step, like)
        return (state, record) if state is not None and _checksums(state) == record["checksums"] else None

    def _read_state(self, step: int, like: Any) -> Any:
        items = ocp.args.Composite(state=ocp.args.StandardRestore(like))
        with _quiet():
            try:
                return self.manager.restore(step, args=items)["state"]
            except Exception as error:  # orbax and tensorstore raise many kinds for files that are cut off or missing
                logging.getLogger(__name__).debug("step %d", step, exc_info=error)
            gc.collect()  # what failed beside it is told when it is collected: now, not later
        return None

    def _read_metadata(self, step: int) -> dict[str, Any] | None:
        try:
            text = (self.folder / str(step) / "metadata" / "metadata").read_text()
            record = json.loads(text)
            digest = record.pop("digest")
        except (OSError, ValueError, KeyError, AttributeError):
            return None
        return record if digest == _digest(record) else None

    def _set_aside(self, step: int) -> None:
        if jax.process_index() == 0:
            target = self.folder / "damaged" / str(step)
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(exist_ok=True)
            shutil.move(self.folder / str(step), target)
        self.manager.reload()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """orbax narrates every step, and logs with a traceback what it then raises; what is raised is said by this module."""
    loggers = {logging.getLogger(name): logging.getLogger(name).level for name in ("absl", "asyncio")}
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in loggers.items():
            logger.setLevel(level)


def _speaks_of_the_disk(error: Exception) -> bool:
    text = str(error).lower()
    return any(words in text for words in ("no space", "resource_exhausted", "quota", "disk", "permission", "read-only"))


def _named_leaves(tree: Any) -> dict[str, Any]:
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _shapes(tree: Any) -> dict[str, str]:
    return {name: f"{leaf.dtype}{list(leaf.shape)}" for name, leaf in _named_leaves(tree).items()}


@jax.jit
def _sums(leaves: list[jax.Array]) -> jax.Array:
    def one(leaf: jax.Array) -> jax.Array:
        words = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32}[leaf.dtype.itemsize]
        bits = jax.lax.bitcast_convert_type(leaf, words).astype(jnp.uint32).ravel()
        # An odd factor is invertible modulo 2^32: one changed element always changes the sum, as a rule any change does.
        return jnp.sum(bits * (2 * jax.lax.iota(jnp.uint32, bits.size) + 1), dtype=jnp.uint32)

    return jnp.stack([one(leaf) for leaf in leaves])


def _checksums(tree: Any) -> list[int]:
    """One number for each array, computed where the array lives, the same for any sharding."""
    return [int(value) for value in jax.device_get(_sums(jax.tree.leaves(tree)))]


def _digest(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
