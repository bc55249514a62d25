"""Style as the Gaussian that features are drawn from, and how far apart two of them are. Imports
`style`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from imgtrans_jax.losses.style import StyleLoss, gram, style_relative
from imgtrans_jax.types import Maps, Scalar


def gaussian(
    features: Maps, mask: Float[Array, "... h w 1"] | None = None
) -> Float[Array, "n c+1 c+1"]:
    """The Gaussian of features: covariance S, mean m and number M of positions, as one matrix

        M S    M m
        M m'   M

    which is summed, scaled and mixed as a Gram matrix is. In two passes: S is never negative, as
    the difference of mean products can be by rounding.

    Args:
        features: F, (N, h, w, C).
        mask: As for `gram`.

    Returns:
        (N, C + 1, C + 1).
    """
    wide = features.astype(jnp.promote_types(features.dtype, jnp.float32))
    counted = jnp.ones_like(wide[..., :1]) if mask is None else mask + 0 * wide[..., :1]
    count = jnp.sum(counted, axis=(1, 2), keepdims=True)
    mean = jnp.sum(counted * wide, axis=(1, 2), keepdims=True) / jnp.maximum(count, 1e-3)
    products, column = gram(wide - mean, mask), jnp.swapaxes((count * mean)[:, 0], 1, 2)
    below = jnp.concatenate([jnp.swapaxes(column, 1, 2), count[:, 0]], axis=2)
    return jnp.concatenate([jnp.concatenate([products, column], axis=2), below], axis=1)


def _scales(smallest: float) -> tuple[float, ...]:
    """The factors of a scaled iteration that brings roots in [smallest, 1] to 1 as soon as can be:
    12 turns where the plain one takes 24 (Chen and Chow 2014).
    """
    scales: list[float] = []
    while smallest < 1 - 1e-6:
        scales.append((3 / (1 + smallest + smallest**2)) ** 0.5)
        smallest *= scales[-1] * (3 - (scales[-1] * smallest) ** 2) / 2
    return tuple(scales)


_SCALES = _scales(3e-4)  # less leaves a distance and a gradient where two Gaussians are one


def _roots(a: Float[Array, "n c c"]) -> tuple[Float[Array, "n c c"], Float[Array, "n c c"]]:
    """The square roots of symmetric positive matrices and their inverses, by Newton and Schulz's
    iteration (Higham 2008, equation 6.35), whose products suit a GPU or TPU as an eigenvalue
    decomposition does not.
    """
    norm = _frobenius(a)
    eye = jnp.eye(a.shape[-1], dtype=a.dtype)

    def turn(pair: tuple[jax.Array, jax.Array], scale: jax.Array) -> tuple[Any, None]:
        y, z = pair
        t = scale * (3 * eye - scale**2 * _product(z, y)) / 2
        return (_product(y, t), _product(t, z)), None

    start = a / norm, jnp.broadcast_to(eye, a.shape)
    (y, z), _ = jax.lax.scan(turn, start, jnp.asarray(_SCALES, a.dtype))
    return y * jnp.sqrt(norm), z / jnp.sqrt(norm)


@jax.custom_vjp
def trace_of_root(a: Float[Array, "n c c"]) -> Float[Array, " n"]:
    """tr a^1/2 of symmetric positive matrices. Its gradient, a^-1/2 / 2, comes out of the iteration
    for the root.

    Args:
        a: (N, C, C).

    Returns:
        (N,).
    """
    return _traced(a)[0]


def _traced(a: jax.Array) -> tuple[jax.Array, jax.Array]:
    root, inverse = _roots(a)
    return jnp.trace(root, axis1=1, axis2=2), inverse


def _trace_backward(inverse: jax.Array, cotangent: jax.Array) -> tuple[jax.Array]:
    return (cotangent[:, None, None] * inverse / 2,)


trace_of_root.defvjp(_traced, _trace_backward)


def _frobenius(a: Float[Array, "n c c"]) -> Float[Array, "n 1 1"]:
    """The norm of each matrix, above 0; without overflow, which squares of squares are near."""
    tiny = jnp.finfo(a.dtype).tiny
    largest = jnp.maximum(jnp.max(jnp.abs(a), axis=(1, 2), keepdims=True), tiny**0.5)
    squares = jnp.sum(jnp.square(a / largest), axis=(1, 2), keepdims=True)
    return largest * jnp.sqrt(jnp.maximum(squares, tiny))


def _product(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.matmul(x, y, precision=jax.lax.Precision.HIGHEST)


def style_wasserstein(
    gram: Float[Array, "n c c"], target: Float[Array, "#n c c"], positions: int
) -> Scalar:
    """The squared 2-Wasserstein distance of two Gaussians that have the features' means and
    covariances, by what it would be for no activity at all:

        |m - m'|^2 + tr(S + S' - 2 (S'^1/2 S S'^1/2)^1/2)

    (Olkin and Pukelsheim 1982; for style transfer by Crowson 2021). Other than that of Gram
    matrices it is quadratic in the features, so that its gradient neither vanishes where they are
    faint nor explodes where they are strong.

    Args:
        gram: Gaussians (N, C + 1, C + 1), see `gaussian`.
        target: Those wanted, as `rooted` makes them, (N, C + 1, C + 1) or (1, C + 1, C + 1).
        positions: Without effect here: these matrices have their own count.

    Returns:
        () from 0, the mean over the N images.

    Raises:
        ValueError: For different numbers of channels.
    """
    _check_alike(gram, target)
    (mean, covariance), (mean_of, root) = map(_moments, (gram, target))
    spread_of, channels = jnp.sum(jnp.square(root), axis=(1, 2)), mean.shape[-1]
    # the target's, by what it has added to its spread
    ridge = _RIDGE + _SHARE * jnp.maximum(spread_of / channels - _RIDGE, 0) / (1 + _SHARE)
    covariance = covariance + ridge[:, None, None] * jnp.eye(channels, dtype=mean.dtype)
    common = trace_of_root(_product(_product(root, covariance), root))
    spread = jnp.trace(covariance, axis1=1, axis2=2)
    apart = jnp.sum(jnp.square(mean - mean_of), axis=1) + spread + spread_of - 2 * common
    return jnp.mean(apart / (jnp.sum(jnp.square(mean_of), axis=1) + spread_of))


def style_moments(
    gram: Float[Array, "n c c"], target: Float[Array, "#n c c"], positions: int
) -> Scalar:
    """`style_wasserstein` plus `style_relative` of the Gram matrices that the Gaussians imply. The
    first sees faint features as it sees strong ones, which leaves no specks on what is flat; the
    second brings the strong ones, a painting's motifs, nearer in as many steps.

    With fewer positions than channels it is the second alone: a covariance has no full rank then,
    and to be as near as it can be to one that has is no aim.

    Args:
        gram: As for `style_wasserstein`.
        target: As for `style_wasserstein`.
        positions: h times w of the features.

    Returns:
        () from 0, the mean over the N images: 2, or with few positions 1, for no activity at all.

    Raises:
        ValueError: For different numbers of channels.
    """
    _check_alike(gram, target)
    (mean, covariance), (mean_of, root) = map(_moments, (gram, target))
    found = covariance + mean[:, :, None] * mean[:, None]
    wanted = _product(root, root) + mean_of[:, :, None] * mean_of[:, None]
    grams = style_relative(found, wanted, positions)
    if positions < mean.shape[-1]:
        return grams
    return style_wasserstein(gram, target, positions) + grams


def _check_alike(gram: jax.Array, target: jax.Array) -> None:
    if gram.shape[1:] != target.shape[1:]:
        raise ValueError(
            f"Matrices of one shape are compared; these are {gram.shape} and {target.shape}."
        )


# Added to both covariances: a small variance, and a share of the target's mean one. It keeps them
# from being so ill-conditioned that the iteration for the root does not come to its end.
_RIDGE, _SHARE = 1e-4, 1e-3


def rooted(gaussian: Float[Array, "n k k"]) -> Float[Array, "n k k"]:
    """`gaussian`'s matrices with the root of the covariance in its place: what `style_wasserstein`
    wants of its target, made once instead of in every step.

    Args:
        gaussian: (N, C + 1, C + 1).

    Returns:
        (N, C + 1, C + 1).
    """
    mean, covariance = _moments(gaussian)
    count = gaussian[:, -1:, -1:]
    channels = mean.shape[-1]
    ridge = _RIDGE + _SHARE * jnp.trace(covariance, axis1=1, axis2=2) / channels
    eye = jnp.eye(channels, dtype=mean.dtype)
    root, _ = _roots(covariance + ridge[:, None, None] * eye)
    return gaussian.at[:, :-1, :-1].set(count * root)


def _moments(
    gaussian: Float[Array, "n k k"],
) -> tuple[Float[Array, "n k-1"], Float[Array, "n k-1 k-1"]]:
    """Of `gaussian`'s matrices the mean (N, C) and the covariance (N, C, C)."""
    wide = gaussian.astype(jnp.promote_types(gaussian.dtype, jnp.float32))
    scaled = wide / jnp.maximum(wide[:, -1:, -1:], 1e-3)
    return scaled[:, -1, :-1], scaled[:, :-1, :-1]


class Statistic(NamedTuple):
    """What a style loss compares.

    Attributes:
        of: (features, mask) -> the matrices of an image.
        target: The mean matrices that are wanted -> as the loss takes them.
    """

    of: Callable[..., jax.Array]
    target: Callable[[jax.Array], jax.Array]


def statistic(style_loss: StyleLoss) -> Statistic:
    """`gaussian` for `style_wasserstein` and `style_moments`, else `gram`."""
    if style_loss in (style_wasserstein, style_moments):
        return Statistic(gaussian, rooted)
    return Statistic(gram, lambda mean: mean)
