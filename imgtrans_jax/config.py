"""Experiments as typed values: loading a config file, overriding a field by its dotted name, and a
form that can be stored.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import functools
import importlib
import importlib.util
import inspect
import re
import sys
import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from flax import linen as nn

from imgtrans_jax import data, losses, models, optim, recipes
from imgtrans_jax.data.pipeline import Data, Unpaired
from imgtrans_jax.optim import Adam
from imgtrans_jax.recipes.cyclegan import CycleGAN
from imgtrans_jax.recipes.recipe import Recipe
from imgtrans_jax.types import Opens, PathText, UserError, Weights


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Scores of the test pictures during training, in evaluations.jsonl, in the log and on the
    page.

    every: epochs from one to the next, 0 for none. metrics, features, count: see
    `evaluation.Request`. best: a metric by whose mean over the directions the best checkpoint is
    kept, in RUN/best, or ''.
    """

    every: int = 0
    metrics: tuple[str, ...] = ("kid",)
    features: Weights = "vgg16"
    count: int = 200
    best: str = ""


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Everything that defines a run.

    data, recipe, optimizer: what is learned, how, and by which steps. batch_size: over all devices.
    accumulate: in how many parts, one after the other, a batch is computed, for less memory; each
    part has batch statistics of its own. seed: all randomness follows from it. steps: the length of
    the run; None for the length of the optimizer's schedule in epochs. init_from: what the training
    starts from: a generator alone (a .safetensors or .pth file of it), or with its critics (a
    trained run, or a folder of the common PyTorch code with latest_net_G.pth, latest_net_D.pth, …).
    log_every, sample_every, save_every: in steps. keep: checkpoints kept. samples: test pictures in
    the report. evaluation: whether and how test pictures are scored as it goes.
    mesh: devices along the batch (0: as many as fit) and along the pictures' height.
    shard_optimizer: the optimisers' moments are split over the devices of the batch instead of kept
    by each.
    matmul_precision: of float32 products on GPU and TPU: `default` allows tf32 or bf16 there,
    `highest` does not.
    """

    data: Data = Unpaired()
    recipe: Recipe = CycleGAN()
    optimizer: Adam = Adam()
    batch_size: int = 1
    accumulate: int = 1
    seed: int = 0
    steps: int | None = None
    init_from: PathText = ""
    log_every: int = 50
    sample_every: int = 1000
    save_every: int = 1000
    keep: int = 3
    samples: int = 8
    evaluation: Evaluation = Evaluation()
    mesh: tuple[int, int] = (0, 1)
    shard_optimizer: bool = False
    matmul_precision: Literal["default", "high", "highest"] = "default"


# -------------------------------------------------------------------------------------------- files


def shipped() -> dict[str, Path]:
    """The configs that come with the package, by their names."""
    spec = importlib.util.find_spec("imgtrans_jax.configs")
    folders = spec.submodule_search_locations if spec else None
    files = [file for folder in folders or () for file in Path(folder).glob("[a-z]*.py")]
    return {file.stem: file for file in sorted(files)}


def found(path: str) -> Path:
    """The file that a path, or the name of a shipped config, means. Raises UserError if there is
    none.
    """
    file = Path(path).expanduser()
    if file.is_file():
        return file
    known = shipped()
    name = file.stem if file.suffix == ".py" else file.name
    if name in known and str(file.parent) in (".", "configs"):
        return known[name]
    near = difflib.get_close_matches(name, known, 3, 0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "imgtrans configs lists what there is."
    raise UserError(f"There is no config file {path}; {hint}")


def load(path: str, *kinds: type) -> Any:
    """What `get_config()` of a Python file, or of a shipped config by its name, returns: an
    instance of one of `kinds`, of Experiment if none is given.

    The file is code and is run: load only files that you trust. Raises UserError if it cannot be
    used.
    """
    file = found(path)
    try:
        experiment = _executed(file, path)
    except UserError:
        raise
    except Exception as error:
        frames = [frame.lineno for frame in inspect.trace() if frame.filename == str(file)]
        line = frames[-1] if frames else getattr(error, "lineno", None)
        where = f"{path}, line {line}" if line else path
        raise UserError(
            f"The config {where} does not load: {type(error).__name__}: {error}"
        ) from error
    kinds = kinds or (Experiment,)
    if not isinstance(experiment, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        hint = ""
        if dataclasses.is_dataclass(experiment):
            hint = f"; it is for {'train' if isinstance(experiment, Experiment) else 'stylize'}.py"
        raise UserError(
            f"get_config() of {path} must return {wanted}; it returned "
            f"{type(experiment).__name__}{hint}."
        )
    return experiment


def _executed(file: Path, path: str) -> Any:
    """What get_config() of a file returns."""
    if file == shipped().get(file.stem):
        return importlib.import_module(f"imgtrans_jax.configs.{file.stem}").get_config()
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise UserError(f"The config {path} is no Python file; its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    # So that what it defines is found by its name when the run is stored.
    sys.modules.setdefault(file.stem, module)
    # So that a config can use what lies beside it, wherever the program was started.
    folders = [str(file.resolve().parent), str(file.resolve().parent.parent)]
    sys.path[:0] = folders
    try:
        spec.loader.exec_module(module)
        if not hasattr(module, "get_config"):
            raise UserError(
                f"The config {path} has no function get_config(); imgtrans configs quickstart "
                "names one that has."
            )
        return module.get_config()
    finally:
        for folder in folders:
            sys.path.remove(folder)


# ---------------------------------------------------------------------------------------- overrides


def override(config: Any, name: str, text: str, prefix: str = "config") -> Any:
    """A copy of a dataclass with the field of the dotted `name` set to what `text` says, read by
    the field's type.

    Where the present value is a function, a loss or a dataclass, the name of another of its kind is
    accepted, see `choices`, and `module:Name` for one of the user's own. Raises UserError, with the
    nearest names or both types, for what does not fit.
    """
    head, _, rest = name.partition(".")
    where = f"{prefix}.{head}"
    is_config = dataclasses.is_dataclass(config) and not isinstance(config, type)
    fields = [f.name for f in _fields(config)] if is_config else []
    if head not in fields:
        near = difflib.get_close_matches(head, fields, 3, 0.5)
        hint = (
            f"Did you mean {' or '.join(near)}?"
            if near
            else f"Its fields: {', '.join(fields) or 'none'}."
        )
        raise UserError(f"{prefix} ({type(config).__name__}) has no field '{head}'. {hint}")
    present = getattr(config, head)
    if rest:
        value = override(present, rest, text, where)
    else:
        hint = typing.get_type_hints(type(config), include_extras=True).get(head, Any)
        try:
            value = _parse(text, hint, present)
        except ValueError:
            shown = _short(present)
            raise UserError(
                f"{where} needs {_describe(hint, present)} (now {shown}); '{text}' is none."
            ) from None
    if isinstance(config, nn.Module):
        return config.clone(**{head: value})
    return dataclasses.replace(typing.cast("Any", config), **{head: value})


def _parse(text: str, hint: Any, present: Any) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        for choice in sorted(args, key=lambda a: (_plain(a) is str, a is float)):
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
        return hint(text)
    if hint is str:
        return text
    if origin is Annotated:
        return (
            str(Path(text).expanduser())
            if text.startswith("~") and _marked(hint)
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
    """What may stand in the place of `present`, in a field of type `hint`, by its name: of what the
    package of either exports, the classes that name the same base, as instances with their
    defaults; for a function those of its signature, for a constant such as `hinge` the others of
    its type. Where `present` is code of the user's own, what stands beside it in its module too.
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
    packages = {".".join(home.split(".")[:2]) for home in homes if _is_own(home)}
    if isinstance(present, nn.Module):
        packages.add(models.__name__)
    modules = [sys.modules[name] for name in sorted(packages)]
    exported = [(module, name) for module in modules for name in getattr(module, "__all__", ())]
    found = {name: getattr(module, name) for module, name in exported}
    if not _is_own(kind.__module__) and kind.__module__ != "builtins":
        found |= {k: v for k, v in vars(sys.modules[kind.__module__]).items() if k[0] != "_"}
    return found


