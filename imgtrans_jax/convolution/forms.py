"""Which form of convolution is wanted: set by hand, or by the platform. Imports
runtime."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

import jax

from imgtrans_jax.runtime.target import platform
from imgtrans_jax.types import UserError

Form: TypeAlias = Literal["auto", "direct", "plain"]

form = jax.make_user_context("")
"""`with form("plain"):` sets how convolutions are computed in programs that are traced inside; the
environment variable IMGTRANS_CONVOLUTIONS, as it is then, sets it for all others. plain: lax's own.
direct: lax's convolutions in shapes that are fast, whose programs tell how far a pixel sees. auto:
the fastest that is known for the platform.
"""


def check_form() -> Form:
    """The form that is set. Raises UserError if there is no such."""
    wanted = form.value or os.environ.get("IMGTRANS_CONVOLUTIONS", "auto")
    if wanted not in get_args(Form):
        names = ", ".join(get_args(Form))
        raise UserError(
            f"There is no form of convolution '{wanted}' (IMGTRANS_CONVOLUTIONS); use one of "
            f"{names}."
        )
    return cast("Form", wanted)


def current_form() -> Form | Literal["gpu", "tpu"]:
    """What `form` and the platform make of it together."""
    chosen, wanted = check_form(), platform()
    if wanted == "cpu":
        return chosen
    return cast("Literal['gpu', 'tpu']", wanted) if chosen == "auto" else "plain"


@functools.cache
def has_wide_vectors() -> bool:
    """Whether programs for the CPU are compiled for AVX-512."""
    if "xla_cpu_max_isa=AVX2" in os.environ.get("XLA_FLAGS", ""):
        return False
    try:
        return " avx512f " in Path("/proc/cpuinfo").read_text()
    except OSError:  # no Linux
        return False
