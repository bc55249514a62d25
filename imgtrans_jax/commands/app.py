"""What the commands share: their flags, `--config.*` overrides, and mistakes answered by one
sentence instead of a traceback.

  imgtrans COMMAND [ARGUMENT …] [--flag=value …]
"""

from __future__ import annotations

import _thread
import contextlib
import difflib
import errno
import importlib
import io
import logging
import os
import pkgutil
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from imgtrans_jax.commands.arguments import Flags as Flags
from imgtrans_jax.commands.arguments import help_text, parse

if TYPE_CHECKING:  # what takes time to import waits until it is needed, so that --help is fast
    from imgtrans_jax.runtime.signals import Stop
    from imgtrans_jax.types import UserError

Overrides = list[tuple[str, str]]

LARGE_PAGES = "glibc.malloc.hugetlb=1"  # for $GLIBC_TUNABLES


class MissingError(Exception):
    """A flag that a command cannot do without was not given."""

    def __init__(self, flag: str) -> None:
        super().__init__(flag)
        self.flag = flag


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, which end a program as Ctrl-C does: what waits for its end is done."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


# ------------------------------------------------------------------------------------------- flags


def split_overrides(argv: Sequence[str]) -> tuple[list[str], Overrides]:
    """argv without its `--config.NAME=VALUE` (or `--config.NAME VALUE`) arguments, and these as
    (name, value).

    They are taken out before the flags are read, so that any other unknown flag still fails. Raises
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


def overridden(value: Any, overrides: Overrides) -> Any:
    """A config with the overrides of the command line, ~ made the home folder. Raises UserError for
    one that does not fit.
    """
    from imgtrans_jax.config.overrides import override

    for name, text in overrides:
        value = override(value, name, os.path.expanduser(text))
    return value


def no_overrides(overrides: Overrides) -> None:
    """Raises UserError if there are any, for a command that has no config."""
    from imgtrans_jax.types import UserError

    if overrides:
        raise UserError(f"--config.{overrides[0][0]} has no meaning here; see --help.")


def required(value: str | None, flag: str) -> str:
    """The value of a flag. Raises MissingError if it is not given."""
    if value is None:
        raise MissingError(flag)
    return value


def stoppable(work: Callable[[Stop], list[Path]]) -> int:
    """The exit code of work that Ctrl-C stops with what it has so far."""
    from imgtrans_jax.runtime import signals

    with signals.Stop(at_once=True) as stop:
        return wrote(work(stop))


def wrote(written: Sequence[Path]) -> int:
    """Says which files a command has written."""
    if written:
        plural, more = ("s", " …") if len(written) > 1 else ("", "")
        print(f"Wrote {len(written)} picture{plural}: {written[0]}{more}")
    return 0


# -------------------------------------------------------------------------------------------- help


def commands() -> list[str]:
    """The names of the commands: the public modules beside this one, without those that a script at
    the top stands for.
    """
    from imgtrans_jax import commands as package

    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    return [name for name in names if name not in ("app", "arguments", "stylize")]


def _overview() -> str:
    width = max(map(len, commands())) + 2
    lines = [f"  {name:{width}}{_summary(_command(name))}" for name in commands()]
    return (
        "Image-to-image translation in JAX.\n\n  imgtrans COMMAND [ARGUMENT …] [--flag=value …]\n\n"
        + "\n".join(lines)
        + "\n\nEach says more with --help: imgtrans train --help\n"
    )


def _summary(command: ModuleType) -> str:
    """The first sentence of a command's help."""
    return " ".join((command.__doc__ or "").partition("\n\n")[0].split())


def _command(name: str) -> ModuleType:
    return importlib.import_module(f"imgtrans_jax.commands.{name}")


# ------------------------------------------------------------------------------------------- start


def main(command: str | ModuleType = "", program: str = "") -> NoReturn:
    """The program `imgtrans`, with the arguments that it was started with; the first one names the
    command. command: the one that a script stands for, or a script itself, which has FLAGS and a
    `main` as the commands have; program: what its help calls it.
    """
    arguments = sys.argv[1:]
    if not command:
        command, *arguments = arguments or ["--help"]
    sys.unraisablehook = _interrupt_again
    try:
        sys.exit(_main(command, arguments, program))
    except KeyboardInterrupt as stopped:
        _stopped(stopped)
    except Exception as error:
        cause: BaseException | None = error
        while cause and not isinstance(cause, KeyboardInterrupt):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        _stopped(cause)  # an extension that was being imported makes an ImportError of it


def _main(command: str | ModuleType, arguments: list[str], program: str) -> int:
    for stream in (sys.stdout, sys.stderr):
        # a file's name may be no text, or none of this terminal's
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if isinstance(command, str):
        if command not in (*commands(), "stylize"):
            return _other(command)
        command = _command(command)
    if {"--help", "-h", "-help", "--helpfull"} & {*arguments}:
        name = f"imgtrans {command.__name__.rpartition('.')[2]}"
        print(help_text(command).replace(name, program or name), end="")
        return 0
    _begin(getattr(command, "IS_LONG", False))
    return run(command, arguments)


def _begin(long: bool) -> None:
    """What comes before any command. Meanwhile there is nothing to tidy up, and signals do what
    they do to any process: as an exception one could be lost in what jax imports, or with the
    process that begins anew.
    """
    mine = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if mine:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if long:
        _use_large_pages()
    importlib.import_module("jax")
    if mine:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _end_by_signals()


