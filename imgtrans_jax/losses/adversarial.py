"""Adversarial losses by name, each from logits (N, h, w, 1) to a () mean over batch and patches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from imgtrans_jax.types import Logits, Named, RandomKey, Scalar


@dataclasses.dataclass(frozen=True)
class GanLoss:
    """The three pieces of a two-player loss, all to be minimised.

    Each takes logits (N, h, w, 1) and gives a () mean.

    Attributes:
        real: The critic's loss on real images.
        fake: The critic's loss on generated images.
        generator: The generator's loss.
    """

    real: Callable[[Logits], Scalar]
    fake: Callable[[Logits], Scalar]
    generator: Callable[[Logits], Scalar]


def _wide(values: Float[Array, " *shape"]) -> Float[Array, " *shape"]:
    return values.astype(jnp.promote_types(values.dtype, jnp.float32))


def squared_to_one(logits: Logits) -> Scalar:
    """E (D - 1)^2."""
    return jnp.mean(jnp.square(_wide(logits) - 1))


def squared_to_zero(logits: Logits) -> Scalar:
    """E D^2."""
    return jnp.mean(jnp.square(_wide(logits)))


def log_real(logits: Logits) -> Scalar:
    """-E log sigmoid(z), written as softplus(-z): finite for any finite z."""
    return jnp.mean(jax.nn.softplus(-_wide(logits)))


def log_fake(logits: Logits) -> Scalar:
    """-E log(1 - sigmoid(z)), written as softplus(z)."""
    return jnp.mean(jax.nn.softplus(_wide(logits)))


def minus_log_fake(logits: Logits) -> Scalar:
    """E log(1 - sigmoid(z)): flat where the critic is sure, which is where a generator begins."""
    return -log_fake(logits)


def hinge_real(logits: Logits) -> Scalar:
    """E max(0, 1 - D)."""
    return jnp.mean(jax.nn.relu(1 - _wide(logits)))


def hinge_fake(logits: Logits) -> Scalar:
    """E max(0, 1 + D)."""
    return jnp.mean(jax.nn.relu(1 + _wide(logits)))


def minus_mean(logits: Logits) -> Scalar:
    """-E D."""
    return -jnp.mean(_wide(logits))


def mean(logits: Logits) -> Scalar:
    """E D."""
    return jnp.mean(_wide(logits))


def gradient_penalty(
    judge: Callable[[Named], Named], real: Named, fake: Named, key: RandomKey
) -> Scalar:
    """E (||grad D(x)|| - 1)^2 at random points x between real and fake images (Gulrajani et al.
    2017, equation 3).

    Images are mixed, one mixture for an image, and the norm is over all their values. Views that
    are no images, such as labels, are conditions and stay those of `real`.

    Args:
        judge: Views -> logits, by the critics' names.
        real: Real views by name; images are (N, H, W, C).
        fake: Generated views; an image of `real` must have one of its name and shape here.
        key: Draws the mixtures, uniform in [0, 1).

    Returns:
        () from 0, averaged over the images and the critics.
    """
    images = {name: x for name, x in real.items() if x.ndim == 4}
    share = jax.random.uniform(key, (next(iter(images.values())).shape[0], 1, 1, 1))
    between = {name: share * x + (1 - share) * fake[name] for name, x in images.items()}

    def total(x: Named) -> Scalar:
        return sum(
            (jnp.sum(logits) / logits[0].size for logits in judge({**real, **x}).values()),
            start=jnp.zeros(()),
        )

    # A critic's logits depend on its own image alone, so that the gradient of the sum is each
    # image's own.
    gradients = jax.grad(total)(between)
    norms = [
        jnp.sqrt(jnp.sum(jnp.square(_wide(g)), axis=(1, 2, 3)) + 1e-12) for g in gradients.values()
    ]
    return jnp.mean(jnp.square(jnp.stack(norms) - 1))


lsgan = GanLoss(squared_to_one, squared_to_zero, squared_to_one)
"""Least squares (Mao et al. 2017), CycleGAN's choice (Zhu et al. 2017, section 4)."""

vanilla = GanLoss(log_real, log_fake, log_real)
"""Goodfellow et al. 2014, with the non-saturating generator loss of its section 3."""

saturating = GanLoss(log_real, log_fake, minus_log_fake)
"""Goodfellow et al. 2014, equation 1 as printed: the generator minimises E log(1 - D)."""

hinge = GanLoss(hinge_real, hinge_fake, minus_mean)
"""Lim and Ye 2017."""

wgan = GanLoss(minus_mean, mean, minus_mean)
"""Arjovsky et al. 2017; the critic must be kept smooth: by clipped weights, or better by
`gradient_penalty`.
"""
