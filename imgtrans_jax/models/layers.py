"""Convolutions, norms, resampling and initialisers that the networks are made of. Layout is NHWC,
kernels are HWIO.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.ad_checkpoint import checkpoint_name
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from imgtrans_jax.convolution.dispatch import convolve, convolve_transposed
from imgtrans_jax.runtime.target import platform
from imgtrans_jax.types import Dtype, Maps, RandomKey

NormKind: TypeAlias = Literal["instance", "batch", "none"]
Downsampling: TypeAlias = Literal["strided", "blurred"]
Upsampling: TypeAlias = Literal["transposed", "nearest", "bilinear", "blurred"]
Bias: TypeAlias = bool | Literal["idle"]

Statistic: TypeAlias = Float[Array, "#n #h #w c"]
"""Of (N, H, W, C), over axes that are kept with length 1."""

Network = TypeVar("Network", bound=nn.Module)


class Generator(nn.Module):
    """The base of networks from images to images, (images, train) -> images. Those that name it are
    a choice wherever a config has one of them.

    Attributes:
        channels: Of the images that it makes.
    """

    channels = 3  # no field of its own: those of the networks come in their order

    @property
    def multiple(self) -> int:
        """Of what the sides of an input must be multiples; others are padded to it."""
        return 4


class Critic(nn.Module):
    """The base of networks that judge images, (images, train) -> logits; a choice as `Generator`s
    are.
    """


class Initializer(Protocol):
    """The first values of an array of weights; any of jax.nn.initializers is one."""

    def __call__(self, *args: Any, **kwargs: Any) -> jax.Array: ...


@dataclasses.dataclass(frozen=True)
class Normal(Initializer):
    """N(mean, stddev^2): the papers' N(0, 0.02). A value rather than a closure, so that a config
    can be stored.

    Attributes:
        stddev: The standard deviation.
        mean: The mean.
    """

    stddev: float = 0.02
    mean: float = 0.0

    def __call__(
        self, key: RandomKey, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32
    ) -> jax.Array:
        return self.mean + self.stddev * jax.random.normal(key, shape, dtype)


@dataclasses.dataclass(frozen=True)
class Xavier(Initializer):
    """Glorot and Bengio 2010, normal.

    Attributes:
        gain: Multiplies the standard deviation.
    """

    gain: float = 1.0

    def __call__(
        self, key: RandomKey, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32
    ) -> jax.Array:
        return nn.initializers.variance_scaling(self.gain**2, "fan_avg", "normal")(
            key, shape, dtype
        )


@dataclasses.dataclass(frozen=True)
class Kaiming(Initializer):
    """He et al. 2015, normal, variance 2 / fan-in."""

    def __call__(
        self, key: RandomKey, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32
    ) -> jax.Array:
        return nn.initializers.variance_scaling(2.0, "fan_in", "normal")(key, shape, dtype)


@dataclasses.dataclass(frozen=True)
class Orthogonal(Initializer):
    """Saxe et al. 2014.

    Attributes:
        gain: Scales the orthogonal matrix.
    """

    gain: float = 1.0

    def __call__(
        self, key: RandomKey, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32
    ) -> jax.Array:
        return nn.initializers.orthogonal(self.gain)(key, shape, dtype)


def check_batch(x: jax.Array, channels: tuple[int, ...] = ()) -> None:
    """Checks that an array is a batch of pictures: called first by every network, before it speaks
    of sizes.

    Args:
        x: What should be (N, height, width, channels).
        channels: The numbers of channels that are allowed; by default any.

    Raises:
        ValueError: If it is no such batch, or has none of `channels` where these are given.
    """
    if x.ndim != 4:
        hint = ": of one picture make a batch by picture[None]" if x.ndim == 3 else ""
        raise ValueError(
            "Networks take batches (N, height, width, channels); this has the shape "
            f"{x.shape}{hint}."
        )
    if channels and x.shape[3] not in channels:
        raise ValueError(
            f"This network takes pictures of {' or '.join(map(str, channels))} channels; these "
            f"have {x.shape[3]}: leave out what needs its features, or use RGB."
        )


class Conv(nn.Module):
    """A convolution with explicit padding, PyTorch's sampling positions, and float32 parameters.

    Attributes:
        features: Channels of the result.
        kernel: Pixels a side of the kernel.
        stride: In pixels.
        padding: Pixels on every side, of zeros or, with `reflect`, mirrored.
        reflect: Whether the padding is mirrored.
        bias: Whether one is added. `idle` keeps the parameter and does not add it, see
            `bias_before`.
        kernel_init: The first values of the kernel, any (key, shape, dtype) -> array; N(0, 0.02)
            by default.
        dtype: The type the product is computed in.
    """

    features: int
    kernel: int
    stride: int = 1
    padding: int = 0
    reflect: bool = False
    bias: Bias = True
    kernel_init: Initializer = Normal()
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(self, x: Maps) -> Float[Array, "n _ _ {self.features}"]:
        kernel = self.param(
            "kernel", self.kernel_init, (self.kernel, self.kernel, x.shape[-1], self.features)
        )
        x, kernel = x.astype(self._compute(x)), kernel.astype(self._compute(x))
        y = convolve(x, kernel, self.stride, self.padding, "reflect" if self.reflect else "zero")
        return _with_bias(self, y, self.bias)

    def _compute(self, x: Maps) -> DTypeLike:
        return jnp.bfloat16 if self.dtype == "bfloat16" else jnp.promote_types(x.dtype, jnp.float32)


def _with_bias(module: nn.Module, y: Maps, bias: Bias) -> Maps:
    values = module.param("bias", nn.initializers.zeros, y.shape[-1:]) if bias else None
    return checkpoint_name(
        y if values is None or bias == "idle" else y + values.astype(y.dtype), "convolution"
    )


class Upsample(nn.Module):
    """Twice the height and width, then `features` channels.

    Attributes:
        features: Channels of the result.
        how: `transposed`: the transposed convolution of the papers. `nearest`, `bilinear`: resize,
            then a 3x3 convolution with reflection padding, against checkerboards (Odena et al.
            2016). `blurred`: as bilinear, but with zero padding: the anti-aliased upsampling of the
            authors' CUT (Park et al. 2020).
        kernel: Pixels a side of the transposed convolution, 3 or 4; the others have 3.
        bias: As for `Conv`.
        kernel_init: As for `Conv`.
        dtype: As for `Conv`.

    Raises:
        ValueError: For another `how`.
    """

    features: int
    how: Upsampling = "transposed"
    kernel: int = 3
    bias: Bias = True
    kernel_init: Initializer = Normal()
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(self, x: Maps) -> Float[Array, "n 2*h 2*w {self.features}"]:
        n, height, width, channels = x.shape
        if self.how == "transposed":
            kernel = self.param(
                "kernel", self.kernel_init, (self.kernel, self.kernel, channels, self.features)
            )
            dtype = (
                jnp.bfloat16
                if self.dtype == "bfloat16"
                else jnp.promote_types(x.dtype, jnp.float32)
            )
            y = convolve_transposed(x.astype(dtype), kernel.astype(dtype))
            return _with_bias(self, y, self.bias)
        if self.how not in ("nearest", "bilinear", "blurred"):
            raise ValueError(
                f"There is no upsampling {self.how!r}; use one of transposed, nearest, bilinear, "
                "blurred."
            )
        if self.how == "nearest":
            x = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
        else:
            x = jax.image.resize(x, (n, 2 * height, 2 * width, channels), "bilinear")
        reflect = self.how != "blurred"
        return Conv(
            self.features,
            3,
            1,
            1,
            reflect=reflect,
            bias=self.bias,
            kernel_init=self.kernel_init,
            dtype=self.dtype,
            name="conv",
        )(x)


def blur_pool(x: Maps) -> Float[Array, "n (h+1)//2 (w+1)//2 c"]:
    """Half the height and width, rounded up: smoothed by (1, 2, 1) / 4 each way over
    mirrored edges, then every second pixel (Zhang 2019, "Making convolutional networks
    shift-invariant again").
    """
    for axis in (1, 2):
        x = jnp.pad(x, [(1, 1) if a == axis else (0, 0) for a in range(4)], mode="reflect")
        first, middle, last = (
            jax.lax.slice_in_dim(x, i, x.shape[axis] - 2 + i, stride=2, axis=axis) for i in range(3)
        )
        x = (first + 2 * middle + last) / 4
    return x


class Moments(nn.Module):
    """Mean and variance over some axes, which are kept with length 1; two passes in at least
    float32: the one-pass variance loses every digit where the mean is large.

    A module, without parameters, so that `inference/tiling.py` can put the statistics of a whole
    picture in the place of a tile's.

    Attributes:
        axes: Of (N, H, W, C): (1, 2) for instance norm, (0, 1, 2) for batch norm.
    """

    axes: tuple[int, ...]

    def __call__(self, x: Maps) -> tuple[Statistic, Statistic]:
        return moments(x, self.axes)


def moments(x: Maps, axes: tuple[int, ...]) -> tuple[Statistic, Statistic]:
    """Mean and variance over some axes; see `Moments`.

    Args:
        x: (N, H, W, C).
        axes: Those to average over; they are kept with length 1.

    Returns:
        Mean and variance (divided by the count), in at least float32.
    """
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    mean = _mean(wide, axes)
    return checkpoint_name((mean, _mean(jnp.square(wide - mean), axes)), "moments")


def _mean(x: Maps, axes: tuple[int, ...]) -> Statistic:
    """Over some axes of (N, H, W, C), which are kept with length 1."""
    if platform() != "gpu" or 2 not in axes:
        return jnp.mean(x, axis=axes, keepdims=True)
    # First along the rows: XLA:GPU would give a channel's whole sum to one of some 64 blocks, which
    # leaves most of a GPU idle.
    rows = jax.lax.optimization_barrier(jnp.sum(x, axis=2, keepdims=True))
    return jnp.sum(rows, axis=axes, keepdims=True) / math.prod(x.shape[axis] for axis in axes)


def normalize(
    x: Maps, mean: Statistic, variance: Statistic, axes: tuple[int, ...], epsilon: float = 1e-5
) -> Maps:
    """(x - mean) / sqrt(variance + epsilon), with x's own moments over `axes`.

    Its gradient includes the one through the moments (Ioffe and Szegedy 2015, section 3), in two
    sums over x, where the automatic one takes five; what is kept for it is x.

    Args:
        x: (N, H, W, C).
        mean: x's own over `axes`, which have length 1.
        variance: As `mean`.
        axes: Those that the moments are over.
        epsilon: Keeps the root from 0.

    Returns:
        x's shape, in at least float32.
    """
    return _normalize(x, mean, variance, axes, epsilon)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _normalize(x, mean, variance, axes, epsilon):
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    return (wide - mean) * jax.lax.rsqrt(variance + epsilon)


def _normalize_forward(x, mean, variance, axes, epsilon):
    return _normalize(x, mean, variance, axes, epsilon), (x, mean, variance)


def _normalize_backward(axes, epsilon, saved, cotangent):
    x, mean, variance = saved
    y = normalize(x, mean, variance, axes, epsilon)
    across = cotangent - _mean(cotangent, axes) - y * _mean(cotangent * y, axes)
    return (across * jax.lax.rsqrt(variance + epsilon)).astype(x.dtype), None, None


_normalize.defvjp(_normalize_forward, _normalize_backward)


def instance_norm(
    x: Maps,
    epsilon: float = 1e-5,
    statistics: Callable[[Maps], tuple[Statistic, Statistic]] = functools.partial(
        moments, axes=(1, 2)
    ),
) -> Maps:
    """Each channel of each image to mean 0 and variance 1 over its pixels; no affine parameters
    (Ulyanov et al. 2016). A flat channel becomes 0.

    Args:
        x: (N, H, W, C).
        epsilon: Added to the variance.
        statistics: x -> its mean and variance, (N, 1, 1, C); by default over its own pixels.

    Returns:
        x's shape and type.

    Raises:
        ValueError: For a 1x1 map, which would always become 0.
    """
    if x.shape[1] * x.shape[2] == 1:
        raise ValueError(
            "Instance norm of a 1x1 map is always zero; use a larger image or norm='none'."
        )
    return normalize(x, *statistics(x), (1, 2), epsilon).astype(x.dtype)


class BatchNorm(nn.Module):
    """Each channel to mean 0 and variance 1 over batch and pixels, then scaled and shifted (Ioffe
    and Szegedy 2015).

    Two passes in at least float32. The running statistics, in the collection `batch_stats`, keep
    PyTorch's conventions, so that they mean the same on both sides: 0.9 of the old and 0.1 of the
    new, whose variance is divided by n - 1, not n. The scale starts at N(1, 0.02), as in the
    authors' code.
    """

    @nn.compact
    def __call__(self, x: Maps, train: bool) -> Maps:
        features = (x.shape[-1],)
        scale = self.param("scale", Normal(0.02, mean=1.0), features)
        bias = self.param("bias", nn.initializers.zeros, features)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, features)
        running_var = self.variable("batch_stats", "var", jnp.ones, features)
        if train:
            moments_of_x = Moments((0, 1, 2), name="moments")(x)
            mean, variance = (m[0, 0, 0] for m in moments_of_x)
            if not self.is_initializing():
                count = x.size // x.shape[-1]
                running_mean.value = 0.9 * running_mean.value + 0.1 * mean
                running_var.value = 0.9 * running_var.value + 0.1 * variance * (
                    count / max(count - 1, 1)
                )
            return (normalize(x, *moments_of_x, (0, 1, 2)) * scale + bias).astype(x.dtype)
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        return (
            (wide - running_mean.value) * (scale * jax.lax.rsqrt(running_var.value + 1e-5)) + bias
        ).astype(x.dtype)


class Norm(nn.Module):
    """The norm of a network by its kind.

    Attributes:
        kind: `instance`, `batch`, or `none`, which leaves x as it is.

    Raises:
        ValueError: For another kind.
    """

    kind: NormKind = "instance"

    @nn.compact
    def __call__(self, x: Maps, train: bool) -> Maps:
        match self.kind:
            case "instance":
                return instance_norm(x, statistics=Moments((1, 2), name="moments"))
            case "batch":
                return BatchNorm(name="batch")(x, train)
            case "none":
                return x
        raise ValueError(f"There is no norm {self.kind!r}; use one of instance, batch, none.")


SAVED = jax.checkpoint_policies.save_only_these_names("convolution", "moments")
"""What the backward pass of a network is left, where the rest is computed again."""

remat = jax.make_user_context(True)
"""`with remat(False):` networks that are applied inside keep everything: for reading what is
between their layers.
"""


def with_remat(
    layers: Callable[[Network, jax.Array, bool], jax.Array],
) -> Callable[[Network, jax.Array, bool], jax.Array]:
    """A network's layers, (module, images, train) -> images, such that the backward pass is left
    the results of convolutions and norms' moments; norms and activations, which cost little, are
    computed again (Chen et al. 2016, "Training deep nets with sublinear memory cost", section 4.1).
    """
    if not remat.value:
        return layers
    return nn.remat(layers, policy=SAVED, static_argnums=(2,))


def bias_before(norm: NormKind) -> Bias:
    """Of a convolution that a norm follows. Batch norm has a shift of its own. With instance norm
    the authors keep a bias, which the norm subtracts again: here it is idle, where theirs, whose
    gradient is rounding, wanders under Adam.
    """
    biases: dict[NormKind, Bias] = {"batch": False, "instance": "idle", "none": True}
    return biases[norm]
