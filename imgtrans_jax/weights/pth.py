"""torch's .pth files without torch: both of its forms are read, nothing in them is run, and the
newer one is written.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from imgtrans_jax.io.files import whole
from imgtrans_jax.types import UserError
from imgtrans_jax.weights.pickle_reader import (
    LONGEST_NAME,
    TORCH,
    Machine,
    NotAllowed,
    Storage,
    Tensor,
    count_of,
    explained,
)

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LARGEST_PICKLE = 2 * 2**20  # bytes of structure; the arrays lie beside it
_LARGEST_DIRECTORY = 4 * 2**20  # bytes of a zip archive's table of contents
_MOST_ENTRIES = 100_000  # tensors, numbers and texts of one file


def read_torch(path: Path) -> dict[str, np.ndarray]:
    """Every tensor of a .pth file by its dotted name, in either of torch's forms (zip, and the one
    before it).

    Raises:
        UserError: If the file is damaged, is none of these, or holds anything but tensors, numbers
            and texts.
    """
    with explained(path), path.open("rb") as file:
        size = path.stat().st_size
        if file.read(2) == b"PK" and not zipfile.is_zipfile(file):
            raise ValueError("the archive has no end")
        value, load = (_open_zip if zipfile.is_zipfile(file) else _open_legacy)(file, size)
        found: dict[str, np.ndarray] = {}
        # tied weights are read twice, and parts of one storage often
        left, reads = 2 * size, 64 * size + 2**20
        for name, tensor in _tensors(value):
            left -= count_of(tensor.shape) * tensor.storage.dtype.itemsize
            reads -= tensor.storage.count * tensor.storage.dtype.itemsize
            if min(left, reads) < 0:
                raise NotAllowed("tensors larger than itself")
            found[name] = _strided(tensor, load(tensor.storage))
    if not found:
        raise UserError(
            f"{path} holds no tensor; a state dict is needed, as torch.save(network.state_dict(), "
            "…) writes it."
        )
    return found


Load = Callable[[Storage], np.ndarray]
"""The numbers of a storage, read from the file."""


def _open_zip(file: BinaryIO, size: int) -> tuple[Any, Load]:
    _check_directory(file, size)
    archive = zipfile.ZipFile(file)
    infos = archive.infolist()
    members = {info.filename: info for info in infos}
    if any(name.endswith("/constants.pkl") for name in members):
        raise NotAllowed("a TorchScript program to be run")
    if len(members) < len(infos) or sum(info.file_size for info in infos) > size:
        raise NotAllowed("more data than it has")
    if any(
        info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size
        for info in infos
    ):
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

    def load(storage: Storage) -> np.ndarray:
        info = members[f"{folder}data/{storage.key}"]
        if info.file_size != storage.count * storage.dtype.itemsize:
            raise NotAllowed("a tensor whose size is not that of its data")
        return np.frombuffer(archive.read(info), storage.dtype)

    return Machine(TORCH).run(io.BytesIO(archive.read(structure))), load


def _check_directory(file: BinaryIO, size: int) -> None:
    """Refuses a zip archive whose table of contents is too large, before it is read."""
    file.seek(max(0, size - 2**16 - 22))
    tail = file.read()
    end = tail.rfind(b"PK\5\6")
    (length,) = struct.unpack_from("<L", tail, end + 12)
    large = end - 20 - 56  # where zipfile looks for the form of large archives
    if large >= 0 and tail[large : large + 4] == b"PK\6\6":
        (length,) = struct.unpack_from("<Q", tail, large + 40)
    if length > _LARGEST_DIRECTORY:
        raise NotAllowed("a table of contents larger than a network's")


def _open_legacy(file: BinaryIO, size: int) -> tuple[Any, Load]:
    file.seek(0)
    head = io.BytesIO(file.read(_LARGEST_PICKLE))
    magic = Machine({}).run(head)
    if not isinstance(magic, int) or magic != _LEGACY_MAGIC:
        raise NotAllowed("another form than torch.save's")
    for _ in ("protocol", "system"):
        Machine({}).run(head)
    machine = Machine(TORCH)
    value = machine.run(head)
    keys = Machine({}).run(head)
    if not isinstance(keys, list) or any(key not in machine.storages for key in map(_key, keys)):
        raise NotAllowed("a list of data that is none")
    start, places = head.tell(), {}
    for key in map(_key, keys):
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

    def load(storage: Storage) -> np.ndarray:
        file.seek(places[storage.key])
        return np.frombuffer(file.read(storage.count * storage.dtype.itemsize), storage.dtype)

    return value, load


def _key(key: Any) -> str:
    return str(key) if isinstance(key, (str, int)) else ""


def _tensors(value: Any) -> Iterator[tuple[str, Tensor]]:
    """The tensors of nested dicts by their dotted names."""
    waiting, seen = [("", value)], 0
    while waiting:
        name, item = waiting.pop()
        if isinstance(item, Tensor):
            yield name, item
        elif isinstance(item, dict):
            seen += len(item)  # before they are named: a dict can be in itself
            if seen > _MOST_ENTRIES or len(name) > LONGEST_NAME:
                raise NotAllowed("more entries, or longer names, than a network has")
            named = [(f"{name}.{key}" if name else str(key), inner) for key, inner in item.items()]
            waiting += named[::-1]


def _strided(tensor: Tensor, data: np.ndarray) -> np.ndarray:
    """A copy of the tensor's view on its storage, once it is known to lie within it."""
    count, whole = count_of(tensor.shape), (tensor.offset, *tensor.stride)
    if len(tensor.shape) != len(tensor.stride) or not all(
        isinstance(n, int) and 0 <= n < 2**40 for n in whole
    ):
        raise NotAllowed("a tensor outside its data")
    last = tensor.offset + sum(
        (n - 1) * step for n, step in zip(tensor.shape, tensor.stride, strict=True)
    )
    if (count and last >= data.size) or count > data.size:
        raise NotAllowed("a tensor outside its data")
    strides = [step * data.itemsize for step in tensor.stride]
    return np.lib.stride_tricks.as_strided(data[tensor.offset :], tensor.shape, strides).copy()


