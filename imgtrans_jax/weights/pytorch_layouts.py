"""The networks of junyanz/pytorch-CycleGAN-and-pix2pix (CycleGAN, pix2pix) and of CUT, known by the
names and shapes of their tensors, and ours.

A state dict names its layers by their place in torch.nn.Sequential: a ResNet `model.1.weight`,
`model.10.conv_block.1.weight`; a U-Net `model.model.0.weight`, `model.model.1.model.1.weight`; a
PatchGAN `model.0.weight`, a PixelGAN `net.0.weight`. One table, `layout`, serves both directions.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict

from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.types import Params, UserError

Tensors = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Network:
    """A network with its weights.

    Attributes:
        module: A ResNetGenerator, UNet or PatchGAN.
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
        return not isinstance(self.module, PatchGAN)


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


# ------------------------------------------------------------------------- from their names to ours


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
    tensors = _of_one_network(tensors, source)
    module, channels = _module(tensors, source)
    shapes = jax.eval_shape(lambda: _initial(module, channels))
    wanted = {name: x.shape for kind in shapes.values() for name, x in _flat(kind).items()}
    take = _Taker(tensors, source, _named(module))
    params, stats = {}, {}
    for layer in layout(module):
        if layer.norm:
            for theirs, ours, learned in _NORM:
                (params if learned else stats)[f"{layer.ours}/{ours}"] = take(
                    f"{layer.theirs}.{theirs}", wanted[f"{layer.ours}/{ours}"]
                )
            continue
        order = (2, 3, 0, 1) if layer.transposed else (2, 3, 1, 0)
        shape = tuple(wanted[f"{layer.ours}/kernel"][order.index(axis)] for axis in range(4))
        params[f"{layer.ours}/kernel"] = _joined(
            layer, take(f"{layer.theirs}.weight", shape).transpose(order)
        )
        bias = wanted.get(f"{layer.ours}/bias")
        if bias is not None:
            params[f"{layer.ours}/bias"] = (
                take(f"{layer.theirs}.bias", bias) if layer.bias else np.zeros(bias, np.float32)
            )
    for name, kernel in _filters(module).items():
        if not np.allclose(take(name, kernel.shape), kernel, atol=1e-3):
            raise UserError(
                f"{source} is {_named(module)}, but its {name} is another blur than CUT's."
            )
    left = sorted(name for name in tensors.keys() - take.used if not _is_dropped(name, module))
    if left:
        raise UserError(
            f"{source} is {_named(module)} but has {', '.join(left[:3])} too, which that has not."
        )
    return Network(module, unflatten_dict(params, sep="/"), unflatten_dict(stats, sep="/"))


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


_NORM = (
    ("weight", "scale", True),
    ("bias", "bias", True),
    ("running_mean", "mean", False),
    ("running_var", "var", False),
)
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
    while f"{_level(levels)}.1.weight" in tensors:
        levels += 1
    innermost = _level(levels - 1)
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


# ------------------------------------------------------------------------- from ours to their names


def state_dict(network: Network) -> dict[str, np.ndarray]:
    """The network's tensors under the names of junyanz/pytorch-CycleGAN-and-pix2pix and in its
    order, float32 and int64.

    Raises:
        UserError: For a network that it has not got.
    """
    check_exportable(network.module)
    params, stats = _flat(network.params), _flat(network.stats)
    found: dict[str, np.ndarray] = {}
    for layer in layout(network.module):
        if layer.norm:
            for theirs, ours, learned in _NORM:
                found[f"{layer.theirs}.{theirs}"] = _float32(
                    (params if learned else stats)[f"{layer.ours}/{ours}"]
                )
            found[f"{layer.theirs}.num_batches_tracked"] = np.zeros((), np.int64)
            continue
        order = (2, 3, 0, 1) if layer.transposed else (3, 2, 0, 1)
        kernel = _joined(layer, _float32(params[f"{layer.ours}/kernel"]))
        found[f"{layer.theirs}.weight"] = kernel.transpose(order)
        if f"{layer.ours}/bias" in params and layer.bias:
            found[f"{layer.theirs}.bias"] = _float32(params[f"{layer.ours}/bias"])
        elif f"{layer.ours}/bias" in params and np.any(params[f"{layer.ours}/bias"]):
            raise UserError(
                f"The common PyTorch code has no bias at {layer.theirs} for "
                f"norm={network.module.norm!r}."
            )  # type: ignore[attr-defined]
    return found | _filters(network.module)


def check_exportable(module: nn.Module) -> None:
    """Raises UserError for a network that junyanz/pytorch-CycleGAN-and-pix2pix has not got."""
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


def _filters(module: nn.Module) -> dict[str, np.ndarray]:
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


def _level(level: int) -> str:
    """Where a U-Net's level lies: each in the middle of the one above."""
    return "model.model" + "".join(f".{1 if i == 0 else 3}.model" for i in range(level))


def _unet_layers(net: UNet) -> Iterator[Layer]:
    inner, batch, last = net.norm == "instance", net.norm == "batch", net.levels - 1
    yield Layer("model.model.0", "down_0", bias=inner)
    for level in range(1, net.levels):
        yield Layer(f"{_level(level)}.1", f"down_{level}", bias=inner)
        if batch and level < last:
            yield Layer(f"{_level(level)}.2", f"down_{level}_norm/batch", norm=True)
    for level in range(last, 0, -1):
        at = 3 if level == last else 5
        yield Layer(
            f"{_level(level)}.{at}",
            f"up_{level}",
            transposed=True,
            after_skip=level < last,
            bias=inner,
        )
        if batch:
            yield Layer(f"{_level(level)}.{at + 1}", f"up_{level}_norm/batch", norm=True)
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
    return f"{_named(net)}: {', '.join(parts)}; {count:,} parameters"


def _named(net: nn.Module) -> str:
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


def _initial(module: nn.Module, channels: int) -> Any:
    side = getattr(module, "multiple", 16) * 2
    if isinstance(module, PatchGAN):
        side = 4 * 2 ** max(module.layers, 4)
    return module.init(jax.random.key(0), jnp.zeros((1, side, side, channels)), train=False)


def _joined(layer: Layer, kernel: np.ndarray) -> np.ndarray:
    """The halves of a kernel's inputs (h, w, I, O) change places if a skip connection is one of
    them.
    """
    return np.roll(kernel, kernel.shape[2] // 2, axis=2) if layer.after_skip else kernel


def _float32(array: Any) -> np.ndarray:
    return np.asarray(array, np.float32)


def _flat(tree: Any) -> dict[str, Any]:
    return dict(flatten_dict(tree, sep="/"))


def _x(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a number"
