"""Pickled arrays from outside: torch's .pth in both its forms, and pickles of NumPy arrays, read and written without either.

A pickle is a program. The one here is not run: `_Machine` follows the few operations that naming arrays takes and refuses any
other, every class that it may mention is replaced by a record of our own, and sizes are checked against the file before an
array is made.
"""

from __future__ import annotations

import dataclasses
import errno
import io
import pickle
import pickletools
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import jax.numpy as jnp
import numpy as np

from imgtrans_jax.files import whole
from imgtrans_jax.types import UserError

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LARGEST_PICKLE = 2 * 2**20  # bytes of structure; the arrays lie beside it
_LARGEST_DIRECTORY = 4 * 2**20  # bytes of a zip archive's table of contents
_MOST_ENTRIES = 100_000  # tensors, numbers and texts of one file

_STORAGES = {
    "torch DoubleStorage": np.dtype("<f8"),
    "torch FloatStorage": np.dtype("<f4"),
    "torch HalfStorage": np.dtype("<f2"),
    "torch BFloat16Storage": np.dtype(jnp.bfloat16),
    "torch LongStorage": np.dtype("<i8"),
    "torch IntStorage": np.dtype("<i4"),
    "torch ShortStorage": np.dtype("<i2"),
    "torch CharStorage": np.dtype("i1"),
    "torch ByteStorage": np.dtype("u1"),
    "torch BoolStorage": np.dtype("?"),
}


class NotAllowed(Exception):
    """The file wants something that a file of arrays does not need. The message names it."""


# ------------------------------------------------------------------------------------------------ what a pickle may name


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

    def build(self, state: Any) -> None:
        if not (isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", "|", "=")):
            raise NotAllowed("an array in another byte order")


class _Array:
    """What stands in for numpy.ndarray until its state has been checked."""

    def __init__(self, *_: Any) -> None:
        self.value: np.ndarray | None = None

    def build(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _Dtype) or dtype.letters not in ("f2", "f4", "f8", "i4", "i8"):
            raise NotAllowed("an array that does not hold numbers")
        kind = np.dtype("<" + dtype.letters)
        if not isinstance(data, bytes) or _count(shape) * kind.itemsize != len(data):
            raise NotAllowed("an array whose size is not that of its data")
        self.value = np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")


def _rebuild_tensor(storage: Any, offset: int, shape: Any, stride: Any, *_: Any) -> _Tensor:
    if not isinstance(storage, _Storage) or not isinstance(shape, tuple) or not isinstance(stride, tuple):
        raise NotAllowed("a tensor without data")
    return _Tensor(storage, offset, shape, stride)


def _rebuild_parameter(data: Any, *_: Any) -> Any:
    return data


def _ordered_dict(pairs: Any = ()) -> dict[Any, Any]:
    return dict(_pairs([x for pair in pairs for x in pair]))


def _pairs(items: list[Any]) -> Iterator[tuple[Any, Any]]:
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str) and not (isinstance(key, int) and abs(key) < 2**31):
            raise NotAllowed("a name that is no text")
        yield key, value


_NUMPY: dict[str, Any] = {
    "numpy ndarray": _Array,
    "numpy dtype": _Dtype,
    "numpy.core.multiarray _reconstruct": _Array,
    "numpy._core.multiarray _reconstruct": _Array,
}
_TORCH: dict[str, Any] = {
    "collections OrderedDict": _ordered_dict,
    "torch._utils _rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils _rebuild_parameter": _rebuild_parameter,
    **_STORAGES,
}

# ------------------------------------------------------------------------------------------------ following a pickle

_VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NEW: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Machine:
    """Follows one pickle. allowed: what its globals stand for. storages: those it named, by key."""

    def __init__(self, allowed: Mapping[str, Any]) -> None:
        self.allowed = allowed
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, _Storage] = {}

    def run(self, file: BinaryIO) -> Any:
        """The value of the pickle that begins here; leaves the file behind its end."""
        argument: Any
        for opcode, argument, _ in pickletools.genops(file):
            name = opcode.name
            if name in _VALUES:
                self.stack.append(argument)
            elif name in ("BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE"):
                self.memo[len(self.memo) if name == "MEMOIZE" else argument] = self.stack[-1]
            elif name in ("BINGET", "LONG_BINGET", "GET"):
                self.stack.append(self.memo[argument])
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name in _NEW:
                self.stack.append(_NEW[name]())
            elif name == "MARK":
                self.marks.append(len(self.stack))
            elif name not in ("PROTO", "FRAME", "STOP"):
                getattr(self, f"_{name.lower()}", self._refuse)(name, argument)
        return self.stack.pop()

    def _refuse(self, name: str, _: Any) -> None:
        raise NotAllowed(f"the pickle operation {name}")

    def _since_mark(self) -> list[Any]:
        at = self.marks.pop()
        items = self.stack[at:]
        del self.stack[at:]
        return items

    def _tuple(self, *_: Any) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _short_tuple(self, name: str, _: Any) -> None:
        items = tuple(self.stack.pop() for _ in range(_TUPLES[name]))
        self.stack.append(items[::-1])

    _tuple1 = _tuple2 = _tuple3 = _short_tuple

    def _list(self, *_: Any) -> None:
        self.stack.append(self._since_mark())

    def _dict(self, *_: Any) -> None:
        self.stack.append(dict(_pairs(self._since_mark())))

    def _append(self, *_: Any) -> None:
        self._extend([self.stack.pop()])

    def _appends(self, *_: Any) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise NotAllowed("a list that is none")
        self.stack[-1].extend(items)

    def _setitem(self, *_: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._insert([key, value])

    def _setitems(self, *_: Any) -> None:
        self._insert(self._since_mark())

    def _insert(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not dict:
            raise NotAllowed("a dict that is none")
        self.stack[-1].update(_pairs(items))

    def _global(self, _: str, argument: Any) -> None:
        self._name(str(argument))

    def _stack_global(self, *_: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self._name(f"{module} {name}")

    def _name(self, name: str) -> None:
        if name not in self.allowed:
            raise NotAllowed(name.replace(" ", ".")[:200])
        self.stack.append(self.allowed[name])

    def _reduce(self, *_: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not any(function is known for known in self.allowed.values()) or not isinstance(arguments, tuple):
            raise NotAllowed("a call of something else than an array's making")
        self.stack.append(function(*arguments))

    def _build(self, *_: Any) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], (_Array, _Dtype)):
            self.stack[-1].build(state)
        elif type(self.stack[-1]) is not dict:  # a dict's attributes are passed over
            raise NotAllowed("an object with a state")

    def _binpersid(self, *_: Any) -> None:
        pid = self.stack.pop()
        if self.allowed is not _TORCH or not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            raise NotAllowed("data outside the file")
        _, dtype, key, _, count = pid[:5]
        if not isinstance(dtype, np.dtype) or not isinstance(count, int) or not 0 <= count < 2**40:
            raise NotAllowed("a storage of another kind")
        storage = _Storage(dtype, str(key), count)
        if self.storages.setdefault(storage.key, storage) != storage:
            raise NotAllowed("one storage in two forms")
        self.stack.append(storage)


# ------------------------------------------------------------------------------------------------ reading files


def read_arrays(path: Path) -> Any:
    """The nested dicts of a pickle, with every NumPy array in its place, read-only. Raises UserError for any other pickle."""
    with _told(path):
        return _unwrap(_Machine(_NUMPY).run(io.BytesIO(path.read_bytes())))


def read_torch(path: Path) -> dict[str, np.ndarray]:
    """Every tensor of a .pth file by its dotted name, in either of torch's forms (zip, and the one before it).

    Raises UserError if the file is damaged, is none of these, or holds anything but tensors, numbers and texts.
    """
    with _told(path), path.open("rb") as file:
        size = path.stat().st_size
        if file.read(2) == b"PK" and not zipfile.is_zipfile(file):
            raise ValueError("the archive has no end")
        value, load = (_open_zip if zipfile.is_zipfile(file) else _open_legacy)(file, size)
        found: dict[str, np.ndarray] = {}
        left = 2 * size  # tied weights are read twice
        for name, tensor in _tensors(value):
            left -= _count(tensor.shape) * tensor.storage.dtype.itemsize
            if left < 0:
                raise NotAllowed("tensors larger than itself")
            found[name] = _strided(tensor, load(tensor.storage))
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
                f"{self.path} asks for {error}, which a file of weights does not need; it was not executed. Either it is a "
                "whole pickled network, whose owner can save the tensors alone (torch.save(network.state_dict(), FILE)), or it "
                "is not to be trusted."
            ) from None
        if isinstance(error, FileNotFoundError):
            raise UserError(f"There is no file of weights {self.path}; check the path.") from None
        if isinstance(error, UserError) or (isinstance(error, OSError) and error.errno != errno.EINVAL):
            return  # EINVAL: a place in the file that cannot be
        if isinstance(error, Exception):
            raise UserError(
                f"The file of weights {self.path} is damaged or cut off ({type(error).__name__}: {str(error)[:200]}); get it "
                "again."
            ) from None


Load = Callable[[_Storage], np.ndarray]


def _open_zip(file: BinaryIO, size: int) -> tuple[Any, Load]:
    _check_directory(file, size)
    archive = zipfile.ZipFile(file)
    infos = archive.infolist()
    members = {info.filename: info for info in infos}
    if any(name.endswith("/constants.pkl") for name in members):
        raise NotAllowed("a TorchScript program to be run")
    if len(members) < len(infos) or sum(info.file_size for info in infos) > size:
        raise NotAllowed("more data than it has")
    if any(info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size for info in infos):
        raise NotAllowed("compressed data")
    (structure,) = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
    if members[structure].file_size > _LARGEST_PICKLE:
        raise NotAllowed("more structure than a network has")
    damaged = archive.testzip()  # the checksums of what is not read below, too
    if damaged is not None:
        raise ValueError(f"{damaged} has another checksum")
    folder = structure.removesuffix("data.pkl")
    order = members.get(f"{folder}byteorder")
    if order is not None and archive.read(order) != b"little":
        raise NotAllowed("tensors in another byte order")

    def load(storage: _Storage) -> np.ndarray:
        info = members[f"{folder}data/{storage.key}"]
        if info.file_size != storage.count * storage.dtype.itemsize:
            raise NotAllowed("a tensor whose size is not that of its data")
        return np.frombuffer(archive.read(info), storage.dtype)

    return _Machine(_TORCH).run(io.BytesIO(archive.read(structure))), load


def _check_directory(file: BinaryIO, size: int) -> None:
    """Refuses a zip archive whose table of contents is too large, before it is read."""
    file.seek(max(0, size - 2**16 - 22))
    tail = file.read()
    end = tail.rfind(b"PK\5\6")
    (length,) = struct.unpack_from("<L", tail, end + 12)
    large = tail.rfind(b"PK\6\6", 0, end)
    if large >= 0:
        (length,) = struct.unpack_from("<Q", tail, large + 40)
    if length > _LARGEST_DIRECTORY:
        raise NotAllowed("a table of contents larger than a network's")


def _open_legacy(file: BinaryIO, size: int) -> tuple[Any, Load]:
    file.seek(0)
    head = io.BytesIO(file.read(_LARGEST_PICKLE))
    if _Machine({}).run(head) != _LEGACY_MAGIC:
        raise NotAllowed("another form than torch.save's")
    for _ in ("protocol", "system"):
        _Machine({}).run(head)
    machine = _Machine(_TORCH)
    value = machine.run(head)
    keys = [str(key) for key in _Machine({}).run(head)]
    start, places = head.tell(), {}
    for key in keys:
        file.seek(start)
        storage = machine.storages[key]
        if start + 8 > size:
            raise ValueError(f"it ends at {size} bytes")
        if int.from_bytes(file.read(8), "little") != storage.count:
            raise NotAllowed("a tensor whose size is not that of its data")
        places[key] = start + 8
        start += 8 + storage.count * storage.dtype.itemsize
    if start != size:
        raise ValueError(f"{start} bytes are needed and {size} are there")

    def load(storage: _Storage) -> np.ndarray:
        file.seek(places[storage.key])
        return np.frombuffer(file.read(storage.count * storage.dtype.itemsize), storage.dtype)

    return value, load


def _tensors(value: Any) -> Iterator[tuple[str, _Tensor]]:
    """The tensors of nested dicts by their dotted names."""
    waiting, seen = [("", value)], 0
    while waiting:
        name, item = waiting.pop()
        seen += 1
        if seen > _MOST_ENTRIES:
            raise NotAllowed("more entries than a network has")
        if isinstance(item, _Tensor):
            yield name, item
        elif isinstance(item, dict):
            named = [(f"{name}.{key}" if name else str(key), inner) for key, inner in item.items()]
            waiting += named[::-1]


def _strided(tensor: _Tensor, data: np.ndarray) -> np.ndarray:
    """A copy of the tensor's view on its storage, once it is known to lie within it."""
    count, whole = _count(tensor.shape), (tensor.offset, *tensor.stride)
    if len(tensor.shape) != len(tensor.stride) or not all(isinstance(n, int) and 0 <= n < 2**40 for n in whole):
        raise NotAllowed("a tensor outside its data")
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride, strict=True))
    if (count and last >= data.size) or count > data.size:
        raise NotAllowed("a tensor outside its data")
    strides = [step * data.itemsize for step in tensor.stride]
    return np.lib.stride_tricks.as_strided(data[tensor.offset :], tensor.shape, strides).copy()


