"""The residual generator of Johnson et al. 2016 as CycleGAN uses it (Zhu et al. 2017, section
7.2).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from imgtrans_jax.models.layers import (
    SAVED,
    Conv,
    Downsampling,
    Generator,
    Initializer,
    Norm,
    Normal,
    NormKind,
    Upsample,
    Upsampling,
    bias_before,
    blur_pool,
    check_batch,
    remat,
    with_remat,
)
from imgtrans_jax.runtime.target import platform
from imgtrans_jax.types import Dtype, Maps, SignedImages


class ResidualBlock(nn.Module):
    """x + norm(conv(relu(norm(conv(x))))), 3x3 with reflection padding; no ReLU after the sum.

    Attributes:
        norm: `instance`, `batch` or `none`.
        dropout: The rate after the first ReLU in training, 0 for none.
        kernel_init: The first values of the kernels, any (key, shape, dtype) -> array.
        dtype: The type that convolutions are computed in.
    """

    norm: NormKind
    dropout: float
    kernel_init: Initializer
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Maps, train: bool) -> Maps:
        def conv(name: str) -> Conv:
            return Conv(
                x.shape[-1],
                3,
                padding=1,
                reflect=True,
                bias=bias_before(self.norm),
                kernel_init=self.kernel_init,
                dtype=self.dtype,
                name=name,
            )

        y = nn.relu(Norm(self.norm, name="norm_0")(conv("conv_0")(x), train))
        if self.dropout:
            y = nn.Dropout(self.dropout)(y, deterministic=not train)
        return x + Norm(self.norm, name="norm_1")(conv("conv_1")(y), train)


class ResNetGenerator(Generator):
    """c7s1-w, d2w, d4w, R4w x blocks, u2w, uw, c7s1-channels, tanh.

    (N, H, W, C) in [-1, 1] -> (N, H, W, channels) in (-1, 1); H and W are multiples of 4 and at
    least 8. With width 64 and RGB it has 7,837,699 parameters at 6 blocks (the paper's net for 128
    px) and 11,378,179 at 9 (256 px and above).

    Attributes:
        width: Channels after the first layer.
        blocks: The number of residual blocks.
        channels: Channels of the result.
        downsample: The paper's `strided` convolutions, or `blurred`, the anti-aliasing of CUT.
        upsample: The paper's `transposed`, or `nearest`, `bilinear`, `blurred` (CUT's).
        norm: `instance`, `batch` or `none`.
        dropout: The rate inside each block, 0 in the paper.
        remat: Norms and activations are computed again in the backward pass instead of kept, for a
            third less memory.
        kernel_init: Any (key, shape, dtype) -> array; N(0, 0.02) by default.
        dtype: `bfloat16` computes convolutions in it; parameters, norms' statistics and the output
            stay float32.

    Raises:
        ValueError: For a size that it cannot take, a width under 1, or negative blocks.
    """

    width: int = 64
    blocks: int = 9
    channels: int = 3
    downsample: Downsampling = "strided"
    upsample: Upsampling = "transposed"
    norm: NormKind = "instance"
    dropout: float = 0.0
    remat: bool = True
    kernel_init: Initializer = Normal()
    dtype: Dtype = "float32"

    @property
    def map_names(self) -> tuple[str, ...]:
        """The names of the maps that `__call__` gives, from shallow to deep."""
        return "input", "down_0", "down_1", *(f"block_{i}" for i in range(self.blocks)), "image"

    @nn.compact
    def __call__(self, x: SignedImages, train: bool, taps: tuple[str, ...] = ()) -> Any:
        """Images, or maps on the way to them.

        Args:
            x: (N, H, W, C) in [-1, 1].
            train: Whether it is trained.
            taps: Names out of `map_names`: instead of images these maps are given, and no layer
                behind them is computed: `input`, the picture with its mirrored border; `down_0`
                and `down_1`, the convolutions before their norms; `block_0` and on, the blocks;
                `image`, the result itself.

        Returns:
            (N, H, W, channels) in (-1, 1), or the maps by their names, each (N, h, w, C').
        """
        if unknown := set(taps) - set(self.map_names):
            raise ValueError(
                f"The ResNet generator has no layer {min(unknown)!r}; it has "
                f"{', '.join(self.map_names)}."
            )
        if self.width < 1 or self.blocks < 0:
            raise ValueError(
                f"A generator of width={self.width} and blocks={self.blocks} cannot be built; use "
                "1 and 0 or more."
            )
        check_batch(x)
        height, width = x.shape[1:3]
        if height % 4 or width % 4 or height < 8 or width < 8:
            raise ValueError(
                "The ResNet generator takes sizes that are multiples of 4, from 8; this is "
                f"{height}x{width}."
            )
        kept: Any = with_remat if train and self.remat else lambda layers: layers
        if taps:
            return kept(lambda net, x, train: net._tapped(x, train, taps))(self, x, train)
        if self._scans(train):
            y = self._scanned(kept(ResNetGenerator._before)(self, x, train), train)
            return kept(ResNetGenerator._after)(self, y, train)
        return kept(ResNetGenerator._layers)(self, x, train)

    @property
    def _common(self) -> dict[str, Any]:
        return {"kernel_init": self.kernel_init, "dtype": self.dtype}

    def _tapped(self, x: Maps, train: bool, taps: tuple[str, ...]) -> dict[str, jax.Array]:
        border = ((0, 0), (3, 3), (3, 3), (0, 0))
        maps: dict[str, jax.Array] = {
            "input": jnp.pad(x, border, mode="reflect") if "input" in taps else x
        }
        y = self._before(x, train, maps)
        for block in range(self.blocks):
            if set(taps) <= maps.keys():
                break
            name = f"block_{block}"
            y = ResidualBlock(self.norm, self.dropout, **self._common, name=name)(y, train)
            maps[name] = y
        if "image" in taps:
            maps["image"] = self._after(y, train)
        return {name: maps[name] for name in taps}

    def _layers(self, x: Maps, train: bool) -> Float[Array, "n h w {self.channels}"]:
        y = self._before(x, train)
        for block in range(self.blocks):
            name = f"block_{block}"
            y = ResidualBlock(self.norm, self.dropout, **self._common, name=name)(y, train)
        return self._after(y, train)

    def _normed(self, y: Maps, name: str, train: bool) -> Maps:
        return nn.relu(Norm(self.norm, name=f"{name}_norm")(y, train))

    def _before(
        self, x: Maps, train: bool, maps: dict[str, jax.Array] | None = None
    ) -> Float[Array, "n _ _ _"]:
        """The layers before the blocks. maps: Gets their maps by name, if wanted."""
        inner: dict[str, Any] = self._common | {"bias": bias_before(self.norm)}
        y = Conv(self.width, 7, padding=3, reflect=True, **inner, name="head")(x)
        y = self._normed(y, "head", train)
        for level in range(2):
            name = f"down_{level}"
            stride = 2 if self.downsample == "strided" else 1
            y = Conv(self.width * 2 ** (level + 1), 3, stride, 1, **inner, name=name)(y)
            if maps is not None:
                maps[name] = y
                if inner["bias"] == "idle":  # before the norm it is there to be seen
                    maps[name] += self.variables["params"][name]["bias"].astype(y.dtype)
            y = self._normed(y, name, train)
            y = blur_pool(y) if self.downsample == "blurred" else y
        return y

    def _after(self, y: Maps, train: bool) -> Float[Array, "n _ _ {self.channels}"]:
        inner: dict[str, Any] = self._common | {"bias": bias_before(self.norm)}
        for level in range(2):
            name = f"up_{level}"
            y = Upsample(self.width * 2 ** (1 - level), self.upsample, **inner, name=name)(y)
            y = self._normed(y, name, train)
        y = Conv(self.channels, 7, padding=3, reflect=True, **self._common, name="tail")(y)
        return jnp.tanh(y.astype(jnp.promote_types(y.dtype, jnp.float32)))

    def _scans(self, train: bool) -> bool:
        """Whether the blocks are one program in a loop: those of a TPU are large, and compiled for
        minutes. Blocks with state or random numbers are not, nor those that are looked into.
        """
        simple = self.norm != "batch" and not self.dropout and self.blocks > 1 and remat.value
        return platform() == "tpu" and train and simple and not self.is_initializing()

    def _scanned(self, y: Maps, train: bool) -> Maps:
        params = [self.variables["params"][f"block_{block}"] for block in range(self.blocks)]
        block = ResidualBlock(self.norm, self.dropout, **self._common, parent=None)

        def one(y: Maps, params: Any) -> tuple[Maps, None]:
            return block.apply({"params": params}, y, train), None  # type: ignore[return-value]

        body = jax.checkpoint(one, policy=SAVED) if self.remat else one
        return jax.lax.scan(body, y, jax.tree.map(lambda *x: jnp.stack(x), *params))[0]
