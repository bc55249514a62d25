"""Readers for pickled arrays from outside: torch's .pth in both its forms, and pickles of NumPy arrays.

A pickle is a program. This reader allows it nothing but to name arrays: every class it may mention is replaced by a record
of our own, no class of NumPy or torch is ever called, and sizes are checked against the file before an array is made.
"""

from __future__ import annotations

import collections
import dataclasses
import errno
import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from imgtrans_jax.types import UserError

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LARGEST_PICKLE = 64 * 2**20  # bytes of structure in a zip archive; the arrays lie beside it

_STORAGES = {
    "torch DoubleStorage": np.dtype("<f8"),
    "torch FloatStorage": np.dtype("<f4"),
    "torch HalfStorage": np.dtype("<f2"),
    "torch LongStorage": np.dtype("<i8"),
    "torch IntStorage": np.dtype("<i4"),
    "torch ShortStorage": np.dtype("<i2"),
    "torch CharStorage": np.dtype("i1"),
    "torch ByteStorage": np.dtype("u1"),
    "torch BoolStorage": np.dtype("?"),
}


class NotAllowed(Exception):
    """The pickle wants something that a file of arrays does not need. The message names it."""


@dataclasses.dataclass(frozen=True)
class _Kind:
    """A torch storage class, mentioned but never called."""

    dtype: np.dtype


@dataclasses.dataclass(frozen=True)
class _Storage:
    dtype: np.dtype
    key: str
    count: int


@dataclasses.dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class _Dtype:
    """What stands in for numpy.dtype: only its letters count, and its state is passed over."""

    def __init__(self, letters: str, *_: Any) -> None:
        self.letters = letters

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if not (isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", "|", "=")):
            raise NotAllowed("an array in another byte order")


class _Array:
    """What stands in for numpy.ndarray until its state has been checked."""

    def __init__(self, *_: Any) -> None:
        self.value: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _Dtype) or dtype.letters not in ("f2", "f4", "f8", "i4", "i8"):
            raise NotAllowed("an array that does not hold numbers")
        kind = np.dtype("<" + dtype.letters)
        if not isinstance(data, bytes) or _count(shape) * kind.itemsize != len(data):
            raise NotAllowed("an array whose size is not that of its data")
        self.value = np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")


def _rebuild_tensor(storage: _Storage, offset: int, shape: Any, stride: Any, *_: Any) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(stride))


def _rebuild_parameter(data: _Tensor, *_: Any) -> _Tensor:
    return data


_NUMPY: dict[str, Callable[..., Any]] = {
    "numpy ndarray": _Array,
    "numpy dtype": _Dtype,
    "numpy.core.multiarray _reconstruct": _Array,
    "numpy._core.multiarray _reconstruct": _Array,
}
_TORCH: dict[str, Any] = {
    "collections OrderedDict": collections.OrderedDict,
    "torch._utils _rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils _rebuild_parameter": _rebuild_parameter,
    **{name: _Kind(dtype) for name, dtype in _STORAGES.items()},
}


class _Reader(pickle.Unpickler):
    def __init__(self, file: BinaryIO, allowed: Mapping[str, Any]) -> None:
        super().__init__(file)
        self.allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.allowed[f"{module} {name}"]
        except KeyError:
            raise NotAllowed(f"{module}.{name}") from None

    def persistent_load(self, pid: Any) -> _Storage:
        if not self.allowed.keys() >= _STORAGES.keys() or not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            raise NotAllowed("data outside the file")
        _, kind, key, _, count = pid[:5]
        if not isinstance(kind, _Kind) or not isinstance(count, int) or count < 0:
            raise NotAllowed("a storage of another kind")
        return _Storage(kind.dtype, str(key), count)


def read_arrays(path: Path) -> Any:
    """The nested dicts of a pickle, with every NumPy array in its place, read-only. Raises UserError for any other pickle."""
    with _told(path), path.open("rb") as file:
        return _unwrap(_Reader(file, _NUMPY).load())


def read_torch(path: Path) -> dict[str, np.ndarray]:
    """Every tensor of a .pth file by its dotted name, in either of torch's forms (zip, and the one before it).

    Raises UserError if the file is damaged, is none of these, or holds anything but tensors, numbers and texts.
    """
    with _told(path), path.open("rb") as file:
        if zipfile.is_zipfile(file):
            tensors, load = _open_zip(file)
        else:
            file.seek(0)
            tensors, load = _open_legacy(file, path.stat().st_size)
        found: dict[str, np.ndarray] = {}
        _collect(tensors, "", load, found)
    if not found:
        raise UserError(f"{path} holds no tensor; a state dict is needed, as torch.save(network.state_dict(), …) writes it.")
    return found


