"""The networks of junyanz/pytorch-CycleGAN-and-pix2pix (CycleGAN, pix2pix) and of CUT, recognized
by the names and shapes of their tensors.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.traverse_util import unflatten_dict

from imgtrans_jax.models.patch_heads import PatchHeads
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.types import UserError
from imgtrans_jax.weights.pytorch_layouts import (
    NORM,
    Network,
    Tensors,
    blur_filters,
    flat,
    joined,
    layout,
    level_prefix,
    named,
)


def recognized(tensors: Tensors, source: str) -> Network:
    """The network whose state dict this is, at float32.

    Norms' counts of batches, and the running statistics that instance norms of old files carry and
    nobody uses, are dropped.

    Args:
        tensors: By name; names may have a prefix, such as `module.`.
        source: Where they are from, for the error.

    Returns:
        The network with its weights.

    Raises:
        UserError: Naming `source` and what is wrong, for any other network or shape, or values that
            are not finite.
    """
    if tensors and all(_HEAD.fullmatch(name) for name in tensors):
        return _heads({name.removeprefix("module."): x for name, x in tensors.items()}, source)
    tensors = _of_one_network(tensors, source)
    module, channels = _module(tensors, source)
    shapes = jax.eval_shape(lambda: _initial(module, channels))
    wanted = {name: x.shape for kind in shapes.values() for name, x in flat(kind).items()}
    take = _Taker(tensors, source, named(module))
    params, stats = {}, {}
    for layer in layout(module):
        if layer.norm:
            for theirs, ours, learned in NORM:
                (params if learned else stats)[f"{layer.ours}/{ours}"] = take(
                    f"{layer.theirs}.{theirs}", wanted[f"{layer.ours}/{ours}"]
                )
            continue
        order = (2, 3, 0, 1) if layer.transposed else (2, 3, 1, 0)
        shape = tuple(wanted[f"{layer.ours}/kernel"][order.index(axis)] for axis in range(4))
        params[f"{layer.ours}/kernel"] = joined(
            layer, take(f"{layer.theirs}.weight", shape).transpose(order)
        )
        bias = wanted.get(f"{layer.ours}/bias")
        if bias is not None:
            params[f"{layer.ours}/bias"] = (
                take(f"{layer.theirs}.bias", bias) if layer.bias else np.zeros(bias, np.float32)
            )
    for name, kernel in blur_filters(module).items():
        if not np.allclose(take(name, kernel.shape), kernel, atol=1e-3):
            raise UserError(
                f"{source} is {named(module)}, but its {name} is another blur than CUT's."
            )
    left = sorted(name for name in tensors.keys() - take.used if not _is_dropped(name, module))
    if left:
        raise UserError(
            f"{source} is {named(module)} but has {', '.join(left[:3])} too, which that has not."
        )
    return Network(module, unflatten_dict(params, sep="/"), unflatten_dict(stats, sep="/"))


_HEAD = re.compile(r"(module\.)?mlp_\d+\.[02]\.(weight|bias)")


def _heads(tensors: Tensors, source: str) -> Network:
    """CUT's networks F, of as many maps as there are."""
    if any(x.ndim != 1 + name.endswith("weight") for name, x in tensors.items()):
        raise UserError(f"{source} has CUT's heads, but not as matrices and their biases.")
    width = tensors["mlp_0.0.weight"].shape[0] if "mlp_0.0.weight" in tensors else 0
    take, params = _Taker(tensors, source, "the heads of CUT"), {}
    for number in range(sum(name.endswith(".0.weight") for name in tensors)):
        given = tensors.get(f"mlp_{number}.0.weight", np.zeros((0, 0)))
        for layer, inputs in ((0, given.shape[-1]), (1, width)):
            name = f"mlp_{number}.{2 * layer}"
            kernel = take(f"{name}.weight", (width, inputs)).T
            params[f"mlp_{number}_{layer}"] = {
                "kernel": kernel,
                "bias": take(f"{name}.bias", (width,)),
            }
    if left := sorted(tensors.keys() - take.used):
        raise UserError(
            f"{source} is the heads of CUT but has {', '.join(left[:3])} too, which these have not."
        )
    return Network(PatchHeads(width), params, {})


