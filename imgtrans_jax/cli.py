"""What the scripts share: flags that are paths, `--config.*` overrides, and mistakes answered by
one sentence instead of a traceback.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from absl import app, flags

if TYPE_CHECKING:  # what takes time to import waits for `run`, which may begin the process anew
    from imgtrans_jax.types import UserError

Overrides = list[tuple[str, str]]

LARGE_PAGES = "glibc.malloc.hugetlb=1"  # for $GLIBC_TUNABLES


class _Path(flags.ArgumentParser):
    """Text with ~ made the home folder, which not every shell does behind an equals sign."""

    def parse(self, argument: str) -> str:
        return os.path.expanduser(argument)


def path_flag(
    name: str, default: str | None, help: str, required: bool = False
) -> flags.FlagHolder[Any]:
    """A flag that is a path; its value is text, or None."""
    return flags.DEFINE(
        _Path(), name, default, help, serializer=flags.ArgumentSerializer(), required=required
    )


def path_flags(name: str, help: str) -> flags.FlagHolder[Any]:
    """A flag that is a path and may be given several times; its value is a list of texts."""
    return flags.DEFINE_multi(_Path(), flags.ArgumentSerializer(), name, [], help)


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, which end a program as Ctrl-C does: what waits for its end is done."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def split_overrides(argv: Sequence[str]) -> tuple[list[str], Overrides]:
    """argv without its `--config.NAME=VALUE` (or `--config.NAME VALUE`) arguments, and these as
    (name, value).

    They are taken out before absl parses, so that any other unknown flag still fails. Raises
    UserError for one without a value.
    """
    from imgtrans_jax.types import UserError

    rest, overrides = [], []
    arguments = iter(argv)
    for argument in arguments:
        name, given, value = argument.lstrip("-").partition("=")
        if not (argument.startswith("-") and name.startswith("config.")):
            rest.append(argument)
            continue
        if not given:
            value = next(arguments, "")
            if not value or value.startswith("--"):
                raise UserError(f"{argument} needs a value: {argument}=VALUE.")
        overrides.append((name.removeprefix("config."), value))
    return rest, overrides


def load_config(path: str, overrides: Overrides, *kinds: type) -> Any:
    """The config file's value, of one of `kinds` (an Experiment if none is given), with the
    overrides of the command line. Raises UserError if either does not fit.
    """
    from imgtrans_jax import config

    return overridden(config.load(path, *kinds), overrides)


def overridden(value: Any, overrides: Overrides) -> Any:
    """A config with the overrides of the command line, ~ made the home folder. Raises UserError for
    one that does not fit.
    """
    from imgtrans_jax import config

    for name, text in overrides:
        value = config.override(value, name, os.path.expanduser(text))
    return value


def run(main: Callable[..., int | None], positional: bool = False) -> None:
    """Runs a script's `main` with the overrides, and with its other arguments if it takes any; a
    UserError ends it with its sentence and its exit code, 2 as a rule, Ctrl-C with 130, SIGTERM
    with 143, SIGHUP with 129.
    """
    sys.unraisablehook = _interrupt_again
    _end_by_signals()
    try:
        _run(main, positional)
    except KeyboardInterrupt as stopped:
        _stopped(stopped)


def _stopped(by: KeyboardInterrupt) -> NoReturn:
    with contextlib.suppress(OSError):  # the terminal may be gone
        print("\nStopped.", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
    # A compilation may still run in XLA's threads, and the interpreter's own end would crash in it.
    os._exit(128 + getattr(by, "number", signal.SIGINT))


def _run(main: Callable[..., int | None], positional: bool) -> None:
    # a program, not a test or a notebook
    if main.__module__ == "__main__" and hasattr(sys.modules["__main__"], "__file__"):
        _use_large_pages()
    from imgtrans_jax.models.convolution import check_form
    from imgtrans_jax.types import UserError

    # a file's name may be no text, or none of this terminal's
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        argv, overrides = split_overrides(sys.argv)
        check_form()
    except UserError as error:
        sys.exit(_said(error))

    def guarded(rest: list[str]) -> int:
        try:
            if positional:
                return main(overrides, rest[1:]) or 0
            if len(rest) > 1:
                raise UserError(
                    f"'{rest[1]}' was not understood; flags are written --name=value, see --help."
                )
            return main(overrides) or 0
        except UserError as error:
            return _said(error)
        except OSError as error:
            # raised by a library, not by the system
            if error.errno is None or error.strerror is None:
                raise
            where = f" ({error.filename})" if error.filename else ""
            advice = (
                "make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "check the path"
            )
            return _said(
                UserError(
                    f"{error.strerror}{where}: {advice} or choose another, then run the same "
                    "command again."
                )
            )
        except RuntimeError as error:
            from imgtrans_jax import processes

            if processes.lost_a_peer(error):
                print(f"\n{processes.LOST}", file=sys.stderr, flush=True)
                return processes.leave(1)
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            return _said(
                UserError(
                    "The device's memory is full: smaller pictures, a smaller batch or a "
                    "narrower network need less."
                )
            )
        except KeyboardInterrupt as stopped:
            _stopped(stopped)

    # absl would have it say which backends are not there
    logging.getLogger("jax").setLevel(logging.WARNING)
    _keep_compiled_programs()
    app.run(guarded, argv=argv)


def _use_large_pages(setting: Path = Path("/sys/kernel/mm/transparent_hugepage/enabled")) -> None:
    """Begins this process anew with glibc told to ask for large pages, where Linux gives them to
    those who ask.

    XLA:CPU takes a step's memory from the system and returns it each time; in small pages that
    costs a tenth of the step. glibc reads its settings when a process starts, which is why it has
    to begin again. A $GLIBC_TUNABLES that is set stays.
    """
    if (
        "GLIBC_TUNABLES" in os.environ
        or not setting.exists()
        or "[madvise]" not in setting.read_text()
    ):
        return
    os.environ["GLIBC_TUNABLES"] = LARGE_PAGES
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _end_by_signals() -> None:
    """Has SIGTERM, and SIGHUP unless nohup has it ignored, raise `Terminated`."""

    def terminated(number: int, _: object) -> None:
        raise Terminated(number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        main = threading.current_thread() is threading.main_thread()
        if main and number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, terminated)


def _interrupt_again(lost: Any) -> None:
    """A Ctrl-C that meets a callback of the garbage collector, of which jax has one, ends there; it
    is sent once more. What orbax's coroutines did not get to say about a damaged file is left out:
    checkpoint.py has said it.
    """
    code = getattr(lost.object, "cr_code", None)
    if code is not None and "orbax" in Path(code.co_filename).parts:
        return
    if isinstance(lost.exc_value, KeyboardInterrupt):
        main = threading.main_thread().ident or 0
        number = getattr(lost.exc_value, "number", signal.SIGINT)
        threading.Timer(0.1, signal.pthread_kill, [main, number]).start()
    else:
        sys.__unraisablehook__(lost)


def _keep_compiled_programs() -> None:
    """On disk, for the next start, unless $JAX_COMPILATION_CACHE_DIR names another folder; the
    least used go first.
    """
    import jax

    from imgtrans_jax.files import cache_folder

    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "compiled"))
        jax.config.update("jax_compilation_cache_max_size", 2**30)


def printable(text: str, most: int = 10_000) -> str:
    """A text that may hold names out of files, for the terminal: what is no character that can be
    shown, such as the beginning of a command to the terminal, by its number.
    """
    shown = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text[:most])
    return shown + ("" if len(text) <= most else " …")


def _said(error: UserError) -> int:
    from imgtrans_jax import processes

    print(f"Error: {printable(str(error))}", file=sys.stderr, flush=True)
    return processes.leave(error.code)
