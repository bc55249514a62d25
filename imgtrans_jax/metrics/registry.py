"""Which metrics there are: the `Metric` values of this folder's modules, and those that a user
adds. A new metric is one file here, or one anywhere with `add`. Imports base, and each module when
it is first asked.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from imgtrans_jax.metrics.base import CycleMetric, LabelMetric, Metric, PairMetric, SetMetric
from imgtrans_jax.types import UserError

KINDS = (PairMetric, SetMetric, CycleMetric, LabelMetric)
M = TypeVar("M", bound=Metric)

_ADDED: dict[str, Metric] = {}


def known() -> dict[str, Metric]:
    """All metrics by name: of pairs first, then of sets, of cycles, and of label maps."""
    found = (*_of_the_package(), *_ADDED.values())
    return {m.name: m for kind in KINDS for m in found if isinstance(m, kind)}


def names() -> tuple[str, ...]:
    """Those that an evaluation may choose. The scores of label maps are not among them: they come
    with colors.
    """
    return tuple(name for name, metric in known().items() if not isinstance(metric, LabelMetric))


def of_kind(kind: type[M], among: Iterable[str] | None = None) -> tuple[M, ...]:
    """The metrics of a kind.

    Args:
        kind: One of `KINDS`.
        among: Names to choose among; None for all.

    Returns:
        The metrics, in the order of `known`.
    """
    chosen = None if among is None else set(among)
    return tuple(
        metric
        for name, metric in known().items()
        if isinstance(metric, kind) and (chosen is None or name in chosen)
    )


def summaries() -> Mapping[str, str]:
    """By name: what a metric means, and which way is better."""
    return {name: metric.summary for name, metric in known().items()}


def add(metric: M) -> M:
    """Makes a metric known in this program.

    Args:
        metric: Of one of `KINDS`.

    Returns:
        The metric itself.

    Raises:
        ValueError: If another has its name, or it is of no kind.
    """
    if not isinstance(metric, KINDS):
        raise ValueError(f"{metric.name} is of none of the kinds of metrics.base.")
    if known().get(metric.name, metric) != metric:
        raise ValueError(f"There is a metric '{metric.name}' already; give yours another name.")
    _ADDED[metric.name] = metric
    return metric


def chosen(text: str) -> str:
    """The name of a metric from what a user has typed.

    Args:
        text: The name itself, or `module:NAME` of a metric of his own, which is then known. This
            runs the module's code: not for texts of others.

    Returns:
        The metric's name.

    Raises:
        UserError: If it cannot be had.
    """
    module, colon, name = text.partition(":")
    if not colon:
        return text
    sys.path.append(str(Path.cwd()))
    try:
        metric = getattr(importlib.import_module(module), name)
        if isinstance(metric, Metric):
            return add(metric).name
    except Exception as error:  # whatever somebody's module can bring about
        raise UserError(
            f"The metric {text} cannot be had ({type(error).__name__}: {error}); check its module "
            "and its name."
        ) from None
    finally:
        sys.path.pop()
    raise UserError(f"{text} is no metric: give a PairMetric, SetMetric or CycleMetric.")


@functools.cache
def _of_the_package() -> tuple[Metric, ...]:
    """The values of this folder's modules, in alphabetical order of the modules."""
    found: dict[str, Metric] = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        for value in vars(importlib.import_module(f"{__package__}.{module.name}")).values():
            if isinstance(value, Metric) and found.setdefault(value.name, value) != value:
                raise ValueError(f"There are two metrics of the name '{value.name}'.")
    return tuple(found.values())
