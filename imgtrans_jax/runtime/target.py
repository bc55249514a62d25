"""The platform that programs are compiled for. Imports nothing of this package."""

from __future__ import annotations

import jax

target = jax.make_user_context("")
"""`with target("tpu"):` programs that are traced inside take the forms that suit that platform,
`cpu`, `gpu` or `tpu`, wherever they are compiled; else those that suit the devices at hand.
"""


def platform() -> str:
    """`cpu`, `gpu` or `tpu`: what a program that is traced now is for."""
    return target.value or jax.default_backend()
