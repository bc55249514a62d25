"""The networks of junyanz/pytorch-CycleGAN-and-pix2pix (CycleGAN, pix2pix) and of CUT, and ours:
what their tensors are called there and here.

A state dict names its layers by their place in torch.nn.Sequential: a ResNet `model.1.weight`,
`model.10.conv_block.1.weight`; a U-Net `model.model.0.weight`, `model.model.1.model.1.weight`; a
PatchGAN `model.0.weight`, a PixelGAN `net.0.weight`. One table, `layout`, serves both directions:
`state_dict` here, and `recognized` of `weights/pytorch_recognition.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict

from imgtrans_jax.models.patch_heads import PatchHeads
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.types import Params, UserError

Tensors = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Network:
    """A network with its weights.

    Attributes:
        module: A ResNetGenerator, UNet, PatchGAN or PatchHeads.
        params: Its parameters.
        stats: Its batch statistics, {} without.
    """

    module: nn.Module
    params: Params
    stats: Any

    @property
    def channels(self) -> int:
        """Those of its input."""
        return self.params[next(layout(self.module)).ours]["kernel"].shape[2]

    @property
    def is_generator(self) -> bool:
        return not isinstance(self.module, (PatchGAN, PatchHeads))


NORM = (
    ("weight", "scale", True),
    ("bias", "bias", True),
    ("running_mean", "mean", False),
    ("running_var", "var", False),
)
"""A norm's tensors: their name there, here, and whether they are learned."""


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer under both names.

    Attributes:
        theirs: Its name in junyanz/pytorch-CycleGAN-and-pix2pix.
        ours: Its name here.
        transposed: It is a transposed convolution.
        norm: It is a norm.
        after_skip: Its input is joined with a skip connection's, which comes first there and last
            here.
        bias: Whether the convolution has one there; ours has one wherever there is no batch norm
            behind it.
    """

    theirs: str
    ours: str
    transposed: bool = False
    norm: bool = False
    after_skip: bool = False
    bias: bool = True


# ------------------------------------------------------------------------- from ours to their names


def state_dict(network: Network) -> dict[str, np.ndarray]:
    """The network's tensors under the names of junyanz/pytorch-CycleGAN-and-pix2pix and in its
    order, float32 and int64.

    Raises:
        UserError: For a network that it has not got.
    """
    check_exportable(network.module)
    if isinstance(network.module, PatchHeads):
        return _tensors_of_heads(network.params)
    params, stats = flat(network.params), flat(network.stats)
    found: dict[str, np.ndarray] = {}
    for layer in layout(network.module):
        if layer.norm:
            for theirs, ours, learned in NORM:
                found[f"{layer.theirs}.{theirs}"] = _float32(
                    (params if learned else stats)[f"{layer.ours}/{ours}"]
                )
            found[f"{layer.theirs}.num_batches_tracked"] = np.zeros((), np.int64)
            continue
        order = (2, 3, 0, 1) if layer.transposed else (3, 2, 0, 1)
        kernel = joined(layer, _float32(params[f"{layer.ours}/kernel"]))
        found[f"{layer.theirs}.weight"] = kernel.transpose(order)
        if f"{layer.ours}/bias" in params and layer.bias:
            found[f"{layer.theirs}.bias"] = _float32(params[f"{layer.ours}/bias"])
        elif f"{layer.ours}/bias" in params and np.any(params[f"{layer.ours}/bias"]):
            raise UserError(
                f"The common PyTorch code has no bias at {layer.theirs} for "
                f"norm={network.module.norm!r}."
            )  # type: ignore[attr-defined]
    return found | blur_filters(network.module)


def _tensors_of_heads(params: Params) -> dict[str, np.ndarray]:
    """CUT's networks F: mlp_0.0.weight, mlp_0.0.bias, mlp_0.2.weight, …"""
    found = {}
    for number in range(len(params) // 2):
        for layer in (0, 1):
            ours, theirs = params[f"mlp_{number}_{layer}"], f"mlp_{number}.{2 * layer}"
            found[f"{theirs}.weight"] = _float32(ours["kernel"]).T
            found[f"{theirs}.bias"] = _float32(ours["bias"])
    return found


def check_exportable(module: nn.Module) -> None:
    """Raises UserError for a network that junyanz/pytorch-CycleGAN-and-pix2pix has not got."""
    if isinstance(module, PatchHeads):
        return
    upsample = getattr(module, "upsample", "transposed")
    allowed = {
        ResNetGenerator: ("transposed", "blurred"),
        UNet: ("transposed",),
        PatchGAN: ("transposed",),
    }.get(type(module))
    if allowed is None:
        raise UserError(
            f"The common PyTorch code has no {type(module).__name__}; a ResNetGenerator, UNet or "
            "PatchGAN can go there."
        )
    if upsample not in allowed:
        raise UserError(
            f"The common PyTorch code has no upsample={upsample!r}, so that this generator has no "
            ".pth form; one trained with `config.recipe.generator.upsample=transposed` has. A "
            ".safetensors file holds any."
        )
    if isinstance(module, UNet) and module.levels < 5:
        raise UserError(
            f"The common PyTorch code's U-Net has 5 levels or more, this has {module.levels}."
        )


def blur_filters(module: nn.Module) -> dict[str, np.ndarray]:
    """The fixed kernels of CUT's blurs, which its files hold beside the weights."""
    found = {}
    for name, channels, taps in _blurs(module):
        kernel = np.outer(taps, taps).astype(np.float32)
        kernel = kernel / kernel.sum() * (4 if len(taps) == 4 else 1)
        found[f"{name}.filt"] = np.tile(kernel, (channels, 1, 1, 1))
    return found


def _blurs(module: nn.Module) -> Iterator[tuple[str, int, tuple[int, ...]]]:
    down, up = (1, 2, 1), (1, 3, 3, 1)
    if isinstance(module, ResNetGenerator):
        if module.downsample == "blurred":
            yield from (("model.7", 2 * module.width, down), ("model.11", 4 * module.width, down))
        if module.upsample == "blurred":
            start = (12 if module.downsample == "blurred" else 10) + module.blocks
            yield from (
                (f"model.{start}", 4 * module.width, up),
                (f"model.{start + 4}", 2 * module.width, up),
            )
    elif isinstance(module, PatchGAN) and module.downsample == "blurred":
        for level in range(module.layers):
            yield f"model.{2 + 4 * level}", module.width * 2 ** min(level, 3), down


# ---------------------------------------------------------------------------------------- the table


def layout(module: nn.Module) -> Iterator[Layer]:
    """The layers of a ResNetGenerator, UNet or PatchGAN under both names, in the order of
    junyanz/pytorch-CycleGAN-and-pix2pix.
    """
    match module:
        case ResNetGenerator():
            yield from _resnet_layers(module)
        case UNet():
            yield from _unet_layers(module)
        case PatchGAN() if module.layers:
            yield from _patchgan_layers(module)
        case PatchGAN():
            inner = module.norm == "instance"
            yield from (Layer("net.0", "conv_0"), Layer("net.2", "conv_1", bias=inner))
            if module.norm == "batch":
                yield Layer("net.3", "norm_1/batch", norm=True)
            yield Layer("net.5", "logits", bias=inner)


def _resnet_layers(net: ResNetGenerator) -> Iterator[Layer]:
    inner, batch = net.norm == "instance", net.norm == "batch"

    def normed(
        place: str, after: str, ours: str, norm: str, transposed: bool = False
    ) -> Iterator[Layer]:
        yield Layer(place, ours, transposed, bias=inner)
        if batch:
            yield Layer(after, f"{norm}/batch", norm=True)

    yield from normed("model.1", "model.2", "head", "head_norm")
    at = 4
    for level in range(2):
        yield from normed(f"model.{at}", f"model.{at + 1}", f"down_{level}", f"down_{level}_norm")
        at += 3 if net.downsample == "strided" else 4
    second = 6 if net.dropout else 5
    for block in range(net.blocks):
        theirs, ours = f"model.{at}.conv_block", f"block_{block}"
        yield from normed(f"{theirs}.1", f"{theirs}.2", f"{ours}/conv_0", f"{ours}/norm_0")
        yield from normed(
            f"{theirs}.{second}", f"{theirs}.{second + 1}", f"{ours}/conv_1", f"{ours}/norm_1"
        )
        at += 1
    for level in range(2):
        if net.upsample == "transposed":
            yield from normed(
                f"model.{at}", f"model.{at + 1}", f"up_{level}", f"up_{level}_norm", transposed=True
            )
            at += 3
        else:
            yield from normed(
                f"model.{at + 1}", f"model.{at + 2}", f"up_{level}/conv", f"up_{level}_norm"
            )
            at += 4
    yield Layer(f"model.{at + 1}", "tail")


def level_prefix(level: int) -> str:
    """Where a U-Net's level lies: each in the middle of the one above."""
    return "model.model" + "".join(f".{1 if i == 0 else 3}.model" for i in range(level))


def _unet_layers(net: UNet) -> Iterator[Layer]:
    inner, batch, last = net.norm == "instance", net.norm == "batch", net.levels - 1
    yield Layer("model.model.0", "down_0", bias=inner)
    for level in range(1, net.levels):
        yield Layer(f"{level_prefix(level)}.1", f"down_{level}", bias=inner)
        if batch and level < last:
            yield Layer(f"{level_prefix(level)}.2", f"down_{level}_norm/batch", norm=True)
    for level in range(last, 0, -1):
        at = 3 if level == last else 5
        yield Layer(
            f"{level_prefix(level)}.{at}",
            f"up_{level}",
            transposed=True,
            after_skip=level < last,
            bias=inner,
        )
        if batch:
            yield Layer(f"{level_prefix(level)}.{at + 1}", f"up_{level}_norm/batch", norm=True)
    yield Layer("model.model.3", "up_0", transposed=True, after_skip=True)


def _patchgan_layers(net: PatchGAN) -> Iterator[Layer]:
    blur = 1 if net.downsample == "blurred" else 0
    yield Layer("model.0", "conv_0")
    at = 2 + blur
    for level in range(1, net.layers + 1):
        yield Layer(f"model.{at}", f"conv_{level}", bias=net.norm == "instance")
        if net.norm == "batch":
            yield Layer(f"model.{at + 1}", f"norm_{level}/batch", norm=True)
        at += 3 + (blur if level < net.layers else 0)
    yield Layer(f"model.{at}", "logits")


def described(network: Network) -> str:
    """The network in words: what was recognised, and what a file cannot say."""
    net: Any = network.module
    count = sum(x.size for x in jax.tree.leaves(network.params))
    if isinstance(net, PatchHeads):
        maps = len(network.params) // 2
        return f"CUT's heads for {maps} maps, of width {net.width}; {count:,} parameters"
    parts = [f"{network.channels} channels"]
    if network.is_generator:
        parts = [f"{network.channels} to {net.channels} channels"]
    parts += [f"width {net.width}", f"{net.norm} norm" if net.norm != "none" else "no norm"]
    if isinstance(net, ResNetGenerator):
        parts += [f"dropout {net.dropout}" if net.dropout else "no dropout"]
    if isinstance(net, UNet):
        parts += [f"dropout taken to be {net.dropout}, which such a file does not say"]
    if "blurred" in (getattr(net, "downsample", ""), getattr(net, "upsample", "")):
        parts += ["anti-aliased as in CUT"]
    return f"{named(net)}: {', '.join(parts)}; {count:,} parameters"


def named(net: nn.Module) -> str:
    """A network's kind and depth in words."""
    match net:
        case ResNetGenerator():
            return f"a ResNet generator of {net.blocks} block{'' if net.blocks == 1 else 's'}"
        case UNet():
            return f"a U-Net generator of {net.levels} levels ({2**net.levels} px)"
        case PatchGAN():
            field = 9 * 2**net.layers - 2
            seen = (
                f"a field of {field} px"
                if net.downsample == "strided"
                else f"{net.layers} blurred layers"
            )
            return f"a PatchGAN critic of {seen}" if net.layers else "a PixelGAN critic"
        case _:
            return f"a {type(net).__name__}"


# ------------------------------------------------------------------------------------- small things


def joined(layer: Layer, kernel: np.ndarray) -> np.ndarray:
    """The halves of a kernel's inputs (h, w, I, O) change places if a skip connection is one of
    them.
    """
    return np.roll(kernel, kernel.shape[2] // 2, axis=2) if layer.after_skip else kernel


def _float32(array: Any) -> np.ndarray:
    return np.asarray(array, np.float32)


def flat(tree: Any) -> dict[str, Any]:
    """A tree's leaves by their path, `a/b`."""
    return dict(flatten_dict(tree, sep="/"))
