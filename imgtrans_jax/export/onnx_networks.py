"""The networks of models/ as ONNX, written as their papers have them: a function each, line for
line that of the module. tests/export compares every one with the module itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flax import linen as nn

from imgtrans_jax.export.onnx_graph import Graph
from imgtrans_jax.models import (
    VGG,
    DCGANGenerator,
    DnCNN,
    ResNetGenerator,
    SRResNet,
    StyleNetwork,
    UNet,
)
from imgtrans_jax.models.layers import NormKind
from imgtrans_jax.models.style_network import GRAIN, MIRRORED, register_part
from imgtrans_jax.models.vgg import layer_names

Write = Callable[[Graph, Any, str], str]


def normed(g: Graph, x: str, name: str, kind: NormKind, channels: int) -> str:
    """models.layers.Norm."""
    match kind:
        case "instance":
            return g.instance_norm(x, channels)
        case "batch":
            return g.batch_norm(x, f"{name}/batch")
        case "none":
            return x


def upsampled(g: Graph, x: str, name: str, how: str, bias: bool, reflect: bool = True) -> str:
    """models.layers.Upsample."""
    if how == "transposed":
        return g.transposed(x, name, bias)
    x = g.resized(x, 2, "nearest" if how == "nearest" else "linear")
    border = "zero" if how == "blurred" else "reflect"
    return g.convolution(x, f"{name}/conv", 1, 1, border, bias)


def resnet(g: Graph, net: ResNetGenerator, x: str) -> str:
    # A bias before instance norm is idle, and batch norm has its own.
    bias = net.norm == "none"

    def rectified(y: str, name: str, channels: int) -> str:
        return g.op("Relu", normed(g, y, f"{name}_norm", net.norm, channels))

    def in_block(y: str, block: int, part: int) -> str:
        at = f"block_{block}"
        y = g.convolution(y, f"{at}/conv_{part}", 1, 1, "reflect", bias)
        return normed(g, y, f"{at}/norm_{part}", net.norm, 4 * net.width)

    y = rectified(g.convolution(x, "head", 1, 3, "reflect", bias), "head", net.width)
    for level in range(2):
        name, channels = f"down_{level}", net.width * 2 ** (level + 1)
        stride = 2 if net.downsample == "strided" else 1
        y = rectified(g.convolution(y, name, stride, 1, bias=bias), name, channels)
        y = g.blur_pool(y, channels) if net.downsample == "blurred" else y
    for block in range(net.blocks):
        y = g.op("Add", y, in_block(g.op("Relu", in_block(y, block, 0)), block, 1))
    for level in range(2):
        name = f"up_{level}"
        y = upsampled(g, y, name, net.upsample, bias)
        y = rectified(y, name, net.width * 2 ** (1 - level))
    return g.op("Tanh", g.convolution(y, "tail", 1, 3, "reflect"))


def unet(g: Graph, net: UNet, x: str) -> str:
    inner, last, skips = net.norm == "none", net.levels - 1, []

    def features(level: int) -> int:
        return net.width * 2 ** min(level, 3)

    y = x
    for level in range(net.levels):
        y = g.op("LeakyRelu", y, alpha=0.2) if level else y
        middle = 0 < level < last
        y = g.convolution(y, f"down_{level}", 2, 1, bias=inner if middle else True)
        if middle:
            y = normed(g, y, f"down_{level}_norm", net.norm, features(level))
        skips.append(y)
    y = skips.pop()
    for level in range(last, 0, -1):
        y = upsampled(g, g.op("Relu", y), f"up_{level}", net.upsample, inner)
        y = normed(g, y, f"up_{level}_norm", net.norm, features(level - 1))
        y = g.op("Concat", y, skips.pop(), axis=1)
    return g.op("Tanh", upsampled(g, g.op("Relu", y), "up_0", net.upsample, True))


def dncnn(g: Graph, net: DnCNN, x: str) -> str:
    y = g.op("Relu", g.convolution(x, "head", 1, 1))
    for level in range(net.depth):
        y = g.convolution(y, f"conv_{level}", 1, 1)
        y = g.op("Relu", g.batch_norm(y, f"norm_{level}/batch"))
    y = g.convolution(y, "tail", 1, 1)
    return g.op("Add", x, y) if net.residual else y


def srresnet(g: Graph, net: SRResNet, x: str) -> str:
    def rectified(y: str, name: str) -> str:
        return g.op("PRelu", y, g.weight(f"{name}_prelu/slope", (-1, 1, 1)))

    def inner(y: str, name: str) -> str:
        y = g.convolution(y, name, 1, 1, bias=net.norm == "none")
        return normed(g, y, f"{name}_norm", net.norm, net.width)

    first = y = rectified(g.convolution(x, "head", 1, 4), "head")
    for block in range(net.blocks):
        z = rectified(inner(y, f"block_{block}_0"), f"block_{block}")
        y = g.op("Add", y, inner(z, f"block_{block}_1"))
    y = g.op("Add", first, inner(y, "body"))
    for level in range(2):
        y = g.convolution(y, f"up_{level}", 1, 1)
        y = rectified(g.op("DepthToSpace", y, blocksize=2, mode="CRD"), f"up_{level}")
    y = g.convolution(y, "tail", 1, 4)
    return g.op("Add", y, g.resized(x, 4, "cubic")) if net.skip else y


LOOKS = "looks"
"""The second input of a network that knows several looks, (1, K): their weights, of any sum."""


def style_network(g: Graph, net: StyleNetwork, x: str) -> str:
    several = net.looks > 1
    shares = g.op("Div", LOOKS, g.op("ReduceSum", LOOKS, g.ints(1))) if several else ""

    def mixed(name: str) -> str:
        channels = g.weights[name].shape[1]
        if not several:
            return g.weight(name, (1, channels, 1, 1))
        of_look = g.op("MatMul", shares, g.weight(name))
        return g.op("Reshape", of_look, g.ints(-1, channels, 1, 1))

    def conditional(y: str, name: str) -> str:
        norm = f"{name}_norm"
        y = g.instance_norm(y, g.weights[f"{norm}/scale"].shape[1])
        return g.op("Add", g.op("Mul", y, mixed(f"{norm}/scale")), mixed(f"{norm}/shift"))

    def inner(y: str, name: str, stride: int = 1, padding: int = 1) -> str:
        return conditional(g.convolution(y, name, stride, padding, "reflect"), name)

    height = g.size(x, 2)
    y = grained(g, x, net.grain) if net.grain else x
    y = registered(g, y, net.register) if net.register else y
    y = g.op("Relu", inner(y, "head", 1, 4))
    for level in range(2):
        y = g.op("Relu", inner(y, f"down_{level}", 2))
    for block in range(net.blocks):
        z = g.op("Relu", inner(y, f"block_{block}_0"))
        y = g.op("Add", y, inner(z, f"block_{block}_1"))
    for level in range(2):
        name = f"up_{level}"
        y = g.op("Relu", conditional(upsampled(g, y, name, net.upsample, False), name))
    y = inner(y, "tail", 1, 4)
    return g.op("Tanh", g.cut(y, [(2, height)]) if net.register else y)


def grained(g: Graph, x: str, strength: float) -> str:
    """models.style_network.with_grain."""
    grain = g.constant(strength * GRAIN)
    for axis in (0, 1):
        places = g.op("Mod", g.range(g.size(x, axis + 2)), g.ints(len(GRAIN)))
        grain = g.op("Gather", grain, places, axis=axis)
    return g.op("Add", x, grain)


def registered(g: Graph, x: str, share: float) -> str:
    """models.style_network.with_register."""
    height = g.size(x, 2)
    part = register_part(share)
    below = g.op("Mul", height, g.ints(part.numerator))
    up = g.op("Add", below, g.ints(4 * part.denominator - 1))
    rows = g.op("Mul", g.op("Div", up, g.ints(4 * part.denominator)), g.ints(4))
    more = g.op("Min", g.ints(MIRRORED), g.op("Sub", height, g.ints(4)))
    x = g.mirrored(x, 2, g.op("Add", height, more), repeat_edge=False)
    shape = g.op("Concat", g.size(x, 0), g.size(x, 1), rows, g.size(x, 3), axis=0)
    black = g.op("Expand", g.constant([-1]), shape)
    return g.op("Concat", x, black, axis=2)


def dcgan(g: Graph, net: DCGANGenerator, z: str) -> str:
    levels = (net.size // 4).bit_length() - 1
    features = net.width * 2 ** (levels - 1)
    y = g.op("Reshape", z, g.ints(0, -1, 1, 1))
    y = g.convolution(y, "project", bias=net.norm == "none")
    # its outputs are (4, 4, features), and ours (features, 4, 4)
    y = g.op("Transpose", g.op("Reshape", y, g.ints(0, 4, 4, features)), perm=[0, 3, 1, 2])
    for level in range(levels):
        y = g.op("Relu", normed(g, y, f"norm_{level}", net.norm, features))
        last = level == levels - 1
        features //= 2
        bias = last or net.norm == "none"
        y = upsampled(g, y, f"up_{level}", net.upsample, bias)
    return g.op("Tanh", y)


def vgg(g: Graph, net: VGG, x: str) -> dict[str, str]:
    """Features by layer, of pictures in [0, 1]."""
    found = {"input": x}
    mean, deviation = (g.weight(name, (3, 1, 1)) for name in ("mean", "deviation"))
    x = g.op("Div", g.op("Sub", x, mean), deviation)
    for name in layer_names(net.depth)[1:]:
        if set(net.layers) <= found.keys():
            break
        if name.startswith("conv"):
            border = "edge" if name == "conv1_1" and net.border == "edge" else "zero"
            x = g.convolution(x, name, 1, 1, border)
        elif name.startswith("relu"):
            x = g.op("Relu", x)
        else:
            kind = "MaxPool" if net.pooling == "max" else "AveragePool"
            x = g.op(kind, x, kernel_shape=[2, 2], strides=[2, 2])
        found[name] = x
    return {layer: found[layer] for layer in net.layers}


WRITERS: dict[type[nn.Module], Write] = {
    ResNetGenerator: resnet,
    UNet: unet,
    DnCNN: dncnn,
    SRResNet: srresnet,
    StyleNetwork: style_network,
    DCGANGenerator: dcgan,
}
"""How a generator is written: (graph, module, name of its input) -> name of its result."""
