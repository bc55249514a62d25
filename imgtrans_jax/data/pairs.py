"""Where pairs come from: files that hold both halves, two folders, the embedded drawings, pix2pix's
archives, tfds.
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from imgtrans_jax.data.archives import ADDRESS, NAMES, fetched
from imgtrans_jax.data.openmoji import TEST, load_openmoji
from imgtrans_jax.data.sources import (
    FilePictures,
    Folder,
    Pictures,
    Side,
    Source,
    Tfds,
    given_folder,
)
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
        """Finds and opens the pairs.

        Args:
            size: Pixels that they will be resized to, for sources that can draw at any size.
            channels: Of the pictures.

        Returns:
            Training and test pairs.

        Raises:
            UserError: If they are not to be had.
        """
        ...


@dataclasses.dataclass(frozen=True)
class OpenMojiPairs(PairSource):
    """The embedded drawings: a is the line drawing, b the coloured one. The test pairs are a
    held-out tenth.
    """

    def open(self, size: int, channels: int) -> tuple[Pairs, Pairs]:
        drawings = load_openmoji(size, channels)
        held_out = drawings["split"] == TEST
        train, test = (
            Zipped(drawings["sketch"][rows], drawings["colour"][rows])
            for rows in (~held_out, held_out)
        )
        return train, test


@dataclasses.dataclass(frozen=True)
class SideBySide(PairSource):
    """A folder of pictures that each hold a pair, a left and b right, as pix2pix's data sets do.

    Of a folder with `train`, test pairs come from `test`, or else from `val`; without one the
    training pairs serve for the samples too.
    """

    path: PathText

    def open(self, size: int, channels: int) -> tuple[Pairs, Pairs]:
        path = given_folder(self.path)
        inner = path / "train" if (path / "train").is_dir() else path
        train = Halves(FilePictures(inner, channels, _no_pair))
        first = train.pictures.paths[0]
        height, width = train.pictures.sizes[first]
        name = f"{first.name}: {width // 2}x{height} each"
        print(f"Each picture of {inner} is cut in the middle, a left and b right ({name}).")
        beside = (inner.parent / "test", inner.parent / "val")
        held_out = next((p for p in beside if inner.name == "train" and p.is_dir()), None)
        return train, Halves(FilePictures(held_out, channels, _no_pair)) if held_out else train


def _no_pair(path: Path, height: int, width: int) -> str | None:
    if width > height:
        return None
    return (
        f"{path} is {width}x{height}, which is no pair side by side; for two folders whose "
        "pictures match by name give `config.data.a=DIR` `config.data.b=DIR`."
    )


@dataclasses.dataclass(frozen=True)
class TwoFolders(PairSource):
    """Two folders whose pictures match by their paths in them, without the suffix, or else by a
    name that each folder has once. `train` or `trainA` and `trainB` in them, and test folders
    beside these, are found as for `Folder`.

    A picture that has two partners is a UserError.

    Attributes:
        a: The folder of the first pictures.
        b: The folder of the second.
    """

    a: PathText
    b: PathText

    def open(self, size: int, channels: int) -> tuple[Pairs, Pairs]:
        (train_a, test_a), (train_b, test_b) = (
            Folder(self.a).open("a", size, channels),
            Folder(self.b).open("b", size, channels),
        )
        train = _matched(train_a, train_b, self.a, self.b)
        return train, train if test_a is train_a or test_b is train_b else _matched(
            test_a, test_b, self.a, self.b
        )


@dataclasses.dataclass(frozen=True)
class Pix2PixPairs(PairSource):
    """One of pix2pix's own data sets by name: facades, maps, edges2shoes, edges2handbags,
    cityscapes, night2day.

    It is looked for in $IMGTRANS_DATA/NAME, else fetched once from its authors and kept in the
    cache folder.
    """

    name: str = "facades"

    def open(self, size: int, channels: int) -> tuple[Pairs, Pairs]:
        if self.name not in NAMES:
            near = difflib.get_close_matches(self.name, NAMES, 1)
            raise UserError(
                f"{ADDRESS} has no '{self.name}'; choose one of {', '.join(near or NAMES)}."
            )
        return SideBySide(str(fetched(self.name))).open(size, channels)


@dataclasses.dataclass(frozen=True)
class TfdsPairs(PairSource):
    """A data set of tensorflow-datasets whose examples hold both pictures.

    Attributes:
        name: Of the data set.
        a: The first picture among its features.
        b: The second picture among its features.
        train: The split of the training pairs.
        test: The split of the test pairs.
        data_dir: Where it is kept; '' for tfds's own default.
    """

    name: DataSet
    a: str
    b: str
    train: str = "train"
    test: str = "test"
    data_dir: PathText = ""

    def open(self, size: int, channels: int) -> tuple[Pairs, Pairs]:
        sides: tuple[tuple[Side, str], ...] = (("a", self.a), ("b", self.b))
        opened = [
            Tfds(self.name, self.train, self.test, key, self.data_dir).open(s, size, channels)
            for s, key in sides
        ]
        train, test = (Zipped(opened[0][i], opened[1][i]) for i in (0, 1))
        return train, test


@dataclasses.dataclass(frozen=True)
class OneSide(Source):
    """One side of pairs as a source of single pictures: for training without the pairing, or on one
    kind alone.

    Attributes:
        pairs: A source, or the path of a folder whose files hold a pair side by side.
        side: Which picture of each pair, whatever side it is opened for.
    """

    pairs: PairSource | PathText
    side: Side

    def open(self, side: Side, size: int, channels: int) -> tuple[Pictures, Pictures]:
        source = SideBySide(self.pairs) if isinstance(self.pairs, str) else self.pairs
        train, test = source.open(size, channels)
        which = "ab".index(self.side)
        of_train = Half(train, which)
        return of_train, of_train if test is train else Half(test, which)


@dataclasses.dataclass(frozen=True)
class ShiftedPairs(PairSource):
    """Pairs that fit only nearly, made of such that fit, to try methods for those: in each training
    pair b is moved by a distance of its own, and its border is repeated. Test pairs stay, where
    there are others.

    Attributes:
        pairs: A source, or the path of a folder whose files hold a pair side by side.
        by: Pixels that b is moved at most, up or down and to a side, at the size that the source
            draws or has.
    """

    pairs: PairSource | PathText = OpenMojiPairs()
    by: int = 8

    def open(self, size: int, channels: int) -> tuple[Pairs, Pairs]:
        if self.by < 0:
            raise UserError(f"`by={self.by}` pixels must not be negative.")
        source = SideBySide(self.pairs) if isinstance(self.pairs, str) else self.pairs
        train, test = source.open(size, channels)
        moved = Shifted(train, self.by)
        return moved, moved if test is train else test


@dataclasses.dataclass(frozen=True)
class Shifted:
    """Pairs whose second pictures are moved, each always alike.

    Attributes:
        pairs: As they are.
        by: Pixels at most.
    """

    pairs: Pairs
    by: int

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Pair:
        a, b = self.pairs[index]
        down, right = np.random.default_rng(index).integers(0, 2 * self.by + 1, 2)
        around = ((self.by, self.by), (self.by, self.by), (0, 0))
        moved = np.pad(b, around, mode="edge")
        return a, moved[down : down + b.shape[0], right : right + b.shape[1]]


@dataclasses.dataclass(frozen=True)
class Zipped:
    """Pairs of what two equally long sequences hold.

    Attributes:
        a: Pictures.
        b: Pictures, or their captions.
    """

    a: Any
    b: Any

    def __len__(self) -> int:
        return len(self.a)

    def __getitem__(self, index: int) -> tuple[np.ndarray, Any]:
        return self.a[index], self.b[index]


@dataclasses.dataclass(frozen=True)
class Half:
    """One picture of each pair.

    Attributes:
        pairs: All of them.
        which: 0 for a, 1 for b.
    """

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
    found = partners(a, b)
    if not found:
        raise UserError(
            f"No picture of {name_a} has the name of one of {name_b} ({_some(a.paths)} and "
            f"{_some(b.paths)}); pairs match by name."
        )
    paired = {*found, *found.values()}
    alone = [path for path in (*a.paths, *b.paths) if path not in paired]
    if alone:
        print(
            f"{len(alone)} pictures of {name_a} and {name_b} have no partner of their name and "
            f"are left out: {_some(alone)} …"
        )
    _say_sizes([(x, y, a.sizes[x], b.sizes[y]) for x, y in found.items()])
    return Zipped(_chosen(a, list(found)), _chosen(b, list(found.values())))


def partners(a: FilePictures, b: FilePictures) -> dict[Path, Path]:
    """The picture of b for each of a, in a's order.

    It is that of the same path in its folder, without the suffix; else of the same name, where each
    folder has it once.

    Args:
        a: Pictures.
        b: Pictures, of another folder.

    Returns:
        Paths of b by those of a; pictures without a partner are left out.

    Raises:
        UserError: With their names, for a picture that has two partners.
    """
    found: dict[Path, Path] = {}
    groups_a, groups_b = (
        _grouped((p.relative_to(x.root).with_suffix(""), p) for p in x.paths) for x in (a, b)
    )
    for path in groups_a.keys() & groups_b.keys():
        found[_only(groups_a[path], groups_b[path])] = _only(groups_b[path], groups_a[path])
    taken = {*found, *found.values()}
    names_a, names_b = (_grouped((p.stem, p) for p in x.paths) for x in (a, b))
    for name in names_a.keys() & names_b.keys():
        left_a, left_b = (
            [p for p in names[name] if p not in taken] for names in (names_a, names_b)
        )
        if (
            left_a
            and left_b
            and (
                len(left_a) > 1 or len(left_b) > 1 or len(names_a[name]) == len(names_b[name]) == 1
            )
        ):
            found[_only(left_a, left_b)] = _only(left_b, left_a)
    return {path: found[path] for path in a.paths if path in found}


def _grouped(keyed: Iterable[tuple[Any, Path]]) -> dict[Any, list[Path]]:
    groups: dict[Any, list[Path]] = defaultdict(list)
    for key, path in keyed:
        groups[key].append(path)
    return groups


def _only(candidates: list[Path], others: list[Path]) -> Path:
    if len(candidates) > 1:
        raise UserError(
            f"{others[0]} has two partners of its name, {candidates[0]} and {candidates[1]}; give "
            "partners the same path in both folders, or remove one."
        )
    return candidates[0]


def _say_sizes(pairs: Sequence[tuple[Path, Path, tuple[int, int], tuple[int, int]]]) -> None:
    """What is resized to its partner, and what is stretched by that, by over a pixel of its own."""
    unequal = [pair for pair in pairs if pair[2] != pair[3]]
    stretched = [pair for pair in unequal if _is_stretched(*pair[2:])]
    for found, what in ((stretched, "stretched"), (unequal if not stretched else [], "resized")):
        if found:
            a, b, (h, w), (height, width) = found[0]
            print(
                f"{len(found)} of {len(pairs)} pairs have two sizes, and the first picture is "
                f"{what} to the second's: {a} ({w}x{h}) to that of {b} ({width}x{height})."
            )


def _is_stretched(a: tuple[int, int], b: tuple[int, int]) -> bool:
    (h, w), (height, width) = a, b
    return abs(w * height - h * width) > max(width, height, h, w)


def _chosen(pictures: FilePictures, paths: list[Path]) -> FilePictures:
    """Some of the pictures; all have been decoded once already."""
    some = copy.copy(pictures)
    some.paths = paths
    return some


def _some(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths[:2])
