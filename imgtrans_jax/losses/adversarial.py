"""Adversarial losses by name, each from logits (N, h, w, 1) to a () mean over batch and patches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from imgtrans_jax.types import Logits


@dataclasses.dataclass(frozen=True)
class GanLoss:
    """The three pieces of a two-player loss, all to be minimised.

    real: the critic's loss on real images. fake: the critic's loss on generated ones. fool: the generator's loss.
    """

    real: Callable[[Logits], jax.Array]
    fake: Callable[[Logits], jax.Array]
    fool: Callable[[Logits], jax.Array]


def _wide(logits: Logits) -> jax.Array:
    return logits.astype(jnp.promote_types(logits.dtype, jnp.float32))


def squared_to_one(logits: Logits) -> jax.Array:
    """E (D - 1)^2."""
    return jnp.mean(jnp.square(_wide(logits) - 1))


def squared_to_zero(logits: Logits) -> jax.Array:
    """E D^2."""
    return jnp.mean(jnp.square(_wide(logits)))


def log_real(logits: Logits) -> jax.Array:
    """-E log sigmoid(z), written as softplus(-z): finite for any finite z."""
    return jnp.mean(jax.nn.softplus(-_wide(logits)))


def log_fake(logits: Logits) -> jax.Array:
    """-E log(1 - sigmoid(z)), written as softplus(z)."""
    return jnp.mean(jax.nn.softplus(_wide(logits)))


def hinge_real(logits: Logits) -> jax.Array:
    """E max(0, 1 - D)."""
    return jnp.mean(jax.nn.relu(1 - _wide(logits)))


def hinge_fake(logits: Logits) -> jax.Array:
    """E max(0, 1 + D)."""
    return jnp.mean(jax.nn.relu(1 + _wide(logits)))


def minus_mean(logits: Logits) -> jax.Array:
    """-E D."""
    return -jnp.mean(_wide(logits))


lsgan = GanLoss(squared_to_one, squared_to_zero, squared_to_one)
"""Least squares (Mao et al. 2017), CycleGAN's choice (Zhu et al. 2017, section 4)."""

vanilla = GanLoss(log_real, log_fake, log_real)
"""Goodfellow et al. 2014, with the non-saturating generator loss of its section 3."""

hinge = GanLoss(hinge_real, hinge_fake, minus_mean)
"""Lim and Ye 2017."""
