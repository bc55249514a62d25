"""A follower of pickles that name arrays, of NumPy's or torch's, and do nothing else.

A pickle is a program. The one here is not run: `Machine` follows the few operations that naming
arrays takes and refuses any other, every class that it may mention is replaced by a record of our
own, and sizes are checked before an array is made.
"""

from __future__ import annotations

import dataclasses
import errno
import io
import pickletools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import jax.numpy as jnp
import numpy as np

from imgtrans_jax.types import UserError

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


LONGEST_NAME = 500
"""Characters of an array's dotted name; the longest of the networks here has 150."""


class NotAllowed(Exception):
    """The file wants something that a file of arrays does not need. The message names it."""


# --------------------------------------------------------------------------- what a pickle may name


@dataclasses.dataclass(frozen=True)
class Storage:
    """Numbers that lie beside the pickle.

    Attributes:
        dtype: Of each number.
        key: Under which they lie.
        count: How many there are.
    """

    dtype: np.dtype
    key: str
    count: int


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A view on a storage.

    Attributes:
        storage: The numbers.
        offset: Of the first, in numbers.
        shape: Of the tensor.
        stride: Of each axis, in numbers.
    """

    storage: Storage
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
        if not isinstance(data, bytes) or count_of(shape) * kind.itemsize != len(data):
            raise NotAllowed("an array whose size is not that of its data")
        self.value = np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")


def _rebuild_tensor(storage: Any, offset: int, shape: Any, stride: Any, *_: Any) -> Tensor:
    if (
        not isinstance(storage, Storage)
        or not isinstance(shape, tuple)
        or not isinstance(stride, tuple)
    ):
        raise NotAllowed("a tensor without data")
    return Tensor(storage, offset, shape, stride)


def _rebuild_parameter(data: Any, *_: Any) -> Any:
    return data


def _ordered_dict(pairs: Any = ()) -> dict[Any, Any]:
    # Lists of a pickle can be each other's items: what a loop over items' items would meet has no
    # bound.
    if not isinstance(pairs, (list, tuple)) or any(
        not isinstance(p, (list, tuple)) or len(p) != 2 for p in pairs
    ):
        raise NotAllowed("a dict of something else than pairs")
    return dict(_pairs([x for pair in pairs for x in pair]))


def _pairs(items: list[Any]) -> Iterator[tuple[Any, Any]]:
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not (isinstance(key, str) and len(key) <= LONGEST_NAME) and not (
            isinstance(key, int) and abs(key) < 2**31
        ):
            raise NotAllowed("a name that is no text, or a longer one than a network has")
        yield key, value


_NUMPY: dict[str, Any] = {
    "numpy ndarray": _Array,
    "numpy dtype": _Dtype,
    "numpy.core.multiarray _reconstruct": _Array,
    "numpy._core.multiarray _reconstruct": _Array,
}
TORCH: dict[str, Any] = {
    "collections OrderedDict": _ordered_dict,
    "torch._utils _rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils _rebuild_parameter": _rebuild_parameter,
    **_STORAGES,
}

# ------------------------------------------------------------------------------- following a pickle

_VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "BINFLOAT"),
    *(
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
    ),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NEW: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class Machine:
    """Follows one pickle.

    Attributes:
        allowed: What its globals stand for, by name.
        storages: Those that it named, by key.
    """

    def __init__(self, allowed: Mapping[str, Any]) -> None:
        self.allowed = allowed
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def run(self, file: BinaryIO) -> Any:
        """The value of the pickle that begins here; leaves the file behind its end."""
        argument: Any
        # genops reads operations and their arguments; it carries out none.
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
        # Other values are not shown: a tuple of a tuple twice of a tuple twice … has an endless
        # text.
        self._name(
            f"{module} {name}"
            if isinstance(module, str) and isinstance(name, str)
            else "a name that is no text"
        )

    def _name(self, name: str) -> None:
        if name not in self.allowed:
            raise NotAllowed(name.replace(" ", ".")[:200])
        self.stack.append(self.allowed[name])

    def _reduce(self, *_: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        # By identity: a dtype, which is among the values, equals texts and other things, too.
        if not any(function is known for known in self.allowed.values()) or not isinstance(
            arguments, tuple
        ):
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
        if (
            self.allowed is not TORCH
            or not isinstance(pid, tuple)
            or len(pid) < 5
            or pid[0] != "storage"
        ):
            raise NotAllowed("data outside the file")
        _, dtype, key, _, count = pid[:5]
        if not (
            isinstance(dtype, np.dtype)
            and isinstance(key, (str, int))
            and isinstance(count, int)
            and 0 <= count < 2**40
        ):
            raise NotAllowed("a storage of another kind")
        storage = Storage(dtype, str(key), count)
        if self.storages.setdefault(storage.key, storage) != storage:
            raise NotAllowed("one storage in two forms")
        self.stack.append(storage)


# ------------------------------------------------------------------------------------ reading files


def read_arrays(path: Path) -> Any:
    """The nested dicts of a pickle, with every NumPy array in its place, read-only. Raises
    UserError for any other pickle.
    """
    with explained(path):
        return _unwrap(Machine(_NUMPY).run(io.BytesIO(path.read_bytes())), set())


class explained:
    """Turns everything that a bad file can cause into one sentence."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        if isinstance(error, NotAllowed):
            raise UserError(
                f"{self.path} asks for {error}, which a file of weights does not need; it was not "
                "executed. Either it is a whole pickled network, whose owner can save the "
                "tensors alone (torch.save(network.state_dict(), FILE)), or it is not to be "
                "trusted."
            ) from None
        if isinstance(error, FileNotFoundError):
            raise UserError(f"There is no file of weights {self.path}; check the path.") from None
        if isinstance(error, UserError) or (
            isinstance(error, OSError) and error.errno != errno.EINVAL
        ):
            return  # EINVAL: a place in the file that cannot be
        if isinstance(error, Exception):
            raise UserError(
                f"The file of weights {self.path} is damaged or cut off ({type(error).__name__}: "
                f"{str(error)[:200]}); get it again."
            ) from None


def count_of(shape: Any) -> int:
    if not (
        isinstance(shape, tuple)
        and len(shape) <= 8
        and all(isinstance(n, int) and 0 <= n < 2**40 for n in shape)
    ):
        raise NotAllowed("an array of an impossible shape")
    return int(np.prod(shape, dtype=object)) if shape else 1


def _unwrap(value: Any, seen: set[int]) -> Any:
    if isinstance(value, _Array):
        if value.value is None:
            raise NotAllowed("an array without data")
        return value.value
    if not isinstance(value, dict):
        raise NotAllowed(f"a {type(value).__name__} among the arrays")
    if id(value) in seen:  # a dict twice in a dict twice in a dict … is 2^n of them
        raise NotAllowed("one dict in two places")
    seen.add(id(value))
    return {str(key): _unwrap(item, seen) for key, item in value.items()}
