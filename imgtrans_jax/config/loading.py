"""Loads a config file: what its `get_config()` returns. Imports nothing here but `experiment`."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.config.overrides import check_types
from imgtrans_jax.types import UserError


def shipped() -> dict[str, Path]:
    """The configs that come with the package, by their names."""
    spec = importlib.util.find_spec("imgtrans_jax.configs")
    folders = spec.submodule_search_locations if spec else None
    files = [file for folder in folders or () for file in Path(folder).glob("[a-z]*.py")]
    return {file.stem: file for file in sorted(files)}


def found(path: str) -> Path:
    """The file that a path, or the name of a shipped config, means.

    Raises:
        UserError: If there is none.
    """
    file, known = Path(path).expanduser(), shipped()
    own = file if file.suffix == ".py" else Path(f"{file}.py")
    if own.is_file():
        return own
    name = own.stem
    if name in known and path in (name, f"{name}.py", f"configs/{name}", f"configs/{name}.py"):
        return known[name]
    if file.is_file():
        raise UserError(f"The config {path} is no Python file; its name must end in .py.")
    near = difflib.get_close_matches(name, known, 3, 0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "imgtrans configs lists what there is."
    raise UserError(f"There is no config file {path}; {hint}")


def load(path: str, *kinds: type) -> Any:
    """What `get_config()` of a Python file, or of a shipped config by its name, returns.

    The file is code and is run: load only files that you trust.

    Args:
        path: Of the file, or the name of a shipped config.
        *kinds: Types that it may be of; Experiment if none is given.

    Returns:
        An instance of one of `kinds`.

    Raises:
        UserError: If there is no such file, if it does not run, or if it returns anything else,
            or a config of which a field is not of its type.
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
    check_types(experiment)
    return experiment


def _executed(file: Path, path: str) -> Any:
    """What get_config() of a file returns."""
    if file == shipped().get(file.stem):
        return importlib.import_module(f"imgtrans_jax.configs.{file.stem}").get_config()
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # So that what it defines is found by its name when the run is stored; a config that was loaded
    # before makes room, any other module does not.
    if file.stem not in sys.modules or hasattr(sys.modules[file.stem], "get_config"):
        sys.modules[file.stem] = module
    # So that a config can use what lies beside it, wherever the program was started; behind all
    # others, so that it hides no module of Python.
    folders = [str(file.resolve().parent), str(file.resolve().parent.parent)]
    sys.path += folders
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
            sys.path.reverse()  # the last of that name
            sys.path.remove(folder)
            sys.path.reverse()
