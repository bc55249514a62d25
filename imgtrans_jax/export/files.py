"""Trained networks as ONNX and StableHLO. Imports inference, models, convolution, and this folder's
writers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax.traverse_util import unflatten_dict
from jax import export as jax_export
from onnx import ModelProto, checker, helper

from imgtrans_jax.convolution.forms import form
from imgtrans_jax.export.network import Exported
from imgtrans_jax.export.onnx_graph import Graph, value
from imgtrans_jax.export.onnx_networks import LOOKS, WRITERS, vgg
from imgtrans_jax.inference.generator_file import Precision, flatten_arrays, narrowed, widened
from imgtrans_jax.inference.translator import SMALLEST
from imgtrans_jax.models.vgg import VGG, channels
from imgtrans_jax.types import Params, UserError

PLATFORMS = ("cpu", "cuda", "tpu")


def onnx_model(
    network: Exported, precision: Precision = "float32", told: Mapping[str, str] | None = None
) -> ModelProto:
    """A network as ONNX: `image` -> `result`, of any batch, height and width; with `looks` where it
    knows several; `latent`, and `classes`, where it makes pictures from nothing.

    Args:
        network: What is written.
        precision: Of its weights; it computes in float32.
        told: Its metadata; None for `network.told()`.

    Returns:
        The model.

    Raises:
        UserError: If there is no form in ONNX for such a network.
    """
    write = WRITERS.get(type(network.module))
    if write is None:
        known = ", ".join(kind.__name__ for kind in WRITERS)
        raise UserError(
            f"There is no ONNX form of a {type(network.module).__name__}; there is of {known}. "
            "OUT.stablehlo takes any network."
        )
    graph = Graph(network.weights, _narrow(network.params, precision))
    if network.from_latents:
        given = [value("latent", ["n", network.channels])]
        if network.classes:
            given += [value("classes", ["n", network.classes])]
        x = graph.op("Concat", "latent", "classes", axis=1) if network.classes else "latent"
        made = write(graph, network.module, x)
        sides: list[int | str] = [network.module.size] * 2
    else:
        given = [value("image", ["n", network.channels, "height", "width"])]
        if network.looks:
            given += [value(LOOKS, [1, len(network.looks)])]
        made = _framed(graph, network, write)
        times = f"{network.factor}*" if network.factor > 1 else ""
        sides = [f"{times}height", f"{times}width"]
    assert graph.nodes[-1].output[0] == made
    graph.nodes[-1].output[0] = "result"
    outputs = [value("result", ["n", network.module.channels, *sides])]
    model = graph.model(given, outputs, type(network.module).__name__, told or network.told())
    checker.check_model(model, full_check=True)
    return model


def _framed(graph: Graph, network: Exported, write: Any) -> str:
    """A network between what makes its picture fit and what cuts the result back."""
    multiple, x = network.multiple, "image"
    least, sides = -(-SMALLEST // multiple), [(axis, graph.size("image", axis)) for axis in (2, 3)]
    for axis, side in sides:
        up = graph.op("Add", side, graph.ints(multiple - 1))
        times = graph.op("Max", graph.op("Div", up, graph.ints(multiple)), graph.ints(least))
        length = graph.op("Mul", times, graph.ints(multiple))
        x = graph.mirrored(x, axis, length, repeat_edge=True)
    made = write(graph, network.module, x)
    factor = graph.ints(network.factor)
    ends = [
        (axis, graph.op("Mul", side, factor) if network.factor > 1 else side)
        for axis, side in sides
    ]
    return graph.cut(made, ends)


def onnx_features(module: VGG, params: Mapping[str, Any], precision: Precision) -> ModelProto:
    """VGG's features as ONNX: `image` (N, 3, H, W) RGB in [0, 1] -> a result for each layer, by its
    name.

    Args:
        module: With the layers that are wanted.
        params: Its variables.
        precision: Of its weights.

    Returns:
        The model.
    """
    weights = {name: np.asarray(x) for name, x in flatten_arrays(params["params"]).items()}
    graph = Graph(weights, _narrow(params["params"], precision))
    outputs = []
    for layer, made in vgg(graph, module, "image").items():
        # an output is no other's input where a name of its own is given to it
        graph.nodes.append(helper.make_node("Identity", [made], [layer], name=layer))
        outputs.append(value(layer, ["n", channels(layer), f"{layer}_h", f"{layer}_w"]))
    told = {
        "network": f"VGG-{module.depth}",
        "layout": "NCHW",
        "input": "image: float32, N x 3 x H x W, RGB in [0, 1]; normalization is inside",
        "pooling": module.pooling,
        "border": module.border,
    }
    given = [value("image", ["n", 3, "height", "width"])]
    model = graph.model(given, outputs, f"VGG{module.depth}", told)
    checker.check_model(model, full_check=True)
    return model


def stablehlo(network: Exported) -> bytes:
    """A network as jax.export's StableHLO, for CPU, CUDA and TPU in one file, of any batch, height
    and width.

    Args:
        network: What is written.

    Returns:
        What jax.export.deserialize reads; the inputs are those of the ONNX form, in its order.
    """
    if network.from_latents:
        (n,) = jax_export.symbolic_shape("n")
        shapes = [(n, network.channels)] + ([(n, network.classes)] if network.classes else [])
    else:
        n, height, width = jax_export.symbolic_shape(
            "n, height, width", constraints=["height >= 1", "width >= 1"]
        )
        shapes = [(n, network.channels, height, width)]
        shapes += [(1, len(network.looks))] if network.looks else []

    def result(*inputs: jax.Array) -> jax.Array:
        with form("plain"):
            return network(network.params, *inputs)

    given = [jax.ShapeDtypeStruct(shape, np.dtype(np.float32)) for shape in shapes]
    made: Any = jax_export.export(jax.jit(result), platforms=PLATFORMS)(*given)
    return bytes(made.serialize())


def with_precision(network: Exported, precision: Precision) -> Exported:
    """The network with its weights as a file of that precision gives them back."""
    arrays = flatten_arrays(network.params) | widened(_narrow(network.params, precision))
    return dataclasses.replace(network, params=unflatten_dict(arrays, sep="/"))


def _narrow(params: Params, precision: Precision) -> dict[str, np.ndarray]:
    """The weights that a file of this precision holds narrower than float32. Those of batch norm
    stay: they are few, and go with running variances that may be beyond float16.
    """
    if precision == "float32":
        return {}
    arrays = flatten_arrays(params)
    wide = {name: x for name, x in arrays.items() if "/batch/" not in f"/{name}"}
    return narrowed(wide, precision == "int8")
