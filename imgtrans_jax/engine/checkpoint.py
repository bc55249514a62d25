"""State, data position and config, saved and restored as one; a damaged save is noticed and the one
before it is used.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import gc
import io
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import jax
import orbax.checkpoint as ocp
from jaxtyping import PyTree

from imgtrans_jax.engine.checksums import (
    MANIFEST,
    array_checksums,
    file_hashes,
    named_shapes,
    problem_of_files,
    record_digest,
)
from imgtrans_jax.io import json_files
from imgtrans_jax.io.files import whole
from imgtrans_jax.runtime.console import say
from imgtrans_jax.runtime.distributed import all_agree
from imgtrans_jax.types import UserError

FORMAT = 2
"""1: metadata and array checksums. 2: and SEAL, written last. Both are read."""


Record: TypeAlias = dict[str, Any]
"""What JSON can hold, by name: what is saved beside the arrays."""

_KINDS = {
    "format": int,
    "step": int,
    "config": dict,
    "batch": dict,
    "versions": dict,
    "arrays": dict,
    "checksums": list,
}
"""Of the entries of a `Record` that this module adds or reads."""


class OtherArraysError(Exception):
    """The checkpoint holds other arrays than were asked for.

    Attributes:
        metadata: What was saved with it.
    """

    def __init__(self, metadata: Record) -> None:
        super().__init__("The checkpoint has other arrays than this config.")
        self.metadata = metadata


class Checkpoints:
    """The checkpoints of one run.

    orbax writes them whole or not at all, but does not notice bytes that change later: each save
    therefore carries a checksum of every array, of every file and of its own metadata. It is
    written in the background: by orbax's own threads where several processes have to meet, else by
    one of ours, since orbax's count their time by a clock that can be set, and outlive a save that
    fails.

    Args:
        folder: Where they are; it is made if it is not there.
        keep: How many are kept, the newest, at least 1.

    Attributes:
        folder: The same, as an absolute path.
        manager: orbax's.
        last_save_failed: Whether it did.

    Raises:
        UserError: If the folder's checkpoints cannot be listed.
    """

    def __init__(self, folder: Path, keep: int = 3) -> None:
        self.folder = folder.absolute()
        _quieten_orbax()
        self._together = jax.process_count() > 1
        options = ocp.CheckpointManagerOptions(
            max_to_keep=max(keep, 1),
            create=True,
            enable_async_checkpointing=self._together,
            async_options=ocp.AsyncOptions(timeout_secs=600) if self._together else None,
        )
        try:
            self.manager = ocp.CheckpointManager(self.folder, options=options)
        except OSError:
            raise
        # whatever made-up files can bring about in what orbax keeps of each step
        except Exception as error:
            if jax.process_count() > 1 and isinstance(error, jax.errors.JaxRuntimeError):
                raise  # another process is lost
            raise UserError(
                f"The checkpoints in {self.folder} cannot be listed ({type(error).__name__}: "
                f"{str(error)[:200]}): bring back a copy, or move the folder of the step that is "
                "damaged elsewhere."
            ) from None
        self.last_save_failed = False
        self._news = ""
        self._bytes = 0  # of the last state
        self._thread = ThreadPoolExecutor(1, "seal")
        self._saving: tuple[int, Future[None]] | None = None
        self._flaws: dict[int, str] = {}

    # ---- saving

    def save(self, step: int, state: PyTree, metadata: Record, replace: bool = False) -> None:
        """Begins to save a state and returns when the arrays may change again.

        What goes wrong, now or later, `take_message` tells; earlier checkpoints stay as they are.

        Args:
            step: The number of completed updates, which names the checkpoint.
            state: A pytree of arrays.
            metadata: What JSON can hold, to be saved beside it.
            replace: Whether a checkpoint of that step gives way, which else stays as it is.
        """
        self._settle(wait=True)  # one save at a time
        if step in self.manager.all_steps():
            if not replace:
                return
            self.manager.delete(step)
            self._flaws.pop(step, None)
        record = metadata | {
            "format": FORMAT,
            "step": step,
            "arrays": named_shapes(state),
            "checksums": array_checksums(state),
        }
        record["digest"] = record_digest(record)
        self._bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        if not self._together:
            self._saving = (
                step,
                self._thread.submit(self._write, step, jax.device_get(state), record),
            )
            return
        try:
            self._begin(step, state, record)
        except (OSError, ValueError, RuntimeError) as error:
            self._lost(step, error)
        else:
            self._saving = step, self._thread.submit(self._seal, step)

    def take_message(self) -> str:
        """One sentence if since the last call a save has failed, or one that made up for it has
        not; '' else.
        """
        self._settle(wait=False)
        text, self._news = self._news, ""
        return text

    def finish(self) -> None:
        """Waits for the save that runs.

        Raises:
            UserError: If it fails.
        """
        self._settle(wait=True)
        text, self._news = self._news, ""
        if self.last_save_failed and text:
            raise UserError(f"{text} Mend that and start the same command again.")

    def has_room(self) -> bool:
        """Whether a state as large as the last could be written, as far as free space tells."""
        return shutil.disk_usage(self.folder).free > self._bytes

    def remove_unfinished(self) -> None:
        """Removes what saves that were killed left behind. Call it only while no other process
        trains here.
        """
        if jax.process_index() == 0:
            for path in self.folder.glob("*.orbax-checkpoint-tmp*"):
                shutil.rmtree(path, ignore_errors=True)

    def _write(self, step: int, state: PyTree, record: Record) -> None:
        self._begin(step, state, record)
        self._seal(step)

    def _begin(self, step: int, state: PyTree, record: Record) -> None:
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state), metadata=ocp.args.JsonSave(record)
        )
        with _quiet_asyncio():
            self.manager.save(step, args=items, force=True)

    def _seal(self, step: int) -> None:
        self.manager.wait_until_finished()
        if jax.process_index() == 0:
            folder = self.folder / str(step)
            names = sorted(
                str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
            )
            with whole(folder / MANIFEST) as partial:
                partial.write_text(file_hashes(folder, names))

    def _settle(self, wait: bool) -> None:
        if self._saving is None or not (wait or self._saving[1].done()):
            return
        step, sealing = self._saving
        self._saving = None
        error = sealing.exception()
        if error is None:
            if self.last_save_failed:
                self._news = f"The checkpoint of step {step} is saved: there is room again."
            self.last_save_failed = False
        else:
            with contextlib.suppress(Exception):  # orbax raises it once in each thread
                self.manager.wait_until_finished()
            self._lost(step, error)

    def _lost(self, step: int, error: BaseException) -> None:
        self.last_save_failed = True
        if jax.process_index() == 0 and not (self.folder / str(step)).exists():
            shutil.rmtree(self.folder / f"{step}.orbax-checkpoint-tmp", ignore_errors=True)
        with contextlib.suppress(OSError):
            self.manager.reload()  # its own list may have the step that was lost
        steps = self.manager.all_steps()
        newest = f"the newest there is of step {max(steps)}" if steps else "there is none yet"
        self._news = (
            f"The checkpoint of step {step} could not be written to {self.folder} "
            f"({self._reason(error)}); {newest}."
        )

    def _reason(self, error: BaseException) -> str:
        if (
            isinstance(error, OSError)
            and error.strerror
            and error.errno not in (errno.ENOSPC, errno.EDQUOT)
        ):
            return error.strerror
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(self.folder).free
            if free < 2 * self._bytes or any(
                word in str(error).lower() for word in ("no space", "enospc", "quota")
            ):
                return (
                    f"no space left on the disk: {free / 2**20:.1f} MB are free, "
                    f"{self._bytes / 2**20:.1f} MB are needed"
                )
        return (str(error).splitlines() or [type(error).__name__])[0][:200]

    # ---- restoring

    def restore_part(self, choose: Callable[[Record], PyTree]) -> tuple[PyTree, Record] | None:
        """Some arrays of the newest checkpoint that has them sound. Nothing else is read.

        Args:
            choose: Metadata -> the wanted parts of the state, nested dicts of jax.ShapeDtypeStruct
                by their names, such as {"ema": {"params": …}}.

        Returns:
            The arrays and the checkpoint's metadata; None if there is none.

        Raises:
            OtherArraysError: If a part has other arrays than were saved.
            UserError: If a checkpoint was saved by a newer version.
        """
        steps = sorted(self.manager.all_steps(), reverse=True)
        for step in steps:
            record = self._read_metadata(step)
            if record is None or len(record["arrays"]) != len(record["checksums"]):
                say(f"The checkpoint of step {step} is damaged: its metadata are.")
                continue
            like = choose(record)
            if not named_shapes(like).items() <= record["arrays"].items():
                raise OtherArraysError(record)
            part = _read(step, functools.partial(_part, self.folder / str(step) / "state", like))
            sums = dict(zip(record["arrays"], record["checksums"], strict=True))
            if part is None:
                say(f"The checkpoint of step {step} is damaged: its arrays cannot be read.")
            elif array_checksums(part) != [sums[name] for name in named_shapes(part)]:
                say(f"The checkpoint of step {step} is damaged: its arrays are not those of then.")
            else:
                if step != steps[0]:
                    say(f"That of step {step} is sound, and used.")
                return part, record
        return None

    def restore(self, like: PyTree, set_aside: bool = True) -> tuple[PyTree, Record] | None:
        """The newest sound state and its metadata. What is damaged is said.

        Args:
            like: A pytree of jax.ShapeDtypeStruct with shardings.
            set_aside: What is damaged is moved to the folder `damaged`, so that its step can be
                saved again.

        Returns:
            The state, like `like`, and its metadata; None if nothing was ever saved.

        Raises:
            OtherArraysError: If `like` has other arrays than were saved.
            UserError: If nothing sound is left or it was saved by a newer version.
        """
        steps = sorted(self.manager.all_steps(), reverse=True)
        for step in steps:
            restored, flaw = self._restore_step(step, like)
            if restored is not None:
                if step != steps[0]:
                    say(f"That of step {step} is sound, and used.")
                return restored
            say(
                f"The checkpoint of step {step} is damaged: "
                f"{flaw}.{' It is kept in damaged/.' if set_aside else ''}"
            )
            if set_aside:
                self._set_aside(step)
        aside = self.folder / "damaged"
        if steps or any(aside.glob("*")):
            where = f"the damaged ones are in {aside if set_aside else self.folder}"
            raise UserError(
                f"No checkpoint of {self.folder} is sound ({where}); bring back a copy, or remove "
                "that folder to train anew."
            )
        return None

    def _restore_step(self, step: int, like: PyTree) -> tuple[tuple[PyTree, Record] | None, str]:
        flaw = self._flaw(step)
        # All processes take the same step, or none: one alone would wait for the others for ever.
        if not all_agree(not flaw):
            return None, flaw or "another host cannot read it"
        record = self._read_metadata(step)
        assert record is not None
        if record["arrays"] != named_shapes(like):
            raise OtherArraysError(record)
        state = self._read_state(step, like)
        if not all_agree(state is not None):
            return None, "its arrays cannot be read"
        if array_checksums(state) != record["checksums"]:
            return None, "its arrays are not those that were saved"
        return (state, record), ""

    def _flaw(self, step: int) -> str:
        """What is wrong with a checkpoint's files, '' if nothing is."""
        if step not in self._flaws:  # all files are read for it: once is enough
            self._flaws[step] = (
                problem_of_files(self.folder / str(step)) if jax.process_index() == 0 else ""
            )
            if not self._flaws[step] and self._read_metadata(step) is None:
                self._flaws[step] = "its metadata are missing or were changed"
        return self._flaws[step]

    def _read_state(self, step: int, like: PyTree) -> PyTree:
        items = ocp.args.Composite(state=ocp.args.StandardRestore(like))
        return _read(step, lambda: self.manager.restore(step, args=items)["state"])

    def _read_metadata(self, step: int) -> Record | None:
        try:
            record = json_files.read(self.folder / str(step) / "metadata" / "metadata")
            digest = record.pop("digest")
        except (OSError, ValueError, KeyError):
            return None
        if digest != record_digest(record):
            return None
        record.setdefault("format", 1)
        if not all(isinstance(record.get(name, kind()), kind) for name, kind in _KINDS.items()):
            return None
        if not all(isinstance(text, str) for text in record.setdefault("arrays", {}).values()):
            return None
        if record["format"] > FORMAT:
            raise UserError(
                f"The checkpoint of step {step} in {self.folder} was saved by a newer "
                f"imgtrans_jax (format {record['format']}, this one knows {FORMAT}); update it: "
                "pip install --upgrade imgtrans_jax."
            )
        return record

    def _set_aside(self, step: int) -> None:
        self._flaws.pop(step, None)
        if jax.process_index() == 0:
            target = self.folder / "damaged" / str(step)
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(exist_ok=True)
            shutil.move(self.folder / str(step), target)
        all_agree(True)  # that it has been moved
        self.manager.reload()