def _other(word: str) -> int:
    """Where the first word is no command."""
    from imgtrans_jax import __version__

    if word in ("--help", "-h", "help"):
        wanted = next((name for name in sys.argv[2:] if name in commands()), "")
        print(help_text(_command(wanted)) if wanted else _overview(), end="")
        return 0
    if word == "--version":
        print(__version__)
        return 0
    near = difflib.get_close_matches(word, commands(), 1) or ["--help"]
    print(f"Error: There is no command '{word}'; try imgtrans {near[0]}.", file=sys.stderr)
    return 2


def run(command: ModuleType, arguments: Sequence[str]) -> int:
    """Runs a command's `main` with these arguments, and gives its exit code: what a UserError says
    is printed, and its code is 2 as a rule. Ctrl-C ends the program with 130, SIGTERM with 143,
    SIGHUP with 129.
    """
    from imgtrans_jax.convolution.forms import check_form
    from imgtrans_jax.runtime.signals import Interrupted
    from imgtrans_jax.types import UserError

    logging.getLogger("jax").setLevel(logging.WARNING)  # else it says which backends are not there
    try:
        rest, overrides = split_overrides(arguments)
        parse(command, rest)
        check_form()
        _keep_compiled_programs()
        return command.main(overrides) or 0
    except Interrupted as interrupted:
        with contextlib.suppress(OSError):  # the terminal may be gone
            print(interrupted, flush=True)
        return interrupted.code
    except UserError as error:
        return _said(error, command.FLAGS, arguments)
    except MissingError as missing:
        return _said(UserError(_which(command, missing.flag)), command.FLAGS, arguments)
    except BrokenPipeError:  # whoever was to read it, such as head, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13  # SIGPIPE, as other programs end
    except OSError as error:
        if error.errno is None or error.strerror is None:  # raised by a library, not by the system
            raise
        where = f" ({error.filename})" if error.filename else ""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = f"{'make room' if full else 'check the path'} or choose another"
        sentence = f"{error.strerror}{where}: {advice}, then run the same command again."
        return _said(UserError(sentence), command.FLAGS, arguments)
    except RuntimeError as error:
        from imgtrans_jax.runtime import distributed

        if distributed.lost_a_peer(error):
            print(f"\n{distributed.PEER_LOST}", file=sys.stderr, flush=True)
            return distributed.exit_code(1)
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        sentence = (
            "The device's memory is full: smaller pictures, a smaller batch or a narrower network "
            "need less."
        )
        return _said(UserError(sentence), command.FLAGS, arguments)


def _which(command: ModuleType, flag: str) -> str:
    """Asks for a flag that is missing, or for the argument that stands for it."""
    places = [holder.name for holder in getattr(command, "POSITIONAL", ())]
    use = f"imgtrans {command.__name__.rpartition('.')[2]} {' '.join(places).upper()}, or "
    return f"Which {flag}? Give {use * (flag in places)}--{flag}=…; see --help."


def _said(error: UserError, known: Flags, arguments: Sequence[str]) -> int:
    """Prints a mistake's sentence, in which the library's arguments, `overwrite` and
    `config.data.a`, are made the flags of this command. Backticks within a name, or in the
    arguments that the command was given, are those of a file.
    """
    from imgtrans_jax.runtime import distributed

    def flag(match: re.Match[str]) -> str:
        name = (match[1] or "").partition("=")[0]
        return f"--{match[1]}" if name in known or name.startswith("config.") else match[0]

    parts = {part for given in arguments for part in re.split(r"[=/\\]", given) if "`" in part}
    names = [re.escape(part) for part in sorted(parts, key=len, reverse=True)]
    marked = r"(?<![^\s(])`([a-z_][\w.]*(?:=[^`]*)?)`(?![^\s.,;:)])"
    text = re.sub("|".join([*names, marked]), flag, str(error))
    print(f"Error: {printable(text)}", file=sys.stderr, flush=True)
    return distributed.exit_code(error.code)


def _stopped(by: KeyboardInterrupt) -> NoReturn:
    with contextlib.suppress(OSError):  # the terminal may be gone
        print("\nStopped.", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
    # A compilation may still run in XLA's threads, and the interpreter's own end would crash in it.
    os._exit(128 + getattr(by, "number", signal.SIGINT))


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
    print("Memory comes in large pages, which is faster; GLIBC_TUNABLES= turns this off.")
    os.environ["GLIBC_TUNABLES"] = LARGE_PAGES
    sys.stdout.flush()
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
    engine/checkpoint.py has said it.
    """
    code = getattr(lost.object, "cr_code", None)
    if code is not None and "orbax" in Path(code.co_filename).parts:
        return
    if isinstance(lost.exc_value, KeyboardInterrupt):
        # not by `threading`, which waits for the start: a signal that came here would be lost
        number = getattr(lost.exc_value, "number", signal.SIGINT)
        _thread.start_new_thread(_send_to_main, (number,))
    else:
        sys.__unraisablehook__(lost)


def _send_to_main(number: int) -> None:
    """Sends a signal to the main thread, once that has left the callback."""
    time.sleep(0.3)
    signal.pthread_kill(threading.main_thread().ident or 0, number)


def _keep_compiled_programs() -> None:
    """On disk, for the next start, unless $JAX_COMPILATION_CACHE_DIR names another folder; the
    least used go first.
    """
    import jax

    from imgtrans_jax.io.files import cache_folder

    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "compiled"))
        jax.config.update("jax_compilation_cache_max_size", 2**30)


def printable(text: str, most: int = 10_000) -> str:
    """A text that may hold names out of files, for the terminal: what is no character that can be
    shown, such as the beginning of a command to the terminal, by its number.
    """
    shown = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text[:most])
    return shown + ("" if len(text) <= most else " …")
