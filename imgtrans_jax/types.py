"""Array aliases, value ranges and the one exception that a user is meant to read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, TypeAlias

import jax
from jaxtyping import Array, Float, Key, PyTree

# Shapes are checked by the tests alone (tests/conftest.py). A letter that occurs twice in one
# signature is one number there; so two of these aliases in a signature are of one shape.

SignedImages: TypeAlias = Float[Array, "n h w c"]
"""float32 in [-1, 1]: what generators and critics see."""

UnitImages: TypeAlias = Float[Array, "n h w c"]
"""float32 sRGB in [0, 1]: what feature networks and metrics see."""

Logits: TypeAlias = Float[Array, "n ..."]
"""float32, one per patch, mostly (N, h, w, 1); unbounded."""

Maps: TypeAlias = Float[Array, "n h w c"]
"""A batch of pictures, or of what a layer makes of them."""

Scalar: TypeAlias = Float[Array, ""]
"""One number, float32 or wider."""

RandomKey: TypeAlias = Key[Array, ""]
"""What jax.random.key makes."""

Terms: TypeAlias = dict[str, Scalar]
"""Named loss terms, each already weighted."""

Objective: TypeAlias = Callable[..., Terms]
Named: TypeAlias = Mapping[str, jax.Array]

Params: TypeAlias = PyTree
"""A network's parameters, arrays in nested dicts; {} for none."""

BatchStats: TypeAlias = PyTree
"""The running statistics of a network's batch norms, in nested dicts; {} without any."""

OptState: TypeAlias = PyTree
"""What an optimizer keeps of a network."""

Variables: TypeAlias = Mapping[str, PyTree]
"""What a module is applied with: {"params": its parameters}."""

Frozen: TypeAlias = PyTree
"""Weights that objectives use and nobody trains; None for none."""

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
