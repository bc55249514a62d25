"""Objectives are functions to named terms; these join and sum them."""

from __future__ import annotations

import jax.numpy as jnp

from imgtrans_jax.types import Objective, Scalar, Terms


def join(*many: Terms) -> Terms:
    """One mapping with the terms of all.

    Args:
        *many: Terms by name.

    Returns:
        All of them by name.

    Raises:
        ValueError: For a name that is defined twice.
    """
    joined: Terms = {}
    for terms in many:
        for name, value in terms.items():
            if name in joined:
                raise ValueError(f"The loss term '{name}' is defined twice; rename one of them.")
            joined[name] = value
    return joined


def plus(*objectives: Objective) -> Objective:
    """The objective whose terms are those of all `objectives`.

    Args:
        *objectives: Functions of the same arguments.

    Returns:
        A function of these arguments, which raises ValueError for a term that is defined twice.
    """

    def combined(*args, **kwargs) -> Terms:
        return join(*(objective(*args, **kwargs) for objective in objectives))

    return combined


def total(terms: Terms) -> Scalar:
    """The sum of all terms; 0 for no terms."""
    return sum(terms.values(), start=jnp.zeros(()))
