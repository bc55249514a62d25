"""What a stored config names outside its run, such as folders of pictures: opened where the user
has named it himself.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.config.stored import named_outside
from imgtrans_jax.data.datasets import OpenedDataset
from imgtrans_jax.io.files import cache_folder
from imgtrans_jax.types import UserError

_OWN = "own_paths.txt"
"""In the cache folder: what this user's trainings have opened, a line each."""


def remember(experiment: Experiment) -> None:
    """Notes what a config that the user wrote himself names, so that later programs open it for his
    runs without a question. Where nothing can be noted they ask.
    """
    new = set(map(_line, named_outside(experiment).values())) - _own()
    with contextlib.suppress(OSError):
        cache_folder().mkdir(parents=True, exist_ok=True)
        with (cache_folder() / _OWN).open("a", encoding="utf-8", errors="surrogateescape") as file:
            file.writelines(f"{line}\n" for line in sorted(new))


def opened(
    experiment: Experiment,
    trust_paths: bool = False,
    given: Collection[str] = (),
    instead: str = "name your own with `config.data.…=…`",
) -> OpenedDataset:
    """The pictures of a stored experiment.

    Args:
        experiment: Whose data are opened.
        trust_paths: Opens whatever the config names.
        given: The fields, such as `data.a`, that the user has set on the command line.
        instead: The other way out, for the error's sentence.

    Returns:
        The opened pictures.

    Raises:
        UserError: If the config names a folder, a file or a data set of others that neither the
            user of this command nor a training of his has named, and `trust_paths` is not set; or
            if the pictures cannot be used.
    """
    own = _own()
    strange = {
        name: text
        for name, text in named_outside(experiment.data, "data").items()
        if name not in given and _line(text) not in own
    }
    if strange and not trust_paths:
        named = ", ".join(f"config.{name}={text}" for name, text in strange.items())
        raise UserError(
            f"The run's config names {named[:1000]}, which no training of yours here has used, "
            f"and which is not opened unasked: add `trust_paths` if it may be, or {instead}."
        )
    return experiment.data.open()


def _own() -> set[str]:
    try:
        return set(
            (cache_folder() / _OWN)
            .read_text(encoding="utf-8", errors="surrogateescape")
            .splitlines()
        )
    except OSError:
        return set()


def _line(text: str) -> str:
    return repr(os.path.abspath(Path(text).expanduser()))[1:-1]