def _part(folder: Path, like: PyTree) -> PyTree:
    """Some of the arrays that a checkpoint's folder `state` holds."""
    arguments = ocp.args.PyTreeRestore(
        item=like,
        restore_args=ocp.checkpoint_utils.construct_restore_args(like),
        partial_restore=True,
    )
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
        return checkpointer.restore(folder, args=arguments)


def _read(step: int, restore: Callable[[], PyTree]) -> PyTree:
    """What is restored, or None if it cannot be."""
    # tensorstore's threads, which go on when the first array could not be read, print to
    # sys.stderr.
    with _quiet_asyncio(), contextlib.redirect_stderr(io.StringIO()):
        try:
            return restore()
        # orbax and tensorstore raise many kinds for files that are cut off or missing
        except Exception as error:
            logging.getLogger(__name__).debug("step %d", step, exc_info=error)
        time.sleep(0.5)  # for the other reads to end
        gc.collect()  # what failed beside it is told when it is collected: now, not later
    return None


def _quieten_orbax() -> None:
    """It narrates every step, from several threads, and logs with a traceback what it then raises;
    what is raised is said by this module.
    """
    logger = logging.getLogger("absl")
    if _not_of_orbax not in logger.filters:
        logger.addFilter(_not_of_orbax)


def _not_of_orbax(record: logging.LogRecord) -> bool:
    return "orbax" not in Path(record.pathname).parts


@contextlib.contextmanager
def _quiet_asyncio() -> Iterator[None]:
    logger = logging.getLogger("asyncio")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
