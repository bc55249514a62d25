"""Inception-v3 (Szegedy et al. 2016) up to its last pooling, as the Fréchet Inception distance uses
it (Heusel et al. 2017).

This is the network of the original TensorFlow graph of 2015 as the PyTorch port `pytorch-fid`
carries it, which differs from torchvision's: averages leave the padding out, and the last block
takes a maximum.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from imgtrans_jax.models.layers import check_batch
from imgtrans_jax.types import Maps, SignedImages, UnitImages

SIDE = 299
"""Pixels a side that the network takes."""


class Unit(nn.Module):
    """A convolution, whose batch norm has been folded into it, and a ReLU.

    Attributes:
        features: Channels of the result.
        kernel: Rows and columns of the kernel.
        stride: Of both axes, in pixels.
        padding: Rows and columns of zeros on either side.
    """

    features: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: tuple[int, int] = (0, 0)

    @nn.compact
    def __call__(self, x: Maps) -> Float[Array, "n _ _ _"]:
        pad = [(p, p) for p in self.padding]
        return nn.relu(
            nn.Conv(self.features, self.kernel, self.stride, pad, precision="highest", name="conv")(
                x
            )
        )


def _square(features: int, side: int, stride: int = 1, padding: int = 0, name: str = "") -> Unit:
    return Unit(features, (side, side), stride, (padding, padding), name=name)


def _wide(features: int, name: str) -> Unit:
    return Unit(features, (1, 7), padding=(0, 3), name=name)


def _high(features: int, name: str) -> Unit:
    return Unit(features, (7, 1), padding=(3, 0), name=name)


def _average(x: Maps) -> Float[Array, "n _ _ c"]:
    """3x3 means of what lies within the map."""
    return nn.avg_pool(x, (3, 3), (1, 1), "SAME", count_include_pad=False)


def _reduced(x: Maps) -> Float[Array, "n _ _ c"]:
    return nn.max_pool(x, (3, 3), (2, 2))


class BlockA(nn.Module):
    """35x35 maps.

    Attributes:
        pool: Channels of the pooling branch.
    """

    pool: int

    @nn.compact
    def __call__(self, x: Maps) -> Float[Array, "n _ _ _"]:
        five = _square(64, 5, padding=2, name="branch5x5_2")(Unit(48, name="branch5x5_1")(x))
        three = _square(96, 3, padding=1, name="branch3x3dbl_2")(Unit(64, name="branch3x3dbl_1")(x))
        three = _square(96, 3, padding=1, name="branch3x3dbl_3")(three)
        pooled = Unit(self.pool, name="branch_pool")(_average(x))
        return jnp.concatenate([Unit(64, name="branch1x1")(x), five, three, pooled], -1)


class BlockB(nn.Module):
    """35x35 to 17x17."""

    @nn.compact
    def __call__(self, x: Maps) -> Float[Array, "n _ _ _"]:
        double = _square(96, 3, padding=1, name="branch3x3dbl_2")(
            Unit(64, name="branch3x3dbl_1")(x)
        )
        double = _square(96, 3, 2, name="branch3x3dbl_3")(double)
        return jnp.concatenate([_square(384, 3, 2, name="branch3x3")(x), double, _reduced(x)], -1)


class BlockC(nn.Module):
    """17x17 maps.

    Attributes:
        width: Channels inside.
    """

    width: int

    @nn.compact
    def __call__(self, x: Maps) -> Float[Array, "n _ _ _"]:
        w = self.width
        seven = _wide(w, "branch7x7_2")(Unit(w, name="branch7x7_1")(x))
        seven = _high(192, "branch7x7_3")(seven)
        double = _high(w, "branch7x7dbl_2")(Unit(w, name="branch7x7dbl_1")(x))
        double = _high(w, "branch7x7dbl_4")(_wide(w, "branch7x7dbl_3")(double))
        double = _wide(192, "branch7x7dbl_5")(double)
        pooled = Unit(192, name="branch_pool")(_average(x))
        return jnp.concatenate([Unit(192, name="branch1x1")(x), seven, double, pooled], -1)


class BlockD(nn.Module):
    """17x17 to 8x8."""

    @nn.compact
    def __call__(self, x: Maps) -> Float[Array, "n _ _ _"]:
        three = _square(320, 3, 2, name="branch3x3_2")(Unit(192, name="branch3x3_1")(x))
        seven = _wide(192, "branch7x7x3_2")(Unit(192, name="branch7x7x3_1")(x))
        seven = _square(192, 3, 2, name="branch7x7x3_4")(_high(192, "branch7x7x3_3")(seven))
        return jnp.concatenate([three, seven, _reduced(x)], -1)


class BlockE(nn.Module):
    """8x8 maps.

    Attributes:
        last: Whether its pooling takes the maximum instead of the mean.
    """

    last: bool

    @nn.compact
    def __call__(self, x: Maps) -> Float[Array, "n _ _ _"]:
        def both(y: Maps, name: str) -> list[Maps]:
            across = Unit(384, (1, 3), padding=(0, 1), name=f"{name}a")(y)
            return [across, Unit(384, (3, 1), padding=(1, 0), name=f"{name}b")(y)]

        three = both(Unit(384, name="branch3x3_1")(x), "branch3x3_2")
        double = _square(384, 3, padding=1, name="branch3x3dbl_2")(
            Unit(448, name="branch3x3dbl_1")(x)
        )
        pooled = nn.max_pool(x, (3, 3), (1, 1), "SAME") if self.last else _average(x)
        parts = [
            Unit(320, name="branch1x1")(x),
            *three,
            *both(double, "branch3x3dbl_3"),
            Unit(192, name="branch_pool")(pooled),
        ]
        return jnp.concatenate(parts, -1)


class Inception(nn.Module):
    """(N, 299, 299, 3) in [-1, 1] -> (N, 2048) features: the means of the last maps."""

    @nn.compact
    def __call__(self, x: SignedImages) -> Float[Array, "n 2048"]:
        check_batch(x, (3,))
        x = _square(32, 3, 2, name="Conv2d_1a_3x3")(x)
        x = _square(32, 3, name="Conv2d_2a_3x3")(x)
        x = _reduced(_square(64, 3, padding=1, name="Conv2d_2b_3x3")(x))
        x = Unit(80, name="Conv2d_3b_1x1")(x)
        x = _reduced(_square(192, 3, name="Conv2d_4a_3x3")(x))
        for name, pool in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
            x = BlockA(pool, name=name)(x)
        x = BlockB(name="Mixed_6a")(x)
        for name, width in (
            ("Mixed_6b", 128),
            ("Mixed_6c", 160),
            ("Mixed_6d", 160),
            ("Mixed_6e", 192),
        ):
            x = BlockC(width, name=name)(x)
        x = BlockD(name="Mixed_7a")(x)
        x = BlockE(False, name="Mixed_7b")(x)
        x = BlockE(True, name="Mixed_7c")(x)
        return jnp.mean(x, axis=(1, 2))


def resized(unit: UnitImages) -> Float[Array, "n 299 299 c"]:
    """Pictures in the size that the network takes, by the published rule: bilinear between the four
    nearest pixels, without antialiasing, corners not aligned (PyTorch's interpolate).

    Args:
        unit: (N, H, W, 3) in [0, 1].

    Returns:
        (N, 299, 299, 3) in [-1, 1].
    """
    shape = (unit.shape[0], SIDE, SIDE, unit.shape[3])
    return (
        2
        * jax.image.resize(
            unit, shape, "bilinear", antialias=False, precision=jax.lax.Precision.HIGHEST
        )
        - 1
    )
