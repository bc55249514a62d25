"""A field of a config set by its dotted name. Imports nothing here but `stored`."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import importlib
import importlib.util
import inspect
import math
import re
import sys
import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

from flax import linen as nn

from imgtrans_jax import models
from imgtrans_jax.config.stored import (
    field_name,
    fits,
    import_from,
    init_fields,
    is_own,
    mark_of,
    misfit,
    name_of,
    present_name,
    public_names,
    without_mark,
)
from imgtrans_jax.types import UserError


def override(config: Any, name: str, text: str, prefix: str = "config") -> Any:
    """A copy of a dataclass with one field set to what a text says, read by the field's type.

    Where the present value is a function, a loss or a dataclass, the name of another of its kind is
    accepted, see `choices`, and `module:Name` for one of the user's own.

    Args:
        config: A dataclass or a module.
        name: Of the field, dotted where it lies deeper.
        text: Its new value.
        prefix: What `config` is called, for the errors.

    Returns:
        The copy.

    Raises:
        UserError: With the nearest names or both types, for what does not fit.
    """
    head, _, rest = name.partition(".")
    where = f"{prefix}.{head}"
    is_config = dataclasses.is_dataclass(config) and not isinstance(config, type)
    fields = [f.name for f in init_fields(config)] if is_config else []
    if head not in fields:
        ours = (base.__name__ for base in type(config).__mro__ if is_own(base.__module__))
        renamed = (field_name(kind, head) for kind in ours)
        head = next((name for name in renamed if name in fields), head)
    if head not in fields:
        near = difflib.get_close_matches(head, fields, 3, 0.5)
        hint = (
            f"Did you mean {' or '.join(near)}?"
            if near
            else f"Its fields: {', '.join(fields) or 'none'}."
        )
        raise UserError(f"{prefix} ({type(config).__name__}) has no field '{head}'. {hint}")
    present = getattr(config, head)
    hint = typing.get_type_hints(type(config), include_extras=True).get(head, Any)
    if rest and present is None:
        raise UserError(
            f"{where} is none and has no field '{rest}'; set it first, to "
            f"{described(hint, present)}: --{where}=NAME."
        )
    if rest:
        value = override(present, rest, text, where)
    else:
        try:
            value = _parse(text, hint, present)
        except ValueError:
            shown, wanted = _short(present), described(hint, present)
            raise UserError(
                f"{where} needs {wanted} (now {shown}); '{text}' is none.{_hint(text, wanted)}"
            ) from None
    if isinstance(config, nn.Module):
        return config.clone(**{head: value})
    try:
        return dataclasses.replace(typing.cast("Any", config), **{head: value})
    except ValueError as error:  # its own check refuses the value
        raise UserError(f"{where} cannot be {text}: {error}") from None


def _hint(text: str, wanted: str) -> str:
    """What may have been meant by a text that is no choice."""
    module, own, _ = text.partition(":")
    if own and re.fullmatch(_OWN, text):
        return f" There is no module {module} in {Path.cwd()}, nor is one installed."
    names = {name.lower(): name for name in wanted.removeprefix("one of ").split(", ")}
    near = difflib.get_close_matches(text.lower(), names, 1, 0.6)
    return f" Did you mean {names[near[0]]}?" if near and wanted.startswith("one of ") else ""


_OWN = r"[^\W\d][\w.]*:[^\W\d]\w*"
"""`module:Name` of the user's own."""


def _parse(text: str, hint: Any, present: Any) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        for choice in sorted(args, key=lambda a: (without_mark(a) is str, a is float)):
            try:
                return _parse(text, choice, present)
            except ValueError:
                continue
        raise ValueError(text)
    if hint is type(None):
        return _only(None, text.lower() in ("none", "null"))
    if origin is Literal:
        return _only(text, text in args)
    if hint is bool:
        return _only(
            text.lower() in ("true", "1", "yes"),
            text.lower() in ("true", "false", "1", "0", "yes", "no"),
        )
    if hint in (int, float):
        return _only(hint(text), math.isfinite(hint(text)))
    if hint is str:
        return text
    if origin is Annotated:
        return (
            str(Path(text).expanduser())
            if text.startswith("~") and mark_of(hint)
            else _parse(text, args[0], present)
        )
    if origin is tuple:
        return _parse_tuple(text, args, present)
    return _chosen(text, hint, present)


def _parse_tuple(text: str, args: tuple[Any, ...], present: Any) -> tuple[Any, ...]:
    items = [item.strip() for item in text.strip("()[] ").split(",") if item.strip()]
    kinds = [args[0]] * len(items) if len(args) == 2 and args[1] is Ellipsis else list(args)
    if len(kinds) != len(items) or not items:
        raise ValueError(text)
    return tuple(_parse(item, kind, present) for item, kind in zip(items, kinds, strict=True))


def _only(value: Any, allowed: bool) -> Any:
    if not allowed:
        raise ValueError(value)
    return value


