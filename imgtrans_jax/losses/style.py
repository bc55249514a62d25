"""Losses on the features of a network, (N, h, w, C), and on images: Gatys et al. 2016 and what grew
from it.

Each gives a () mean over the N images, in float32 or wider, whatever the type of the features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from imgtrans_jax.types import Maps, Scalar, UnitImages

StyleLoss: TypeAlias = Callable[[jax.Array, jax.Array, int], jax.Array]
"""(statistic of the image, statistic wanted, positions) -> ()."""

_PLACES = 2500  # whose likeness to each other is looked at: a matrix of 25 MB
_TINY = 1e-6


def _wide(*arrays: jax.Array) -> tuple[jax.Array, ...]:
    dtype = jnp.result_type(jnp.float32, *arrays)
    return tuple(x.astype(dtype) for x in arrays)


def _squares(x: Float[Array, " n *rest"], y: Float[Array, "#n *rest"]) -> Float[Array, " n"]:
    """Sum of squared differences for each of N entries; y may have one entry for all."""
    if x.shape[1:] != y.shape[1:]:
        raise ValueError(f"Features of one shape are compared; these are {x.shape} and {y.shape}.")
    x, y = _wide(x, y)
    return jnp.sum(jnp.square(x - y), axis=tuple(range(1, x.ndim)))


# ------------------------------------------------------------------------------------------ content


def content_sum(features: Maps, target: Float[Array, "#n h w c"]) -> Scalar:
    """Sum over (F - P)^2.

    Args:
        features: F, (N, h, w, C).
        target: P, (N, h, w, C), or (1, h, w, C) for all.

    Returns:
        () from 0, the mean over the N images.

    Raises:
        ValueError: For features of different shapes.
    """
    return jnp.mean(_squares(features, target))


def content_half(features: Maps, target: Float[Array, "#n h w c"]) -> Scalar:
    """1/2 sum over (F - P)^2 (Gatys et al. 2016, equation 1).

    Its gradient by the features before the rectification is F - P where F > 0 and 0 elsewhere
    (equation 2).

    Args:
        features: F, (N, h, w, C).
        target: P, (N, h, w, C), or (1, h, w, C) for all.

    Returns:
        () from 0, the mean over the N images.

    Raises:
        ValueError: For features of different shapes.
    """
    return 0.5 * jnp.mean(_squares(features, target))


def content_mean(features: Maps, target: Float[Array, "#n h w c"]) -> Scalar:
    """Mean over (F - P)^2.

    Args:
        features: F, (N, h, w, C).
        target: P, (N, h, w, C), or (1, h, w, C) for all.

    Returns:
        () from 0.

    Raises:
        ValueError: For features of different shapes.
    """
    return jnp.mean(_squares(features, target)) / features[0].size


def content_relative(features: Maps, target: Float[Array, "#n h w c"]) -> Scalar:
    """Sum over (F - P)^2 by sum over P^2.

    Args:
        features: F, (N, h, w, C).
        target: P, (N, h, w, C), or (1, h, w, C) for all.

    Returns:
        () from 0, the mean over the N images: 1 for features that are all 0, whatever the layer,
        the network and the size.

    Raises:
        ValueError: For features of different shapes.
    """
    (wide,) = _wide(target)
    power = jnp.sum(jnp.square(wide), axis=tuple(range(1, wide.ndim)))
    return jnp.mean(_squares(features, target) / jnp.maximum(power, jnp.finfo(wide.dtype).tiny))


def content_similar(features: Maps, target: Float[Array, "#n h w c"]) -> Scalar:
    """`content_relative`, and how much another relation the places of an image have to each other:
    its self-similarity (Kolkin, Salavon and Shakhnarovich 2019, arXiv 1904.12785, section 2.3),
    which leaves colours and strokes free and keeps what makes a face a face.

        mean over places j of sum over places i of |D_ij / sum_i D_ij - E_ij / sum_i E_ij|

    D_ij is 1 minus the cosine between F_i and F_j, E_ij the same of P.

    Args:
        features: F, (N, h, w, C). Of more than 2,500 places every second, third, … of a row and of
            a column is taken for the second part.
        target: P, (N, h, w, C), or (1, h, w, C) for all.

    Returns:
        () from 0, the mean over the N images.

    Raises:
        ValueError: For features of different shapes.
    """
    relative = content_relative(features, target)
    apart = jnp.abs(_unlikeness(features) - _unlikeness(target))
    return relative + jnp.mean(jnp.sum(apart, axis=1))


def _unlikeness(features: Maps) -> Float[Array, "n places places"]:
    """1 minus the cosine of every two places, divided by the sum of its column."""
    (wide,) = _wide(features)
    stride = math.ceil(math.sqrt(wide.shape[1] * wide.shape[2] / _PLACES))
    wide = wide[:, ::stride, ::stride]
    wide = wide.reshape(wide.shape[0], -1, wide.shape[-1])
    wide *= jax.lax.rsqrt(jnp.sum(jnp.square(wide), axis=-1, keepdims=True) + _TINY)
    apart = 1 - jnp.einsum("npc,nqc->npq", wide, wide, precision=jax.lax.Precision.HIGHEST)
    return apart / (jnp.sum(apart, axis=1, keepdims=True) + _TINY)


# -------------------------------------------------------------------------------------------- style


def gram(features: Maps, mask: Float[Array, "... h w 1"] | None = None) -> Float[Array, "n c c"]:
    """G_ij = sum over positions k of F_ik F_jk (Gatys et al. 2016, equation 3).

    G_ii is how active filter i is, G_ij how often i and j are active at one place. The sums are
    float32 at least, of full precision also where products would be rounded to bfloat16 or tf32.

    Args:
        features: F, (N, h, w, C).
        mask: (h, w, 1) or (N, h, w, 1) in [0, 1], how much each position counts (Gatys et al. 2017,
            equation 4, with the mask inside the sum). None: all count fully.

    Returns:
        (N, C, C).
    """
    n, height, width, channels = features.shape
    if mask is not None:
        features = features * jnp.sqrt(mask).astype(features.dtype)
    return _gram(features.reshape(n, height * width, channels))


@jax.custom_jvp
def _gram(x: jax.Array) -> jax.Array:
    return _products(x, x)


@_gram.defjvp
def _gram_derivative(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """Of both factors at once, so that its transpose is one product: a gradient takes a third of
    the time.
    """
    (x,), (change,) = primals, tangents
    half = _products(change, x)
    return _gram(x), half + jnp.swapaxes(half, 1, 2)


def _products(left: jax.Array, right: jax.Array) -> jax.Array:
    return jnp.einsum(
        "nki,nkj->nij",
        left,
        right,
        precision=jax.lax.Precision.HIGHEST,
        preferred_element_type=jnp.promote_types(right.dtype, jnp.float32),
    )


def positions(features: Maps) -> int:
    """h * w of (N, h, w, C)."""
    return features.shape[1] * features.shape[2]


def style_raw(
    gram: Float[Array, "n c c"], target: Float[Array, "#n c c"], positions: int
) -> Scalar:
    """Sum over (G - A)^2.

    Args:
        gram: G, Gram matrices (N, C, C).
        target: A, (N, C, C) or (1, C, C) for all, over equally many positions.
        positions: Without effect here; all style losses are called alike.

    Returns:
        () from 0, the mean over the N images.

    Raises:
        ValueError: For different numbers of channels.
    """
    return jnp.mean(_squares(gram, target))


def style_normalized(
    gram: Float[Array, "n c c"], target: Float[Array, "#n c c"], positions: int
) -> Scalar:
    """1 / (4 C^2 M^2) sum over (G - A)^2, M positions (Gatys et al. 2016, equation 4).

    Args:
        gram: G, Gram matrices (N, C, C).
        target: A, (N, C, C) or (1, C, C) for all, over equally many positions.
        positions: M, h times w of the features.

    Returns:
        () from 0, the mean over the N images.

    Raises:
        ValueError: For different numbers of channels.
    """
    return jnp.mean(_squares(gram, target)) / (4.0 * gram.shape[-1] ** 2 * positions**2)


def style_mean(
    gram: Float[Array, "n c c"], target: Float[Array, "#n c c"], positions: int
) -> Scalar:
    """Mean over the C^2 entries of (G / (C M) - A / (C M))^2.

    Args:
        gram: G, Gram matrices (N, C, C).
        target: A, (N, C, C) or (1, C, C) for all, over equally many positions.
        positions: M, h times w of the features.

    Returns:
        () from 0, the mean over the N images.

    Raises:
        ValueError: For different numbers of channels.
    """
    return jnp.mean(_squares(gram, target)) / (gram.shape[-1] ** 4 * float(positions) ** 2)


def style_relative(
    gram: Float[Array, "n c c"], target: Float[Array, "#n c c"], positions: int
) -> Scalar:
    """Sum over (G - A)^2 by sum over A^2.

    Args:
        gram: G, Gram matrices (N, C, C).
        target: A, (N, C, C) or (1, C, C) for all, over equally many positions.
        positions: Without effect here; all style losses are called alike.

    Returns:
        () from 0, the mean over the N images: 1 for no activity at all, whatever the layer, the
        network and the size.

    Raises:
        ValueError: For different numbers of channels.
    """
    (wide,) = _wide(target)
    power = jnp.sum(jnp.square(wide), axis=(1, 2))
    return jnp.mean(_squares(gram, target) / jnp.maximum(power, jnp.finfo(wide.dtype).tiny))


# ------------------------------------------------------------------------------ lines, smoothness


def laplacian(images: UnitImages, target: UnitImages, pools: Sequence[int] = (4, 16)) -> Scalar:
    """How far the lines of images are from those of others: the squared differences of their
    Laplacians, by what there is of them in the target (the Laplacian loss of Li et al. 2017,
    relative).

    Args:
        images: (N, H, W, 3).
        target: Whose lines are wanted, (N, H, W, 3) or (1, H, W, 3) for all.
        pools: Sides of the squares over which the images are averaged before, in pixels: from
            small for fine lines to large for forms. Their losses are averaged. Those larger than a
            third of the shorter side are left out.

    Returns:
        () from 0, the mean over the N images: 1 for images without any line.

    Raises:
        ValueError: For images of different shapes, and where every pool is too large.
    """
    fits = [pool for pool in pools if 3 * pool <= min(images.shape[1:3])]
    if not fits:
        raise ValueError(f"No pool of {pools} fits three times into {images.shape[1:3]} pixels.")
    losses = []
    for pool in fits:
        found, wanted = (_second_differences(_averaged(x, pool)) for x in _wide(images, target))
        power = jnp.sum(jnp.square(wanted), axis=(1, 2, 3))
        floor = jnp.finfo(wanted.dtype).tiny
        losses.append(jnp.mean(_squares(found, wanted) / jnp.maximum(power, floor)))
    return sum(losses[1:], start=losses[0]) / len(losses)


def _averaged(images: jax.Array, side: int) -> jax.Array:
    """Over squares; what is left at the right and below is cut."""
    n, height, width, channels = images.shape
    h, w = height // side, width // side
    cut = images[:, : h * side, : w * side]
    return cut.reshape(n, h, side, w, side, channels).mean(axis=(2, 4))


def _second_differences(x: jax.Array) -> jax.Array:
    """4 times each inner pixel, less its four neighbours."""
    around = x[:, :-2, 1:-1] + x[:, 2:, 1:-1] + x[:, 1:-1, :-2] + x[:, 1:-1, 2:]
    return 4 * x[:, 1:-1, 1:-1] - around


def total_variation(images: UnitImages) -> Scalar:
    """Squared differences of neighbours, across and down, summed over pixels and channels.
    Mahendran and Vedaldi 2015, section 2.2, with beta = 2.
    """
    (x,) = _wide(images)
    across, down = jnp.square(x[:, :, 1:] - x[:, :, :-1]), jnp.square(x[:, 1:] - x[:, :-1])
    return (jnp.sum(across) + jnp.sum(down)) / x.shape[0]


def mean_variation(images: UnitImages) -> Scalar:
    """`total_variation` by the number of values of an image: the same for every size."""
    return total_variation(images) / images[0].size