class _told:
    """Turns everything that a bad file can cause into one sentence."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        if isinstance(error, NotAllowed):
            raise UserError(
                f"{self.path} asks for {error}, which a file of weights does not need; it was not executed. Do not trust "
                "this file, or save its tensors alone, as a .safetensors file."
            ) from None
        if isinstance(error, FileNotFoundError):
            raise UserError(f"There is no file of weights {self.path}; check the path.") from None
        if isinstance(error, UserError) or (isinstance(error, OSError) and error.errno != errno.EINVAL):
            return  # EINVAL: a place in the file that cannot be
        if isinstance(error, Exception):
            raise UserError(
                f"The file of weights {self.path} is damaged or cut off ({type(error).__name__}: {error}); get it again."
            ) from None


Load = Callable[[_Storage], np.ndarray]


def _open_zip(file: BinaryIO) -> tuple[Any, Load]:
    archive = zipfile.ZipFile(file)
    members = {info.filename: info for info in archive.infolist()}
    (structure,) = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
    if members[structure].file_size > _LARGEST_PICKLE:
        raise NotAllowed("more structure than a network has")
    folder = structure.removesuffix("data.pkl")
    order = members.get(f"{folder}byteorder")
    if order is not None and (order.file_size > 16 or archive.read(order) != b"little"):
        raise NotAllowed("tensors in another byte order")

    def load(storage: _Storage) -> np.ndarray:
        info = members[f"{folder}data/{storage.key}"]
        if info.file_size != storage.count * storage.dtype.itemsize or info.compress_type != zipfile.ZIP_STORED:
            raise NotAllowed("a tensor whose size is not that of its data")
        return np.frombuffer(archive.read(info), storage.dtype)

    return _Reader(io.BytesIO(archive.read(structure)), _TORCH).load(), load


def _open_legacy(file: BinaryIO, size: int) -> tuple[Any, Load]:
    if _Reader(file, {}).load() != _LEGACY_MAGIC:
        raise NotAllowed("another form than torch.save's")
    for _ in ("protocol", "system"):
        _Reader(file, {}).load()
    tensors = _Reader(file, _TORCH).load()
    keys = [str(key) for key in _Reader(file, {}).load()]
    places: dict[str, tuple[int, int]] = {}
    kinds: dict[str, np.dtype] = {}
    _note_kinds(tensors, kinds)
    for key in keys:
        count = int.from_bytes(file.read(8), "little")
        places[key] = (file.tell(), count)
        end = file.tell() + count * kinds[key].itemsize
        if end > size:
            raise ValueError("a tensor ends after the file")
        file.seek(end)

    def load(storage: _Storage) -> np.ndarray:
        start, count = places[storage.key]
        if count != storage.count:
            raise NotAllowed("a tensor whose size is not that of its data")
        file.seek(start)
        return np.frombuffer(file.read(count * storage.dtype.itemsize), storage.dtype)

    return tensors, load


def _note_kinds(value: Any, kinds: dict[str, np.dtype]) -> None:
    if isinstance(value, _Tensor):
        kinds[value.storage.key] = value.storage.dtype
    elif isinstance(value, Mapping):
        for item in value.values():
            _note_kinds(item, kinds)


def _collect(value: Any, name: str, load: Load, found: dict[str, np.ndarray]) -> None:
    if isinstance(value, _Tensor):
        found[name] = _strided(value, load(value.storage))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _collect(item, f"{name}.{key}" if name else str(key), load, found)


def _strided(tensor: _Tensor, data: np.ndarray) -> np.ndarray:
    """A copy of the tensor's view on its storage, once it is known to lie within it."""
    count, whole = _count(tensor.shape), (tensor.offset, *tensor.stride)
    if len(tensor.shape) != len(tensor.stride) or not all(isinstance(n, int) and n >= 0 for n in whole):
        raise NotAllowed("a tensor outside its data")
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride, strict=True))
    if (count and last >= data.size) or count > data.size:
        raise NotAllowed("a tensor outside its data")
    strides = [step * data.itemsize for step in tensor.stride]
    return np.lib.stride_tricks.as_strided(data[tensor.offset :], tensor.shape, strides).copy()


def _count(shape: Any) -> int:
    if not (isinstance(shape, tuple) and len(shape) <= 8 and all(isinstance(n, int) and n >= 0 for n in shape)):
        raise NotAllowed("an array of an impossible shape")
    return int(np.prod(shape, dtype=object)) if shape else 1


def _unwrap(value: Any) -> Any:
    if isinstance(value, _Array):
        if value.value is None:
            raise NotAllowed("an array without data")
        return value.value
    if isinstance(value, dict):
        return {str(key): _unwrap(item) for key, item in value.items()}
    raise NotAllowed(f"a {type(value).__name__} among the arrays")