# ------------------------------------------------------------------------------------ writing files


def write_torch(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes arrays as torch.save writes a state dict: a zip archive, of a pickle and a member an
    array.

    Args:
        path: Of the file.
        tensors: float32 and int64 arrays by their dotted names, in the order that is wanted.
    """
    kinds = {np.dtype("<f4"): "FloatStorage", np.dtype("<i8"): "LongStorage"}
    structure = io.BytesIO()
    structure.write(pickle.PROTO + b"\2" + pickle.EMPTY_DICT + pickle.MARK)
    with whole(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for number, (name, array) in enumerate(tensors.items()):
            little = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
            strides = tuple(step // array.itemsize for step in little.strides)
            structure.write(
                _pickled(name)
                + _tensor(kinds[little.dtype], str(number), little.size, little.shape, strides)
            )
            _add(archive, f"archive/data/{number}", little.tobytes())
        structure.write(pickle.SETITEMS + pickle.STOP)
        for name, content in (
            ("data.pkl", structure.getvalue()),
            ("byteorder", b"little"),
            ("version", b"3\n"),
        ):
            _add(archive, f"archive/{name}", content)


def _tensor(
    kind: str, key: str, count: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> bytes:
    """torch._utils._rebuild_tensor_v2(("storage", kind, key, "cpu", count), 0, shape, strides,
    False, OrderedDict()).
    """
    storage = _tupled(
        _pickled("storage"), _named(f"torch {kind}"), *(_pickled(v) for v in (key, "cpu", count))
    )
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
    # without the time, so that equal weights make equal files
    archive.writestr(zipfile.ZipInfo(name), content)
