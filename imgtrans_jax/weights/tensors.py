"""Files of tensors by name, .safetensors and .pth, from anywhere: nothing in them is run, and sizes
are checked first.

The library of .safetensors, which writes ours, is not what reads them: it wants a whole file, where
here a remote one is read in the parts that are wanted; it takes a name that occurs twice, headers
of 100 MB, and names and shapes of any length.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import jax.numpy as jnp
import numpy as np

from imgtrans_jax.io import json_files
from imgtrans_jax.types import UserError
from imgtrans_jax.weights.pickle_reader import LONGEST_NAME
from imgtrans_jax.weights.pth import read_torch

_KINDS = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(jnp.bfloat16),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_LARGEST_HEADER = 4 * 2**20


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The tensors of a .safetensors or .pth file, told apart by their content, and the metadata of
    the former.

    Raises:
        UserError: If the file is missing, empty, damaged, or anything else.
    """
    try:
        with path.open("rb") as file:
            head = file.read(10)
            if not head:
                raise UserError(f"The file of weights {path} is empty; get it again.")
            if head[8:9] != b"{" and head[:1] != b"\x80" and head[:2] != b"PK":
                raise UserError(f"{path} is no file of weights; a .pth or .safetensors is needed.")
            if head[8:9] != b"{":
                return read_torch(path), {}
            file.seek(0)
            return read_safetensors(file, path.stat().st_size)
    except FileNotFoundError:
        raise UserError(f"There is no file of weights {path}; check the path.") from None
    except ValueError as error:
        raise UserError(
            f"The file of weights {path} is damaged or cut off ({str(error)[:200]}); get it again."
        ) from None


def read_safetensors(
    file: BinaryIO, size: int, wanted: Callable[[str], bool] = lambda name: True
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The tensors of a .safetensors file, read one by one, and its metadata.

    The form: 8 bytes with the header's length, the header (JSON: name, dtype, shape, place), the
    data without gaps.

    Args:
        file: At its beginning.
        size: Of the file in bytes.
        wanted: Says of a name whether the tensor is read; by default all are.

    Returns:
        Arrays by name, and the metadata.

    Raises:
        ValueError: For any other form.
    """
    try:
        return _read_safetensors(file, size, wanted)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"its header is none: {type(error).__name__} {str(error)[:100]}") from None


def _read_safetensors(
    file: BinaryIO, size: int, wanted: Callable[[str], bool]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    length = int.from_bytes(_exactly(file, 8), "little")
    if not 2 <= length <= min(size - 8, _LARGEST_HEADER):
        raise ValueError("its header has an impossible length")
    header = json_files.parsed(_exactly(file, length))
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(
        isinstance(text, str) for text in metadata.values()
    ):
        raise ValueError("its metadata are no texts")
    places = sorted((*entry["data_offsets"], name) for name, entry in header.items())
    at, arrays = 0, {}
    for start, end, name in places:
        kind, shape = _KINDS[header[name]["dtype"]], tuple(header[name]["shape"])
        if len(name) > LONGEST_NAME or type(start) is not int or type(end) is not int:
            raise ValueError(f"the tensor {name[:100]} has no name or place that can be")
        if start != at or not _fits(shape, kind, end - start) or end > size - 8 - length:
            raise ValueError(f"the tensor {name[:100]} does not lie where it should")
        at = end
        if wanted(name):
            file.seek(8 + length + start)
            arrays[name] = np.frombuffer(_exactly(file, end - start), kind).reshape(shape)
    return arrays, metadata


def _fits(shape: tuple[Any, ...], kind: np.dtype, count: int) -> bool:
    whole = len(shape) <= 8 and all(type(n) is int and 0 <= n < 2**40 for n in shape)
    return whole and int(np.prod(shape, dtype=object)) * kind.itemsize == count


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise ValueError("it ends too early")
    return data
