"""The processes that train together, the loss of one, and one run a folder. Imports types alone."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import secrets
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import jax
import numpy as np
from jax.experimental import multihost_utils

from imgtrans_jax.types import UserError

HEARTBEAT_SECONDS = 30
"""A process that is silent for so long is lost; jax's own default is 100."""

START_SECONDS = 300
"""So long processes wait for each other at the start."""

STARTUP_TIMEOUT = (
    f"Error: The processes that train together did not all come within {START_SECONDS} s. Look at "
    "what the others say, check --processes and --process, and start all of them again."
)

PEER_LOST = (
    "Error: Another of the processes that train together was lost (it crashed, was killed, or "
    "its host or network failed; its own output says which). Start the same command again, on as "
    "many hosts as there are: it goes on from the newest checkpoint."
)


def start(
    coordinator: str | None = None, count: int | None = None, index: int | None = None
) -> None:
    """Joins this process to those that train together.

    What is None comes from JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID, else from
    the cluster: jax knows TPU VMs, GKE, Slurm and Open MPI.

    Args:
        coordinator: host:port of process 0.
        count: How many processes there are.
        index: The number of this one, from 0.

    Raises:
        UserError: If they do not find each other.
    """

    def given(value: int | None, name: str) -> int | None:
        return int(os.environ[name]) if value is None and name in os.environ else value

    coordinator = coordinator or os.environ.get("JAX_COORDINATOR_ADDRESS")
    try:
        count, index = given(count, "JAX_NUM_PROCESSES"), given(index, "JAX_PROCESS_ID")
        if coordinator and count is not None and index is not None:
            _check_address(coordinator, count, index)
        _install_abort_handler()
        jax.distributed.initialize(
            coordinator,
            count,
            index,
            initialization_timeout=START_SECONDS,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
        )
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"The other processes were not found ({str(error).splitlines()[0]}): give "
            "`coordinator=HOST:PORT` of process 0, `processes=COUNT` and `process=NUMBER`, or "
            "start it by Slurm, Open MPI or on TPU VMs, where they find each other."
        ) from None
    _abort_message[0] = PEER_LOST


def _check_address(coordinator: str, count: int, index: int) -> None:
    """What jax would answer with a long silence or an abort: a number or an address that cannot be,
    a port that is taken, a process 0 that nobody has started.
    """
    host, _, port = coordinator.rpartition(":")
    if not (host and port.isdigit() and 0 < int(port) < 65536):
        raise UserError(
            f"`coordinator={coordinator}` is no HOST:PORT of process 0, such as host0:8476."
        )
    if not 0 <= index < count:
        raise UserError(
            f"`process={index}` is none of {count}: they are numbered from 0 to {count - 1}."
        )
    if index == 0:
        with socket.socket(
            socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
        ) as trial:
            try:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(("", int(port)))
            except OSError as error:
                raise UserError(
                    f"Port {port} cannot be opened here ({error.strerror}); choose another for all."
                ) from None
        print(
            f"Waiting for the other {count - 1} of {count} processes to come to {coordinator} …",
            flush=True,
        )
        return
    print(f"Waiting for process 0 at {coordinator} …", flush=True)
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
            return
        except socket.gaierror:
            raise UserError(
                f"There is no host {host} (`coordinator={coordinator}`); check its name."
            ) from None
        except OSError as error:
            if time.monotonic() > until:
                raise UserError(
                    f"Process 0 was not found at {coordinator} ({error}): is it started, is the "
                    "port open?"
                ) from None
            time.sleep(0.5)


def _install_abort_handler() -> None:
    """jax ends a process whose peer is lost, or never comes, by abort() in a thread of C++, where
    no Python code can catch it: what there is to say can only be said by the signal's own handler.
    """

    def handler(_: int) -> None:
        os.write(2, f"\n{_abort_message[0]}\n".encode())
        os._exit(1)

    global _handler  # it must outlive this call
    _handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(handler)
    # no libc to be had: jax's own message remains
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).signal(int(signal.SIGABRT), _handler)


_handler: Any = None
_abort_message = [STARTUP_TIMEOUT]


def all_agree(fine: bool) -> bool:
    """Whether every process says so; a meeting point of all."""
    return (
        fine
        if jax.process_count() == 1
        else bool(np.all(multihost_utils.process_allgather(np.bool_(fine))))
    )


