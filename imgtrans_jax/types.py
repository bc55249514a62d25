"""Array aliases, value ranges and the one exception that a user is meant to read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeAlias

import jax

SignedImages: TypeAlias = jax.Array
"""(N, H, W, C) float32 in [-1, 1]: what generators and critics see."""

UnitImages: TypeAlias = jax.Array
"""(N, H, W, C) float32 sRGB in [0, 1]: what feature networks and metrics see."""

Logits: TypeAlias = jax.Array
"""(N, h, w, 1) float32, one per patch; unbounded."""

Terms: TypeAlias = dict[str, jax.Array]
"""Named loss terms, each a () float32 that is already weighted."""

Objective: TypeAlias = Callable[..., Terms]
Named: TypeAlias = Mapping[str, jax.Array]
Params: TypeAlias = Any
Direction: TypeAlias = Literal["a2b", "b2a"]
Dtype: TypeAlias = Literal["float32", "bfloat16"]


@dataclasses.dataclass(frozen=True)
class Opens:
    """Marks a config's text that names something outside the program, which is then opened: a
    folder, a file, a data set. Such a text of somebody else's run is not followed unasked.
    harmless: the texts, a regular expression, that lead nowhere.
    """

    harmless: str = ""


PathText: TypeAlias = Annotated[str, Opens()]
"""The path of a file or folder; `~` at its start is the user's own."""

Weights: TypeAlias = Annotated[str, Opens("embedded|vgg16|vgg19|inception")]
"""Trained weights by name, or the path of a file of them."""

DataSet: TypeAlias = Annotated[str, Opens(r"\w+(/[\w.+-]+)?")]
"""The name of a data set, with its config; one with ':' or '=' is of a community, or names a
folder.
"""


class UserError(Exception):
    """A mistake that the user can mend. The message is one sentence that says how; the scripts
    print it and exit with `code`.
    """

    code = 2