def _stands_for(value: Any, present: Any, hint: Any) -> bool:
    """Whether a class, a function or a constant may be chosen instead of `present`."""
    if inspect.isclass(value):
        base = hint if _is_nominal(hint) and hint is not nn.Module else _role(type(present))
        if (
            isinstance(present, nn.Module)
            and base is None
            and not _is_own(type(present).__module__)
        ):
            base = _role(value)  # one of the user's own that names no base: any may replace it
        related = value is type(present) or (base is not None and base in value.__mro__[1:])
        return dataclasses.is_dataclass(value) and related
    if inspect.isfunction(value) and inspect.isfunction(present):
        return inspect.signature(value) == inspect.signature(present)
    return type(value) is type(present) and _name_of(value) is not None


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
    if re.fullmatch(r"[^\W\d][\w.]*:[^\W\d]\w*", text) and _is_there(module):
        try:
            value = getattr(_imported(module, str(Path.cwd())), name)
            value = value() if inspect.isclass(value) else value
        except Exception as error:
            raise UserError(f"{text} cannot be used: {type(error).__name__}: {error}") from error
        return _only(value, _fits(value, hint))
    found = choices(present, hint)
    return _only(found.get(text), text in found)


def _is_there(module: str) -> bool:
    """Whether a module can be imported, from the present folder too."""
    sys.path.append(str(Path.cwd()))
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:  # what should be its package is none
        return False
    finally:
        sys.path.pop()


