"""Losses on the features of a network, (N, h, w, C), and on images: Gatys et al. 2016 and what grew
from it.

Each gives a () mean over the N images, in float32 or wider, whatever the type of the features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from imgtrans_jax.types import Maps, Scalar, UnitImages

StyleLoss: TypeAlias = Callable[[jax.Array, jax.Array, int], jax.Array]
"""(statistic of the image, statistic wanted, positions) -> ()."""


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
    weighted = features if mask is None else features * mask.astype(features.dtype)
    left, right = (x.reshape(n, height * width, channels) for x in (weighted, features))
    return jnp.einsum(
        "nki,nkj->nij",
        left,
        right,
        precision=jax.lax.Precision.HIGHEST,
        preferred_element_type=jnp.promote_types(features.dtype, jnp.float32),
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
    (wide,) = _wide(features)
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
    (wide,) = _wide(gaussian)
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