@dataclasses.dataclass
class _Taker:
    """Takes tensors by name and shape. kind: the network that `source` is, in words; used: what was
    taken.
    """

    tensors: Tensors
    source: str
    kind: str
    used: set[str] = dataclasses.field(default_factory=set)

    def __call__(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        if name not in self.tensors:
            raise UserError(
                f"{self.source} is {self.kind} but lacks {name}; its layers are not those of the "
                "common code."
            )
        self.used.add(name)
        array = self.tensors[name]
        if array.shape != shape:
            raise UserError(
                f"{self.source} is {self.kind}, whose {name} is {_x(shape)}; the file has "
                f"{_x(array.shape)}."
            )
        array = array.astype(np.float32)
        if not (np.abs(array) < _LARGEST).all():
            raise UserError(
                f"{self.source} has values in {name} that no network has; its training failed, or "
                "it is damaged."
            )
        return array


def _of_one_network(tensors: Tensors, source: str) -> Tensors:
    """The tensors of the one network that a file holds, or of its one generator, without the prefix
    of their names.
    """
    generators: set[str] = set()
    for first in (r"(.*?)model\.model\.0\.weight", r"(.*?)model\.1\.weight"):
        rest = [
            name
            for name in tensors
            if not any(name.startswith(f"{start}model.") for start in generators)
        ]
        generators |= _starts(first, rest)
        if len(generators) > _MOST_NETWORKS:  # each name below is compared with each of them
            raise UserError(
                f"{source} holds {len(generators)} networks; a file of one of them alone is needed."
            )
    rest = [
        name
        for name in tensors
        if not any(name.startswith(f"{start}model.") for start in generators)
    ]
    starts = generators or _starts(r"(.*?)(?:model|net)\.0\.weight", rest)
    if len(starts) > 1:
        names = ", ".join(start.rstrip(".") for start in sorted(starts)[:_MOST_NETWORKS])
        raise UserError(
            f"{source} holds several networks ({names}); a file of one of them alone is needed."
        )
    if not starts:
        names = ", ".join(sorted(tensors)[:3]) or "unnamed"
        raise UserError(
            f"{source} holds no network of the common CycleGAN, pix2pix or CUT code (a ResNet or "
            "U-Net generator, a PatchGAN or PixelGAN); its tensors are "
            f"{names}{' …' if len(tensors) > 3 else ''}."
        )
    (prefix,) = starts
    found = {
        name.removeprefix(prefix): array
        for name, array in tensors.items()
        if name.startswith(prefix)
    }
    empty = [name for name, array in found.items() if not array.size]
    if empty:
        raise UserError(f"{source} has no values in {empty[0]}; it is damaged.")
    return found


def _starts(pattern: str, names: Iterable[str]) -> set[str]:
    return {match.group(1) for match in (re.fullmatch(pattern, name) for name in names) if match}


_MOST_NETWORKS = 8
_LARGEST = 1e8  # NaN and infinity are refused with it
_DEEPEST = {"blocks": 64, "levels": 12, "layers": 10}


def _module(tensors: Tensors, source: str) -> tuple[nn.Module, int]:
    for first, build in (
        ("model.model.0.weight", _unet),
        ("model.1.weight", _resnet),
        ("model.0.weight", _patchgan),
        ("net.0.weight", _pixelgan),
    ):
        if first in tensors:
            if tensors[first].ndim != 4:
                raise UserError(
                    f"{source} has a {first} that is no convolution; it is no network of the "
                    "common code."
                )
            module = build(tensors, source)
            for what, most in _DEEPEST.items():
                if (found := getattr(module, what, 0)) > most:
                    raise UserError(
                        f"{source} is a network of {found} {what}, deeper than any that was "
                        "trained; it is not read."
                    )
            return module, tensors[first].shape[1]
    raise UserError(f"{source} is no network of the common code: its first layer is missing.")


def _resnet(tensors: Tensors, source: str) -> ResNetGenerator:
    down_blurred = "model.7.weight" not in tensors
    start = 12 if down_blurred else 10
    blocks = 0
    while f"model.{start + blocks}.conv_block.1.weight" in tensors:
        blocks += 1
    if f"model.{start}.conv_block.0.weight" in tensors:
        raise UserError(
            f"{source} is a ResNet whose blocks pad with zeros; the reflection padding of the "
            "papers is needed."
        )
    up_blurred = f"model.{start + blocks}.weight" not in tensors
    tail = start + blocks + (9 if up_blurred else 7)
    return ResNetGenerator(
        width=_side(tensors, "model.1.weight", 0, source),
        blocks=blocks,
        channels=_side(tensors, f"model.{tail}.weight", 0, source),
        downsample="blurred" if down_blurred else "strided",
        upsample="blurred" if up_blurred else "transposed",
        norm=_norm(tensors, "model.1", "model.2", source),
        dropout=0.5 if blocks and f"model.{start}.conv_block.5.weight" not in tensors else 0.0,
    )


def _unet(tensors: Tensors, source: str) -> UNet:
    levels = 2
    while f"{level_prefix(levels)}.1.weight" in tensors:
        levels += 1
    innermost = level_prefix(levels - 1)
    return UNet(
        width=_side(tensors, "model.model.0.weight", 0, source),
        levels=levels,
        channels=_side(tensors, "model.model.3.weight", 1, source),
        norm=_norm(tensors, f"{innermost}.1", f"{innermost}.4", source),
    )


def _patchgan(tensors: Tensors, source: str) -> PatchGAN:
    places = sorted(
        int(name.split(".")[1])
        for name, x in tensors.items()
        if _CONVOLUTION.match(name) and x.ndim == 4
    )
    # Old instance norms have no weight, so that the third place is the second convolution's, or of
    # the blur before it.
    blurred = len(places) > 1 and places[1] == 3
    return PatchGAN(
        width=_side(tensors, "model.0.weight", 0, source),
        layers=max(len(places) - 2, 1),
        norm=_norm(tensors, f"model.{places[1]}", f"model.{places[1] + 1}", source)
        if len(places) > 1
        else "none",
        downsample="blurred" if blurred else "strided",
    )


def _pixelgan(tensors: Tensors, source: str) -> PatchGAN:
    return PatchGAN(
        width=_side(tensors, "net.0.weight", 0, source),
        layers=0,
        norm=_norm(tensors, "net.2", "net.3", source),
    )


_CONVOLUTION = re.compile(r"^model\.\d+\.weight$")


def _side(tensors: Tensors, name: str, axis: int, source: str) -> int:
    if name not in tensors or tensors[name].ndim != 4 or not tensors[name].shape[axis]:
        raise UserError(
            f"{source} lacks a convolution {name}; its layers are not those of the common code."
        )
    return tensors[name].shape[axis]


def _norm(tensors: Tensors, convolution: str, norm: str, source: str) -> Any:
    if f"{norm}.weight" not in tensors:
        return "instance" if f"{convolution}.bias" in tensors else "none"
    if f"{norm}.running_mean" not in tensors or f"{convolution}.bias" in tensors:
        raise UserError(
            f"{source} has instance norms with weights ({norm}.weight), which the common code's "
            "have not."
        )
    return "batch"


def _is_dropped(name: str, module: nn.Module) -> bool:
    instance = getattr(module, "norm", "") == "instance"
    return name.endswith(".num_batches_tracked") or (
        instance and name.endswith((".running_mean", ".running_var"))
    )


def _initial(module: nn.Module, channels: int) -> Any:
    side = getattr(module, "multiple", 16) * 2
    if isinstance(module, PatchGAN):
        side = 4 * 2 ** max(module.layers, 4)
    return module.init(jax.random.key(0), jnp.zeros((1, side, side, channels)), train=False)


def _x(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a number"
