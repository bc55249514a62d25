"""An ONNX graph as it is written, layer by layer. Imports onnx, and inference for the
form of narrow weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from imgtrans_jax.inference.generator_file import SCALE

OPSET = 17
"""The oldest that has all that is used here, so that old runtimes read the files too."""

IR_VERSION = 8  # that of onnx 1.12, the first with this opset


class Graph:
    """Layers that were written, and the weights that they use. A tensor is known by its name; maps
    are (N, C, H, W), and no size of theirs is fixed.

    Args:
        weights: By name, as in Flax: kernels are (h, w, I, O).
        narrow: Those that the file holds as float16 or int8, as `narrowed` makes them; float32 is
            made of them when it is loaded.
    """

    def __init__(
        self, weights: Mapping[str, np.ndarray], narrow: Mapping[str, np.ndarray] | None = None
    ) -> None:
        self.weights = weights
        self.narrow = narrow or {}
        self.nodes: list[NodeProto] = []
        self.stored: dict[str, TensorProto] = {}
        self.known: dict[tuple[Any, ...], str] = {}

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Writes an operation of ONNX, and returns the name of its result."""
        name = f"{kind}_{len(self.nodes)}".lower()
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, values: Any, dtype: type = np.float32) -> str:
        """The name of a constant of these values, stored once."""
        array = np.asarray(values, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.known:
            self.known[key] = self._store(f"constant_{len(self.known)}", array)
        return self.known[key]

    def ints(self, *values: int) -> str:
        """Of sizes and axes: int64, of rank 1."""
        return self.constant(values, np.int64)

    def has(self, name: str) -> bool:
        return name in self.weights

    def weight(self, name: str, shape: tuple[int, ...] | None = None) -> str:
        """A weight that is no kernel, of another shape if so wanted."""
        array = self._array(name)
        array = array if shape is None else array.reshape(shape)
        return self._as_float32(self._store(name, array))

    def kernel(self, name: str, order: tuple[int, int, int, int]) -> str:
        """A kernel (h, w, I, O) with its axes in another order; of int8 with a scale for each of
        its outputs.
        """
        array = np.ascontiguousarray(self._array(name).transpose(order))
        wide = self._as_float32(self._store(name, array))
        scale = self.narrow.get(name + SCALE)
        if scale is None:
            return wide
        shape = [len(scale) if axis == 3 else 1 for axis in order]
        # Not DequantizeLinear, which runtimes do again with every picture: this they do once.
        return self.op("Mul", wide, self._store(name + SCALE, scale.reshape(shape)))

    def _array(self, name: str) -> np.ndarray:
        return self.narrow[name] if name in self.narrow else self.weights[name]

    def _store(self, name: str, array: np.ndarray) -> str:
        if name not in self.stored:
            self.stored[name] = numpy_helper.from_array(array, name)
        return name

    def _as_float32(self, name: str) -> str:
        if self.stored[name].data_type == TensorProto.FLOAT:
            return name
        return self.op("Cast", name, to=TensorProto.FLOAT)

    # ------------------------------------------------------------------------------------- layers

    def convolution(
        self,
        x: str,
        name: str,
        stride: int = 1,
        padding: int = 0,
        border: Literal["zero", "reflect", "edge"] = "zero",
        bias: bool = True,
    ) -> str:
        """That of models.layers.Conv: `name`/kernel and, with `bias`, `name`/bias."""
        if border != "zero":
            x, padding = self.padded(x, (padding, padding, padding, padding), border), 0
        inputs = [x, self.kernel(f"{name}/kernel", (3, 2, 0, 1)), *self._bias(name, bias)]
        return self.op("Conv", *inputs, strides=[stride] * 2, pads=[padding] * 4)

    def transposed(self, x: str, name: str, bias: bool = True) -> str:
        """That of models.layers.Upsample: twice the height and width."""
        side = self.weights[f"{name}/kernel"].shape[0]
        inputs = [x, self.kernel(f"{name}/kernel", (2, 3, 0, 1)), *self._bias(name, bias)]
        return self.op(
            "ConvTranspose",
            *inputs,
            strides=[2, 2],
            pads=[1] * 4,
            output_padding=[4 - side] * 2,
        )

    def _bias(self, name: str, wanted: bool) -> list[str]:
        there = wanted and self.has(f"{name}/bias")
        return [self.weight(f"{name}/bias")] if there else []

    def padded(
        self, x: str, sides: tuple[int, int, int, int], mode: Literal["reflect", "edge"]
    ) -> str:
        """Pixels around a map: above, left, below, right."""
        top, left, bottom, right = sides
        pads = self.ints(0, 0, top, left, 0, 0, bottom, right)
        return self.op("Pad", x, pads, mode=mode)

    def instance_norm(self, x: str, channels: int) -> str:
        """Each channel of each picture to mean 0 and variance 1."""
        ones, zeros = self.constant(np.ones(channels)), self.constant(np.zeros(channels))
        return self.op("InstanceNormalization", x, ones, zeros, epsilon=1e-5)

    def batch_norm(self, x: str, name: str, repeats: int = 1) -> str:
        """By the running statistics; each channel of the weights is `repeats` of the map."""
        parts = []
        for part in ("scale", "bias", "mean", "var"):
            values = np.repeat(self.weights[f"{name}/{part}"], repeats)
            parts.append(self._store(f"{name}/{part}", values.astype(np.float32)))
        return self.op("BatchNormalization", x, *parts, epsilon=1e-5)

    def resized(self, x: str, factor: int, how: Literal["nearest", "linear", "cubic"]) -> str:
        """As jax.image.resize enlarges, by a whole number."""
        settings: dict[str, Any] = {
            "nearest": {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
            "linear": {"coordinate_transformation_mode": "half_pixel"},
            "cubic": {
                "coordinate_transformation_mode": "half_pixel",
                "cubic_coeff_a": -0.5,
                "exclude_outside": 1,
            },
        }
        scales = self.constant([1, 1, factor, factor])
        return self.op("Resize", x, "", scales, mode=how, **settings[how])

    def blur_pool(self, x: str, channels: int) -> str:
        """That of models.layers: smoothed by (1, 2, 1) / 4 each way, then every second pixel."""
        taps = np.array([1, 2, 1], np.float32) / 4
        kernel = self.constant(np.tile(np.outer(taps, taps), (channels, 1, 1, 1)))
        wide = self.padded(x, (1, 1, 1, 1), "reflect")
        return self.op("Conv", wide, kernel, group=channels, strides=[2, 2], pads=[0] * 4)

    # -------------------------------------------------------------------------------------- sizes

    def size(self, x: str, axis: int) -> str:
        """How long an axis is, int64 of rank 1."""
        return self.op("Gather", self.op("Shape", x), self.ints(axis))

    def range(self, length: str) -> str:
        """0, 1, … up to a length that `size` gave."""
        zero, one = self.constant(0, np.int64), self.constant(1, np.int64)
        return self.op("Range", zero, self.op("Squeeze", length, self.ints(0)), one)

    def mirrored(self, x: str, axis: int, length: str, repeat_edge: bool) -> str:
        """An axis made `length` long by mirroring it at its end, as often as that needs.

        As a choice of lines, since ONNX's own padding goes no further than a picture is long, and
        repeats no edge.
        """
        old = self.size(x, axis)
        places = self.range(length)
        last = self.op("Sub", self.op("Mul", old, self.ints(2)), self.ints(1 if repeat_edge else 2))
        if repeat_edge:
            places = self.op("Mod", places, self.op("Mul", old, self.ints(2)))
        return self.op("Gather", x, self.op("Min", places, self.op("Sub", last, places)), axis=axis)

    def cut(self, x: str, lengths: Sequence[tuple[int, str]]) -> str:
        """The beginning of some axes: (axis, length) each."""
        ends = [length for _, length in lengths]
        starts, axes = self.ints(*(0 for _ in lengths)), self.ints(*(axis for axis, _ in lengths))
        until = self.op("Concat", *ends, axis=0) if len(ends) > 1 else ends[0]
        return self.op("Slice", x, starts, until, axes)

    # --------------------------------------------------------------------------------------- file

    def model(
        self,
        inputs: Sequence[ValueInfoProto],
        outputs: Sequence[ValueInfoProto],
        name: str,
        metadata: Mapping[str, str],
    ) -> ModelProto:
        """The whole, ready to be written."""
        graph = helper.make_graph(
            self.nodes, name, list(inputs), list(outputs), list(self.stored.values())
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="imgtrans_jax"
        )
        model.ir_version = IR_VERSION
        helper.set_model_props(model, dict(metadata))
        return model


def value(name: str, sizes: Sequence[int | str]) -> ValueInfoProto:
    """An input or output of float32; a size that is a word is free."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(sizes))
