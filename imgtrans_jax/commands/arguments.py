"""What a command is given: its flags, the arguments that stand for some of them, and its help."""

from __future__ import annotations

import difflib
import itertools
import os
import re
import shutil
import textwrap
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from absl import flags


class FlagPath(flags.ArgumentParser):
    """Text with ~ made the home folder, which not every shell does behind an equals sign."""

    def parse(self, argument: str) -> str:
        return os.path.expanduser(argument)


class Flags(flags.FlagValues):
    """The flags of one command, apart from those of any other. Each method defines one, and gives
    the holder of its value.
    """

    def read_flags_from_files(self, argv: Sequence[str], force_gnu: bool = True) -> list[str]:
        """The arguments as they are: what absl has besides, `--flagfile` and `--undefok`, are no
        flags here.
        """
        for argument in itertools.takewhile("--".__ne__, argv):
            if re.fullmatch("--?undefok(=.*)?", argument, re.S):
                raise flags.UnrecognizedFlagError("undefok")
        return list(argv)

    def path(self, name: str, default: str | None, help: str) -> flags.FlagHolder[Any]:
        """A path; its value is text, or None."""
        serializer = flags.ArgumentSerializer()
        return flags.DEFINE(FlagPath(), name, default, help, self, serializer)

    def paths(self, name: str, help: str) -> flags.FlagHolder[list[str]]:
        """A path that may be given several times; its value is a list of texts."""
        serializer = flags.ArgumentSerializer()
        return flags.DEFINE_multi(FlagPath(), serializer, name, [], help, self)

    def string(self, name: str, default: str | None, help: str) -> flags.FlagHolder[Any]:
        return flags.DEFINE_string(name, default, help, self)

    def strings(self, name: str, help: str) -> flags.FlagHolder[list[str]]:
        """Texts joined by commas."""
        return flags.DEFINE_list(name, [], help, self)

    def whole(
        self,
        name: str,
        default: int | None,
        help: str,
        least: int | None = None,
        most: int | None = None,
    ) -> flags.FlagHolder[Any]:
        """A whole number from `least` to `most`."""
        return flags.DEFINE_integer(name, default, help, least, most, self)

    def number(self, name: str, default: float, help: str) -> flags.FlagHolder[float]:
        """A number from 0."""
        return flags.DEFINE_float(name, default, help, 0.0, None, self)

    def choice(
        self, name: str, default: str | None, values: Sequence[str], help: str
    ) -> flags.FlagHolder[Any]:
        return flags.DEFINE_enum(name, default, values, help, self)

    def switch(self, name: str, help: str) -> flags.FlagHolder[bool]:
        return flags.DEFINE_bool(name, False, help, self)

    def alias(self, old: str, name: str) -> None:
        """Another spelling of a flag, which is accepted and not shown."""
        flags.DEFINE_alias(old, name, self)


def parse(command: ModuleType, argv: Sequence[str]) -> None:
    """Reads the flags of a command, and the arguments that stand for some of them: those of
    POSITIONAL, by their place. Raises UserError for any that does not fit.
    """
    from imgtrans_jax.types import UserError

    known: Flags = command.FLAGS
    known.set_gnu_getopt()
    known.unparse_flags()
    try:
        rest = known(["imgtrans", *argv])[1:]
    except flags.UnrecognizedFlagError as error:
        near = difflib.get_close_matches(error.flagname, list(known), 3, 0.6)
        guess = (
            f"did you mean {' or '.join(f'--{name}' for name in near)}?" if near else "see --help."
        )
        raise UserError(f"There is no flag --{error.flagname}; {guess}") from None
    except (flags.Error, ValueError) as error:  # the latter for --noSWITCH=VALUE
        raise UserError(f"{_misfit(known, str(error))}; see --help.") from None
    for flag in map(known.__getitem__, known):
        if isinstance(flag.value, list) and "" in flag.value:
            raise UserError(f"A value of --{flag.name} is empty; give one, or leave it out.")
        if isinstance(flag.parser, FlagPath) and flag.value == "":
            raise UserError(f"--{flag.name} is empty; give a path, or leave it out.")
    places = list(getattr(command, "POSITIONAL", ()))
    while rest and places:
        holder, several = places[0], isinstance(places[0].value, list)
        if known[holder.name].present:
            raise UserError(f"'{rest[0]}' and --{holder.name} say the same; give one of them.")
        if "" in (rest if several else rest[:1]):
            raise UserError(f"{holder.name.upper()} is empty; give a value.")
        known[holder.name].value = rest if several else os.path.expanduser(rest[0])
        rest, places = ([] if several else rest[1:]), places[1:]
    if rest:
        raise UserError(
            f"'{rest[0]}' was not understood; flags are written --name=value, see --help."
        )


def _misfit(known: Flags, said: str) -> str:
    """What is wrong with a flag's value, in a person's words where absl has none."""
    name = re.match(r"flag --(\w+)=", said)
    if not name:
        return said.rstrip(".")
    flag = known[name[1]]
    parser: Any = flag.parser
    if isinstance(parser, flags.EnumParser):
        wanted = f"one of {', '.join(parser.enum_values)}"
    elif isinstance(parser, (flags.IntegerParser, flags.FloatParser)):
        wanted = f"a {'whole ' * isinstance(parser, flags.IntegerParser)}number"
        wanted += "" if parser.lower_bound is None else f" from {parser.lower_bound:g}"
        wanted += "" if parser.upper_bound is None else f" to {parser.upper_bound}"
    elif flag.boolean:
        wanted = "no value, true or false"
    else:
        return said.removeprefix("flag ").rstrip(".")
    use = re.sub("^<.*?>: ", "", flag.help).partition(". ")[0].rstrip(".")
    return f"--{flag.name} takes {wanted} ({use[0].lower()}{use[1:]})"


def help_text(command: ModuleType) -> str:
    """A command's help: what it is for, its arguments, its flags."""
    known: Flags = command.FLAGS
    width = min(shutil.get_terminal_size().columns, 100)
    lines = [(command.__doc__ or "").strip(), "", "Flags:"]
    for flag in (flag for group in known.flags_by_module_dict().values() for flag in group):
        if flag.name != known[flag.name].name or "Alias for" in flag.help:
            continue
        # absl adds to some what is not for a person
        told = re.sub(r";\s+repeat this option.*", "", flag.help, flags=re.S)
        told = re.sub(r"^<(.*?)>: (.*)", r"\2 \1.", told, flags=re.S)
        default = f" Default: {flag.default}." if flag.default else ""
        head = f"  --{flag.name}" + ("" if flag.boolean else "=…")
        text = f"{head:18} {told}{default}"
        lines += textwrap.wrap(text, width, subsequent_indent=" " * 19)
    return "\n".join(lines) + "\n"
