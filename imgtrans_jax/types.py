"""Array aliases, value ranges and the one exception that a user is meant to read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

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


class UserError(Exception):
    """A mistake that the user can mend. The message is one sentence that says how; the scripts print it and exit with
    `code`."""

    code = 2