def check_agreement(stored: str, folder: Path) -> str:
    """Whether all processes train the same thing in the same folder.

    Args:
        stored: What this process would train, as a text.
        folder: Of the run.

    Returns:
        The `stored` text of process 0, which the caller compares with its own.

    Raises:
        UserError: If a process does not see the folder of process 0.
    """
    if jax.process_count() == 1:
        return stored
    text = np.frombuffer(stored.encode(), np.uint8)
    length, token = multihost_utils.broadcast_one_to_all(
        np.array([len(text), secrets.randbelow(2**31)], np.int32)
    )
    theirs = bytes(multihost_utils.broadcast_one_to_all(np.resize(text, int(length))))
    mark = folder / ".together"
    if jax.process_index() == 0:
        mark.write_text(str(token))
    multihost_utils.sync_global_devices("the mark is there")
    until = time.monotonic() + 20  # network file systems may take a while to show a file
    while (
        not (seen := mark.exists() and mark.read_text() == str(token)) and time.monotonic() < until
    ):
        time.sleep(0.2)
    everybody = multihost_utils.process_allgather(np.bool_(seen))
    if jax.process_index() == 0:
        mark.unlink(missing_ok=True)
    if not np.all(everybody):
        blind = [str(index) for index, sees in enumerate(everybody) if not sees]
        raise UserError(
            f"Process {', '.join(blind)} does not see {folder} of process 0: give a `workdir` on "
            "a file system that all share."
        )
    return theirs.decode()


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """No other run writes to the folder meanwhile. The system frees it when a process dies; on a
    file system without locks a file says whose it is.

    Raises:
        UserError: If another run writes to it.
    """
    if jax.process_index():
        yield
        return
    with _locked(folder) if _has_locks(folder) else _marked(folder / ".owner.json"):
        yield


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = filelock.FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise UserError(
            f"Another run trains in {folder} at this moment: wait for it, stop it, or give "
            "another `workdir`. (Processes that train together need `distributed`.)"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _has_locks(folder: Path) -> bool:
    """Whether the folder's file system knows locks: some network file systems do not."""
    try:
        import fcntl
    except ImportError:  # Windows, whose locks filelock knows
        return True
    with tempfile.TemporaryFile(dir=folder) as trial:
        try:
            fcntl.flock(trial, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS):
                return False
            raise
    return True


@contextlib.contextmanager
def _marked(mark: Path) -> Iterator[None]:
    """A lock by a file that says whose it is. A process that is no longer there loses it."""
    print(
        f"The file system of {mark.parent} knows no locks: {mark.name} says that this run is "
        "there.",
        flush=True,
    )
    host, pid = socket.gethostname(), os.getpid()
    owner = {"host": host, "process": pid, "since": time.strftime("%Y-%m-%d %H:%M:%S %z")}
    for _ in range(2):
        try:
            with mark.open("x") as file:
                json.dump(owner, file)
            break
        except FileExistsError:
            _free(mark, host)
    else:
        raise UserError(
            f"Another run began in {mark.parent} at this moment; give another `workdir`."
        )
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)


def _free(mark: Path, host: str) -> None:
    """Removes the mark of a process of this host that has ended. Raises UserError for any other."""
    try:
        found = json.loads(mark.read_text())
        owner, pid, since = str(found["host"]), int(found["process"]), str(found["since"])
    except FileNotFoundError:
        return
    except (ValueError, TypeError, KeyError):
        owner, pid, since = "an unknown host", 0, "an unknown time"
    if owner == host and not _lives(pid):
        print(
            f"The run that was here before (process {pid}) has ended without a word: its mark is "
            "removed.",
            flush=True,
        )
        mark.unlink(missing_ok=True)
        return
    raise UserError(
        f"Process {pid} on {owner} has trained in {mark.parent} since {since}: wait for it, stop "
        f"it, or give another `workdir`. If it is no longer there, remove {mark} and start again."
    )


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def lost_a_peer(error: Exception) -> bool:
    """Whether a run of several processes ended because one of them is gone."""
    return jax.distributed.is_initialized() and isinstance(error, jax.errors.JaxRuntimeError)


def exit_code(code: int) -> int:
    """The exit code of an error, after which a process that trains with others leaves at once: the
    regular end would wait for them.
    """
    if jax.distributed.is_initialized():
        os._exit(code)
    return code
