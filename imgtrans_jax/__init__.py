"""Image-to-image translation in JAX and Flax.

    import imgtrans_jax as it

    it.load("runs/quickstart")(image)           # a trained network as a function of pictures
    it.transfer("photo.jpg", "painting.jpg")    # neural style transfer
    it.dream("photo.jpg")                       # Deep Dream
    it.train(it.config.load("quickstart"), "runs/mine")
    it.evaluate("runs/mine")

What is named here is imported when it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Experiment": "config",
    "UserError": "types",
    "dream": "api",
    "evaluate": "api",
    "generate": "api",
    "load": "api",
    "train": "training.loop",
    "transfer": "api",
}
_PACKAGES = ("config", "data", "losses", "methods", "metrics", "models", "optim", "style")

__all__ = [
    "Experiment",
    "UserError",
    "config",
    "data",
    "dream",
    "evaluate",
    "generate",
    "load",
    "losses",
    "methods",
    "metrics",
    "models",
    "optim",
    "style",
    "train",
    "transfer",
]

if TYPE_CHECKING:
    from imgtrans_jax import config, data, losses, methods, metrics, models, optim, style
    from imgtrans_jax.api import dream, evaluate, generate, load, transfer
    from imgtrans_jax.config import Experiment
    from imgtrans_jax.training.loop import train
    from imgtrans_jax.types import UserError


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f"imgtrans_jax.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    if name in _PACKAGES:
        return importlib.import_module(f"imgtrans_jax.{name}")
    raise AttributeError(f"module 'imgtrans_jax' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
