"""Experiments as typed values: files, overrides, the stored form, what it may open."""

from imgtrans_jax.config.experiment import Evaluation, Experiment
from imgtrans_jax.config.loading import found, load, shipped
from imgtrans_jax.config.overrides import choices, override
from imgtrans_jax.config.stored import differences, from_json, names_in, to_json

__all__ = [
    "Evaluation",
    "Experiment",
    "choices",
    "differences",
    "found",
    "from_json",
    "load",
    "names_in",
    "override",
    "shipped",
    "to_json",
]
