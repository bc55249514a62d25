"""Where pairs come from: files that hold both halves, two folders, the embedded drawings, pix2pix's archives, tfds."""

from __future__ import annotations

import copy
import dataclasses
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from imgtrans_jax.data.archives import ADDRESS, NAMES, fetched
from imgtrans_jax.data.openmoji import TEST, load_openmoji
from imgtrans_jax.data.sources import FilePictures, Folder, Pictures, Side, Tfds
from imgtrans_jax.types import DataSet, PathText, UserError

Pair = tuple[np.ndarray, np.ndarray]


class Pairs(Protocol):
    """Random access to pairs (a, b) of pictures (H, W, C), uint8 or float32 in [0, 1]."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Pair: ...


@runtime_checkable
class PairSource(Protocol):
    """Pairs of pictures."""

    def open(self, size: int, channels: int) -> tuple[Pairs, Pairs]:
        """Training and test pairs. `size` is what they will be resized to, for sources that can draw at any size.

        Raises UserError if they are not to be had.
        """
        ...


@dataclasses.dataclass(frozen=True)
class OpenMojiPairs:
    """The embedded drawings: a is the line drawing, b the coloured one. The test pairs are a held-out tenth."""

    def open(self, size: int, channels: int) -> tuple[Pairs, Pairs]:
        if channels != 3:
            raise UserError(f"The embedded drawings are RGB; data.channels={channels} needs pictures of your own.")
        drawings = load_openmoji(size)
        held_out = drawings["split"] == TEST
        train, test = (Zipped(drawings["sketch"][rows], drawings["colour"][rows]) for rows in (~held_out, held_out))
        return train, test


@dataclasses.dataclass(frozen=True)
class SideBySide:
    """A folder of pictures that each hold a pair, a left and b right, as pix2pix's data sets do.

    Of a folder with `train`, test pairs come from `test`, or else from `val`; without one the training pairs serve for the
    samples too.
    """

    path: PathText

    def open(self, size: int, channels: int) -> tuple[Pairs, Pairs]:
        path = Path(self.path).expanduser()
        inner = path / "train" if (path / "train").is_dir() else path
        train = Halves(FilePictures(inner, channels))
        height, width = train.pictures[0].shape[:2]
        name = train.pictures.paths[0].name
        if width <= height:
            raise UserError(
                f"{name} in {inner} is {width}x{height}, which is no pair side by side; for two folders whose pictures match "
                "by name give --config.data.a=DIR --config.data.b=DIR."
            )
        print(f"Each picture of {inner} is cut in the middle, a left and b right ({name}: {width // 2}x{height} each).")
        held_out = next((p for p in (inner.with_name("test"), inner.with_name("val")) if p.is_dir()), None)
        has_test = inner.name == "train" and held_out is not None
        return train, Halves(FilePictures(held_out, channels)) if has_test and held_out else train


@dataclasses.dataclass(frozen=True)
class TwoFolders:
    """Two folders whose pictures match by their names, without the suffix. `train` or `trainA` and `trainB` in them, and test
    folders beside these, are found as for `Folder`."""

    a: PathText
    b: PathText

    def open(self, size: int, channels: int) -> tuple[Pairs, Pairs]:
        (train_a, test_a), (train_b, test_b) = (
            Folder(self.a).open("a", size, channels),
            Folder(self.b).open("b", size, channels),
        )
        train = _matched(train_a, train_b, self.a, self.b)
        return train, train if test_a is train_a or test_b is train_b else _matched(test_a, test_b, self.a, self.b)


@dataclasses.dataclass(frozen=True)
class Pix2Pix:
    """One of pix2pix's own data sets by name: facades, maps, edges2shoes, edges2handbags, cityscapes, night2day.

    It is looked for in $IMGTRANS_DATA/NAME, else fetched once from its authors and kept in the cache folder.
    """

    name: str = "facades"

    def open(self, size: int, channels: int) -> tuple[Pairs, Pairs]:
        if self.name not in NAMES:
            near = difflib.get_close_matches(self.name, NAMES, 1)
            raise UserError(f"{ADDRESS} has no '{self.name}'; choose one of {', '.join(near or NAMES)}.")
        return SideBySide(str(fetched(self.name))).open(size, channels)


@dataclasses.dataclass(frozen=True)
class TfdsPairs:
    """A data set of tensorflow-datasets whose examples hold both pictures, under the features `a` and `b`."""

    name: DataSet
    a: str
    b: str
    train: str = "train"
    test: str = "test"
    data_dir: PathText = ""

    def open(self, size: int, channels: int) -> tuple[Pairs, Pairs]:
        sides: tuple[tuple[Side, str], ...] = (("a", self.a), ("b", self.b))
        opened = [Tfds(self.name, self.train, self.test, key, self.data_dir).open(s, size, channels) for s, key in sides]
        train, test = (Zipped(opened[0][i], opened[1][i]) for i in (0, 1))
        return train, test


@dataclasses.dataclass(frozen=True)
class OneSide:
    """One side of pairs as a source of single pictures: for training without the pairing, or on one kind alone."""

    pairs: PairSource | PathText
    side: Side

    def open(self, side: Side, size: int, channels: int) -> tuple[Pictures, Pictures]:
        source = SideBySide(self.pairs) if isinstance(self.pairs, str) else self.pairs
        train, test = source.open(size, channels)
        which = "ab".index(self.side)
        of_train = Half(train, which)
        return of_train, of_train if test is train else Half(test, which)


@dataclasses.dataclass(frozen=True)
class Zipped:
    """Pairs of two equally long sequences of pictures."""

    a: Any
    b: Any

    def __len__(self) -> int:
        return len(self.a)

    def __getitem__(self, index: int) -> Pair:
        return self.a[index], self.b[index]


@dataclasses.dataclass(frozen=True)
class Half:
    """One picture of each pair."""

    pairs: Pairs
    which: int

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.pairs[index][self.which]


@dataclasses.dataclass(frozen=True)
class Halves:
    """Pictures cut in the middle."""

    pictures: FilePictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Pair:
        picture = self.pictures[index]
        middle = picture.shape[1] // 2
        return picture[:, :middle], picture[:, middle : 2 * middle]


def _matched(a: Pictures, b: Pictures, name_a: str, name_b: str) -> Pairs:
    assert isinstance(a, FilePictures)
    assert isinstance(b, FilePictures)
    of_b = {path.stem: path for path in b.paths}
    common = [path for path in a.paths if path.stem in of_b]
    if not common:
        raise UserError(
            f"No picture of {name_a} has the name of one of {name_b} ({_some(a.paths)} and {_some(b.paths)}); pairs match by "
            "name."
        )
    of_a = {path.stem for path in a.paths}
    alone = [path for path in (*a.paths, *b.paths) if path.stem not in of_a or path.stem not in of_b]
    if alone:
        print(
            f"{len(alone)} pictures of {name_a} and {name_b} have no partner of their name and are left out: {_some(alone)} …"
        )
    return Zipped(_chosen(a, common), _chosen(b, [of_b[path.stem] for path in common]))


def _chosen(pictures: FilePictures, paths: list[Path]) -> FilePictures:
    """Some of the pictures; all have been decoded once already."""
    some = copy.copy(pictures)
    some.paths = paths
    return some


def _some(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths[:2])
