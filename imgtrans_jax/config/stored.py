"""The form in which a config is stored with a run, and read back without running code. Imports
types alone."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import functools
import importlib
import importlib.util
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from flax import linen as nn

from imgtrans_jax import data, losses, methods, models, optim, style
from imgtrans_jax.config.experiment import Evaluation, Experiment
from imgtrans_jax.types import Opens, UserError

Trust: TypeAlias = bool | frozenset[str]
"""Whether the code outside imgtrans_jax that a stored config names may be run: all, none, or these
names.
"""


@functools.cache
def public_names() -> dict[str, Any]:
    """What a config can be made of, by the names that runs and files store, wherever in the package
    it is defined.
    """
    packages = (data, losses, models, optim, methods, style)
    exported = {name: getattr(package, name) for package in packages for name in package.__all__}
    return exported | {"Evaluation": Evaluation, "Experiment": Experiment}


_RENAMED = {
    "imgtrans_jax.data.pairs:Pix2Pix": "Pix2PixPairs",
    "Cut": "Preprocess",
    "Derived": "SelfPaired",
    "Grey": "Gray",
    "Holes": "Inpaint",
    "Smaller": "Downscale",
    "style_normalised": "style_normalized",
}
"""Public names by those that runs of the first version have, which stored `module:Name`."""

_RENAMED_FIELDS = {
    "GanLoss": {"fool": "generator"},
    "Gatys": {"colours": "colors", "recolour": "recolor"},
}
"""Fields by their older names, for each type that has some."""


def present_name(name: str) -> str:
    """The public name of today of one that may be older."""
    return _RENAMED.get(name, name)


def field_name(kind: str, name: str) -> str:
    """The present name of a field that may have been renamed.

    Args:
        kind: The name of the type that has the field.
        name: Of the field, as it was stored or given.

    Returns:
        The name of today; `name` itself if it was not renamed.
    """
    return _RENAMED_FIELDS.get(kind, {}).get(name, name)


def to_json(value: Any, where: str = "config") -> Any:
    """A config as plain JSON values: dataclasses by the name of their type, functions by their own.

    Args:
        value: The config, or a part of it.
        where: What it is called, for the error.

    Returns:
        Numbers, texts, lists and dictionaries.

    Raises:
        UserError: For a lambda, a local function, or anything else that has no name to be found by
            again.
    """
    if isinstance(value, enum.Enum):
        raise UserError(f"{where} is {value!r}, which would be read back as a text; use a Literal.")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        return [to_json(item, f"{where}[{i}]") for i, item in enumerate(value)]
    name = name_of(value)
    if name:
        return {"ref": name, **_home(name)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if taken := {f.name for f in init_fields(value)} & {"type", "ref", _FROM}:
            raise UserError(
                f"{where} has a field '{min(taken)}', a name that runs need; rename it."
            )
        fields = {
            f.name: to_json(getattr(value, f.name), f"{where}.{f.name}") for f in init_fields(value)
        }
        name = name_of(type(value))
        if name:
            return {"type": name, **_home(name), **fields}
    raise UserError(
        f"{where} is {value!r}, which cannot be stored with the run; write it as a named function "
        "or a dataclass in a module that can be imported, and whose name no other module has."
    )


def from_json(stored: Any, trust_code: Trust = False, where: str = "config") -> Any:
    """The config that `to_json` stored.

    Only names within imgtrans_jax are looked up, so that a stranger's run cannot make this program
    execute code. What the texts among the values name is not opened here, see `named_outside`.

    Args:
        stored: As JSON.
        trust_code: Allows other names, all or some (`names_in` a config that is in use anyway).
        where: What it is called, for the errors.

    Returns:
        The config, or the part of it.

    Raises:
        UserError: If a value is not of its field's type, or is anything else than `to_json` stored.
    """
    stored = _current(stored)
    if isinstance(stored, list):
        return tuple(from_json(item, trust_code, f"{where}[{i}]") for i, item in enumerate(stored))
    if not isinstance(stored, dict):
        return stored
    found = _look_up(
        stored.get("ref") or stored.get("type"), trust_code, str(stored.get(_FROM, ""))
    )
    if "ref" in stored:
        return found
    if not (inspect.isclass(found) and dataclasses.is_dataclass(found)):
        raise UserError(
            f"The stored config names {stored['type']}, which is no configurable type; the run is "
            "damaged."
        )
    fields = {key: item for key, item in stored.items() if key not in ("type", _FROM)}
    unknown = set(fields) - {f.name for f in init_fields(found)}
    if unknown:
        raise UserError(
            "The stored config has fields that this version does not know: "
            f"{', '.join(sorted(unknown))[:200]}."
        )
    hints, values = typing.get_type_hints(found), {}
    for key, item in fields.items():
        values[key] = value = from_json(item, trust_code, f"{where}.{key}")
        if not fits(value, hints.get(key, Any)):
            raise UserError(
                f"The stored {where}.{key} is {repr(value)[:80]}, which it cannot be; the run is "
                "damaged."
            )
    try:
        return found(**values)
    except (TypeError, ValueError) as error:  # a field is missing, or its own check refuses a value
        raise UserError(
            f"The stored {where} makes no {found.__name__} ({str(error)[:200]}); the run is "
            "damaged."
        ) from None


def names_in(config: Any) -> frozenset[str]:
    """The functions and classes that a config uses, `module:name`."""
    found, waiting = set(), [to_json(config)]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            found |= {item[key] for key in ("type", "ref") if key in item}
        waiting += (
            item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        )
    return frozenset(found)


def fits(value: Any, hint: Any) -> bool:
    """Whether a value may stand in a field, as far as that can be told without using it.

    Args:
        value: For the field.
        hint: The field's type.

    Returns:
        False where it surely may not.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, choice) for choice in args)
    if inspect.isclass(value):  # a class is no instance, though it has the methods of one
        return hint is Any or origin in (type, Callable)
    if origin in (list, Sequence, Iterable, Collection):
        return isinstance(value, tuple) and all(fits(item, args[0]) for item in value)
    if origin is Literal:
        return value in args
    if origin is tuple:
        kinds = (
            [args[0]] * len(value)
            if isinstance(value, tuple) and args[-1] is Ellipsis
            else list(args)
        )
        return (
            isinstance(value, tuple) and len(value) == len(kinds) and all(map(fits, value, kinds))
        )
    if hint in (int, float):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and (hint is float or value == value // 1)
    if hint in (bool, str, type(None)):
        return type(value) is hint
    if inspect.isclass(hint):
        with contextlib.suppress(TypeError):  # a protocol that cannot be asked for
            return isinstance(value, hint)
    return not isinstance(value, (bool, int, float, str, tuple, type(None))) or hint is Any


def misfit(value: Any, where: str = "config") -> tuple[str, Any, Any] | None:
    """The first field whose number, text, truth value or tuple of such is not of the field's type.

    Args:
        value: The config, or a part of it.
        where: What it is called, the beginning of the name.

    Returns:
        Such as ("config.batch_size", "4", int); None where there is none.
    """
    if isinstance(value, tuple):
        parts = ((f"{where}[{i}]", item) for i, item in enumerate(value))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        hints = typing.get_type_hints(type(value))
        fields = {f.name: getattr(value, f.name) for f in init_fields(value)}
        for name, item in fields.items():
            if _is_plain(item) and not fits(item, hints.get(name, Any)):
                return f"{where}.{name}", item, hints[name]
        parts = ((f"{where}.{name}", item) for name, item in fields.items())
    else:
        return None
    return next(filter(None, (misfit(item, name) for name, item in parts)), None)


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return isinstance(value, (bool, int, float, str))


def named_outside(value: Any, where: str = "config") -> dict[str, str]:
    """What a config would open of the world outside.

    Args:
        value: The config, or a part of it.
        where: What it is called, the beginning of the names.

    Returns:
        {"config.data.a": "/home/me/photos"}: the texts of fields that are marked by `Opens`,
        without those that lead nowhere.
    """
    if isinstance(value, tuple):
        return {
            k: v
            for i, item in enumerate(value)
            for k, v in named_outside(item, f"{where}[{i}]").items()
        }
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return {}
    found: dict[str, str] = {}
    hints = typing.get_type_hints(type(value), include_extras=True)
    for field in init_fields(value):
        item, name = getattr(value, field.name), f"{where}.{field.name}"
        mark = mark_of(hints.get(field.name))
        if isinstance(item, str):
            if mark and item and not re.fullmatch(mark.harmless, item):
                found[name] = item
        else:
            found |= named_outside(item, name)
    return found


def mark_of(hint: Any) -> Opens | None:
    """The mark of a type, or of one of those that it is a union of."""
    if typing.get_origin(hint) is Annotated:
        return next((mark for mark in typing.get_args(hint)[1:] if isinstance(mark, Opens)), None)
    return next(filter(None, map(mark_of, typing.get_args(hint))), None)


def without_mark(hint: Any) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint


def differences(old: Any, new: Any, where: str = "config") -> list[str]:
    """The fields in which two stored configs differ. A field that only one of them has does not
    count.

    Args:
        old: As JSON.
        new: As JSON.
        where: What they are called, the beginning of the names.

    Returns:
        One line for each, such as `config.batch_size: 1 -> 4`.
    """
    old, new = _current(old), _current(new)
    same_type = (
        isinstance(old, dict) and isinstance(new, dict) and old.get("type") == new.get("type")
    )
    if same_type and "type" in old:
        # A field that only one of them has came or went with a version of the program, and changed
        # nothing.
        common = [key for key in old if key in new and key != _FROM]
        return [
            line for key in common for line in differences(old[key], new[key], f"{where}.{key}")
        ]
    if _homeless(old) == _homeless(new):
        return []
    return [f"{where}: {_stored_text(old)} -> {_stored_text(new)}"]


def _current(stored: Any) -> Any:
    """A stored value, not what is in it, by the names of today."""
    if not isinstance(stored, dict):
        return stored
    stored = stored | {key: _public(stored[key]) for key in ("type", "ref") if key in stored}
    kind = str(stored.get("type"))
    current = {field_name(kind, key): item for key, item in stored.items()}
    if len(current) < len(stored):
        raise UserError(f"The stored config has a field of {kind} twice; the run is damaged.")
    return current


def _public(name: Any) -> Any:
    """The public name of what a run of the first version stored as `imgtrans_jax.module:Name`."""
    if not isinstance(name, str) or not is_own(name.partition(":")[0]):
        return name
    last = name.rpartition(":")[2]
    return _RENAMED.get(name, _RENAMED.get(last, last))


def _homeless(stored: Any) -> Any:
    """A stored value by the names of today, without the folders in which its modules were."""
    if isinstance(stored, dict):
        return {key: _homeless(item) for key, item in _current(stored).items() if key != _FROM}
    return [_homeless(item) for item in stored] if isinstance(stored, list) else stored


def _stored_text(stored: Any) -> str:
    if isinstance(stored, dict):
        fields = ", ".join(
            f"{k}={_stored_text(v)}" for k, v in stored.items() if k not in ("type", "ref", _FROM)
        )
        name = str(stored.get("ref") or stored.get("type")).rpartition(":")[2]
        return name if "ref" in stored else f"{name}({fields})"
    if isinstance(stored, list):
        return f"({', '.join(map(_stored_text, stored))})"
    return repr(stored)


def init_fields(config: Any) -> list[dataclasses.Field[Any]]:
    own = (
        ("parent", "name")
        if isinstance(config, nn.Module)
        or (isinstance(config, type) and issubclass(config, nn.Module))
        else ()
    )
    return [f for f in dataclasses.fields(config) if f.init and f.name not in own]


def name_of(value: Any) -> str | None:
    """The public name of a function, a class or a constant, or `module:name` of the user's own, if
    it is found there again.
    """
    defined = inspect.isfunction(value) or inspect.isclass(value)
    if not defined and not _is_constant(value):
        return None
    ours = next((name for name, public in public_names().items() if public is value), None)
    if ours:
        return ours
    module = value.__module__ if defined else type(value).__module__
    if is_own(module) or module == "__main__":  # in another program that is another module
        return None
    if defined:
        name = value.__qualname__
    else:
        name = next((k for k, v in vars(sys.modules[module]).items() if v is value), "")
    found = getattr(sys.modules.get(module), name, None) if name else None
    return f"{module}:{name}" if name and found is value else None


def _is_constant(value: Any) -> bool:
    """Whether it is made of functions alone, as `hinge` is."""
    fields = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
    return bool(fields) and all(callable(getattr(value, f.name)) for f in fields)


def _home(name: str) -> dict[str, str]:
    """For code outside imgtrans_jax, the folder from which its module can be imported: a config
    that is loaded by its path may use modules that no later program would find.
    """
    module, given, _ = name.partition(":")
    file = getattr(sys.modules.get(module), "__file__", None)
    if not given or not file:
        return {}
    depth = module.count(".") + (Path(file).name == "__init__.py")
    return {_FROM: str(Path(file).resolve().parents[depth])}


_FROM = "from"
"""Beside `type` or `ref` in the stored form; no field can have this name."""


_LONGEST = 1000  # characters of the name of a type, or of the path of its folder


def _look_up(name: Any, trust_code: Trust, home: str) -> Any:
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST or len(home) > _LONGEST:
        raise UserError("The stored config is damaged: a value has neither a type nor a reference.")
    if name in public_names():
        return public_names()[name]
    module, given, attribute = name.partition(":")
    if not given:
        raise UserError(
            f"The run was made with {name}, which this version of imgtrans_jax does not have."
        )
    if not (name in trust_code if isinstance(trust_code, frozenset) else trust_code):
        at = f" in {home}" if home else ""
        raise UserError(
            f"The run was made with {name}{at}, which is code outside imgtrans_jax and is not run "
            "unasked; if you trust it, add `trust_code`, which translate, evaluate, compare and "
            "convert know."
        )
    try:
        return getattr(import_from(module, home), attribute)
    except Exception as error:  # what importing somebody's module can bring about
        before = f"it was in {home}; if that has moved, s" if home else "S"
        raise UserError(
            f"The run was made with {name}, which cannot be imported here ({type(error).__name__}: "
            f"{error}): {before}et PYTHONPATH to the folder that holds {module.split('.')[0]}, and "
            "run the same command again."
        ) from None


def import_from(module: str, home: str) -> types.ModuleType:
    """A module, looked for behind all others in the folder where it was.

    Args:
        module: Its dotted name.
        home: The folder; '' for none.

    Returns:
        The module.

    Raises:
        ImportError: If it is not found. Code that is imported may raise anything.
    """
    known = getattr(sys.modules.get(module), "__file__", None)
    file = Path(home, *module.split(".")).with_suffix(".py")
    if home and known and file.is_file() and file.resolve() != Path(known).resolve():
        raise ImportError(f"another module {module} is in use, {known}")
    if not home or module in sys.modules:
        return importlib.import_module(module)
    sys.path.append(home)
    try:
        return importlib.import_module(module)
    finally:
        sys.path.remove(home)


def is_own(module: str) -> bool:
    """Whether a module is imgtrans_jax's, which a config of its own, to be changed, is not."""
    return module.split(".")[0] == "imgtrans_jax" and not module.startswith("imgtrans_jax.configs")