def _describe(hint: Any, present: Any) -> str:
    hint = _plain(hint)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_describe(choice, present) for choice in args)
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
    name = _name_of(value)
    if name:
        return name.rpartition(":")[2]
    return f"{type(value).__name__}(…)" if dataclasses.is_dataclass(value) else repr(value)


# ------------------------------------------------------------------------------------------ storing

Trust: TypeAlias = bool | frozenset[str]
"""Whether the code outside imgtrans_jax that a stored config names may be run: all, none, or these
names.
"""


@functools.cache
def public_names() -> dict[str, Any]:
    """What a config can be made of, by the names that runs and files store, wherever in the package
    it is defined.
    """
    packages = (data, losses, models, optim, recipes)
    exported = {name: getattr(package, name) for package in packages for name in package.__all__}
    return exported | {"Evaluation": Evaluation, "Experiment": Experiment}


_RENAMED = {"imgtrans_jax.data.pairs:Pix2Pix": "Pix2PixPairs"}
"""Public names by the older ones that runs may have. Before 0.2 a run stored `module:Name`."""

_RENAMED_FIELDS = {"GanLoss": {"fool": "generator"}}
"""Fields by their older names, for each type that has some."""


def to_json(value: Any, where: str = "config") -> Any:
    """A config as plain JSON values: dataclasses by the name of their type, functions by their own.

    Raises UserError for a lambda, a local function, or anything else that has no name to be found
    by again.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        return [to_json(item, f"{where}[{i}]") for i, item in enumerate(value)]
    name = _name_of(value)
    if name:
        return {"ref": name, **_home(name)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            f.name: to_json(getattr(value, f.name), f"{where}.{f.name}") for f in _fields(value)
        }
        name = _name_of(type(value))
        if name:
            return {"type": name, **_home(name), **fields}
    raise UserError(
        f"{where} is {value!r}, which cannot be stored with the run; write it as a named function "
        "or a dataclass in a module."
    )


def from_json(stored: Any, trust_code: Trust = False, where: str = "config") -> Any:
    """The config that `to_json` stored. Only names within imgtrans_jax are looked up, so that a
    stranger's run cannot make this program execute code; `trust_code` allows others, all or some
    (`names_in` a config that is in use anyway).

    Every value must be of its field's type; what the texts among them name is not opened here, see
    `named_outside`. Raises UserError for anything else.
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
    unknown = set(fields) - {f.name for f in _fields(found)}
    if unknown:
        raise UserError(
            "The stored config has fields that this version does not know: "
            f"{', '.join(sorted(unknown))}."
        )
    hints, values = typing.get_type_hints(found), {}
    for key, item in fields.items():
        values[key] = value = from_json(item, trust_code, f"{where}.{key}")
        if not _fits(value, hints.get(key, Any)):
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


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value may stand in a field of this type, as far as that can be told without using
    it.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, choice) for choice in args)
    if origin is Literal:
        return value in args
    if origin is tuple:
        kinds = (
            [args[0]] * len(value)
            if isinstance(value, tuple) and args[-1] is Ellipsis
            else list(args)
        )
        return (
            isinstance(value, tuple) and len(value) == len(kinds) and all(map(_fits, value, kinds))
        )
    if hint in (int, float):
        return type(value) in (int, float) and (hint is float or value == value // 1)
    if hint in (bool, str, type(None)):
        return type(value) is hint
    if inspect.isclass(hint):
        with contextlib.suppress(TypeError):  # a protocol that cannot be asked for
            return isinstance(value, hint)
    return not isinstance(value, (bool, int, float, str, tuple, type(None))) or hint is Any


def named_outside(value: Any, where: str = "config") -> dict[str, str]:
    """What a config would open of the world outside: {"config.data.a": "/home/me/photos"}, the
    texts of fields that are marked by `Opens`, without those that lead nowhere.
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
    for field in _fields(value):
        item, name = getattr(value, field.name), f"{where}.{field.name}"
        mark = _marked(hints.get(field.name))
        if isinstance(item, str):
            if mark and item and not re.fullmatch(mark.harmless, item):
                found[name] = item
        else:
            found |= named_outside(item, name)
    return found


def _marked(hint: Any) -> Opens | None:
    """The mark of a type, or of one of those that it is a union of."""
    if typing.get_origin(hint) is Annotated:
        return next((mark for mark in typing.get_args(hint)[1:] if isinstance(mark, Opens)), None)
    return next(filter(None, map(_marked, typing.get_args(hint))), None)


def _plain(hint: Any) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint


def differences(old: Any, new: Any, where: str = "config") -> list[str]:
    """One line for each field in which two stored configs differ, such as
    `config.batch_size: 1 -> 4`.
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
    kind = stored.get("type")
    renamed = _RENAMED_FIELDS.get(kind, {}) if isinstance(kind, str) else {}
    return {renamed.get(key, key): item for key, item in stored.items()}


def _public(name: Any) -> Any:
    """The public name of what an older run stored as `imgtrans_jax.module:Name`."""
    if not isinstance(name, str) or not (_is_own(name.partition(":")[0]) or name in _RENAMED):
        return name
    return _RENAMED.get(name, name.rpartition(":")[2])


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


def _fields(config: Any) -> list[dataclasses.Field[Any]]:
    own = (
        ("parent", "name")
        if isinstance(config, nn.Module)
        or (isinstance(config, type) and issubclass(config, nn.Module))
        else ()
    )
    return [f for f in dataclasses.fields(config) if f.init and f.name not in own]


def _name_of(value: Any) -> str | None:
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
    if _is_own(module):
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


def _look_up(name: Any, trust_code: Trust, home: str) -> Any:
    if not isinstance(name, str) or not name:
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
            "unasked; if you trust it, add --trust_code, which stylize.py, evaluate, compare and "
            "convert know."
        )
    try:
        return getattr(_imported(module, home), attribute)
    except Exception as error:  # what importing somebody's module can bring about
        before = f"it was in {home}; if that has moved, s" if home else "S"
        raise UserError(
            f"The run was made with {name}, which cannot be imported here ({type(error).__name__}: "
            f"{error}): {before}et PYTHONPATH to the folder that holds {module.split('.')[0]}, and "
            "run the same command again."
        ) from None


def _imported(module: str, home: str) -> types.ModuleType:
    """A module, looked for behind all others in the folder where it was."""
    if not home or module in sys.modules:
        return importlib.import_module(module)
    sys.path.append(home)
    try:
        return importlib.import_module(module)
    finally:
        sys.path.remove(home)


def _is_own(module: str) -> bool:
    """Whether a module is imgtrans_jax's, which a config of its own, to be changed, is not."""
    return module.split(".")[0] == "imgtrans_jax" and not module.startswith("imgtrans_jax.configs")