def _count(shape: Any) -> int:
    if not (isinstance(shape, tuple) and len(shape) <= 8 and all(isinstance(n, int) and 0 <= n < 2**40 for n in shape)):
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


# ------------------------------------------------------------------------------------------------ writing files


def write_torch(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes float32 and int64 arrays as torch.save writes a state dict: a zip archive, of a pickle and a member an array."""
    kinds = {np.dtype("<f4"): "FloatStorage", np.dtype("<i8"): "LongStorage"}
    structure = io.BytesIO()
    structure.write(pickle.PROTO + b"\2" + pickle.EMPTY_DICT + pickle.MARK)
    with whole(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for number, (name, array) in enumerate(tensors.items()):
            little = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
            strides = tuple(step // array.itemsize for step in little.strides)
            structure.write(_pickled(name) + _tensor(kinds[little.dtype], str(number), little.size, little.shape, strides))
            _add(archive, f"archive/data/{number}", little.tobytes())
        structure.write(pickle.SETITEMS + pickle.STOP)
        for name, content in (("data.pkl", structure.getvalue()), ("byteorder", b"little"), ("version", b"3\n")):
            _add(archive, f"archive/{name}", content)


def _tensor(kind: str, key: str, count: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """torch._utils._rebuild_tensor_v2(("storage", kind, key, "cpu", count), 0, shape, strides, False, OrderedDict())."""
    storage = _tupled(_pickled("storage"), _named(f"torch {kind}"), *(_pickled(v) for v in (key, "cpu", count)))
    hooks = _named("collections OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE
    sizes = (_tupled(*map(_pickled, of)) for of in (shape, strides))
    arguments = _tupled(storage + pickle.BINPERSID, _pickled(0), *sizes, pickle.NEWFALSE, hooks)
    return _named("torch._utils _rebuild_tensor_v2") + arguments + pickle.REDUCE


def _tupled(*items: bytes) -> bytes:
    return pickle.MARK + b"".join(items) + pickle.TUPLE


def _named(name: str) -> bytes:
    return pickle.GLOBAL + name.replace(" ", "\n").encode() + b"\n"


def _pickled(value: str | int) -> bytes:
    if isinstance(value, str):
        text = value.encode()
        return pickle.BINUNICODE + struct.pack("<I", len(text)) + text
    return pickle.BININT + struct.pack("<i", value)


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name), content)  # without the time, so that equal weights make equal files