def choices(present: Any, hint: Any) -> dict[str, Any]:
    """What may stand in the place of a value, by its name.

    Of what the package of either exports these are the classes that name the same base, as
    instances with their defaults; for a function those of its signature, for a constant such as
    `hinge` the others of its type. Where `present` is code of the user's own, what stands beside it
    in its module is among them.

    Args:
        present: The value that is there.
        hint: The type of its field.

    Returns:
        Values by name; {} for numbers, texts and tuples.
    """
    if isinstance(present, (bool, int, float, str, tuple)) and not _is_nominal(hint):
        return {}
    found: dict[str, Any] = {}
    for name, value in sorted(_neighbors(present, hint).items()):
        if inspect.isclass(value):
            with contextlib.suppress(TypeError):  # it has fields without defaults
                found |= {name: value()} if _stands_for(value, present, hint) else {}
        elif _stands_for(value, present, hint):
            found[name] = value
    return found


def _neighbors(present: Any, hint: Any) -> dict[str, Any]:
    """What the packages of these two export, and what is public in a module that is not ours."""
    kind = present if inspect.isfunction(present) else type(present)
    homes = {getattr(hint, "__module__", ""), kind.__module__}
    packages = {".".join(home.split(".")[:2]) for home in homes if is_own(home)}
    if isinstance(present, nn.Module):
        packages.add(models.__name__)
    modules = [sys.modules[name] for name in sorted(packages)]
    exported = [(module, name) for module in modules for name in getattr(module, "__all__", ())]
    found = {name: getattr(module, name) for module, name in exported}
    if not is_own(kind.__module__) and kind.__module__ != "builtins":
        found |= {k: v for k, v in vars(sys.modules[kind.__module__]).items() if k[0] != "_"}
    return found


def _stands_for(value: Any, present: Any, hint: Any) -> bool:
    """Whether a class, a function or a constant may be chosen instead of `present`."""
    if inspect.isclass(value):
        base = hint if _is_nominal(hint) and hint is not nn.Module else _role(type(present))
        if isinstance(present, nn.Module) and base is None and not is_own(type(present).__module__):
            base = _role(value)  # one of the user's own that names no base: any may replace it
        related = value is type(present) or (base is not None and base in value.__mro__[1:])
        return dataclasses.is_dataclass(value) and related
    if inspect.isfunction(value) and inspect.isfunction(present):
        return inspect.signature(value) == inspect.signature(present)
    return type(value) is type(present) and name_of(value) is not None


def _is_nominal(hint: Any) -> bool:
    """Whether a type is one whose subclasses are its choices."""
    return inspect.isclass(hint) and hint not in (bool, int, float, str, tuple, type(None), object)


def _role(kind: type) -> type | None:
    """The public base of a class of ours or of the user's, such as Generator of UNet."""
    return next(
        (base for base in kind.__mro__[1:] if public_names().get(base.__name__) is base), None
    )


def _chosen(text: str, hint: Any, present: Any) -> Any:
    """The choice of this name, or `module:Name` of the user's own."""
    module, _, name = text.partition(":")
    if re.fullmatch(_OWN, text) and _is_there(module):
        try:
            value = getattr(import_from(module, str(Path.cwd())), name)
            value = value() if inspect.isclass(value) else value
        except Exception as error:
            raise UserError(f"{text} cannot be used: {type(error).__name__}: {error}") from error
        return _only(value, fits(value, hint))
    found, name = choices(present, hint), present_name(text)
    return _only(found.get(name), name in found)


def _is_there(module: str) -> bool:
    """Whether a module can be imported, from the present folder too."""
    sys.path.append(str(Path.cwd()))
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:  # what should be its package is none
        return False
    finally:
        sys.path.pop()


def check_types(config: Any) -> None:
    """That numbers, texts, truth values and tuples of them are of their fields' types.

    Args:
        config: The config.

    Raises:
        UserError: For the first that is not.
    """
    if wrong := misfit(config):
        name, value, hint = wrong
        raise UserError(f"{name} is {value!r}; it needs {described(hint, value)}.")


def described(hint: Any, present: Any) -> str:
    """What a field takes, in words.

    Args:
        hint: Its type.
        present: Its value, for the choices that stand beside it.

    Returns:
        Such as `an int`, or `one of LBFGS, PixelAdam`.
    """
    hint = without_mark(hint)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(described(choice, present) for choice in args)
    if origin is Literal:
        return f"one of {', '.join(map(str, args))}"
    if origin is tuple:
        if not args or args[0] not in (int, float, str):
            return "a tuple that a config file sets"
        number = "" if args[-1] is Ellipsis else f"{len(args)} "
        return f"{number}{'names' if args[0] is str else 'numbers'} joined by commas"
    simple = {
        int: "an int",
        float: "a float",
        bool: "true or false",
        str: "a text",
        type(None): "none",
    }
    if hint in simple:
        return simple[hint]
    names = choices(present, hint)
    return f"one of {', '.join(names)}" if names else "a value that a config file sets"


def _short(value: Any) -> str:
    name = name_of(value)
    if name:
        return name.rpartition(":")[2]
    return f"{type(value).__name__}(…)" if dataclasses.is_dataclass(value) else repr(value)
