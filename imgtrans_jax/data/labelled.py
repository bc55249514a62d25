"""Where pictures with a class come from: scikit-learn's digits, the embedded drawings by group,
folders, tfds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from imgtrans_jax.data.digits import load_digits
from imgtrans_jax.data.openmoji import TEST, load_openmoji
from imgtrans_jax.data.sources import FilePictures, Tfds, given_folder
from imgtrans_jax.io.listing import natural
from imgtrans_jax.types import DataSet, PathText, UserError


class Examples(Protocol):
    """Random access to (picture (H, W, C), class from 0)."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> tuple[np.ndarray, int]: ...


@runtime_checkable
class LabelledSource(Protocol):
    """Pictures with a class each."""

    def open(self, size: int, channels: int) -> tuple[Examples, Examples, tuple[str, ...]]:
        """Finds and opens the pictures.

        Args:
            size: Pixels that they will be resized to, for sources that can draw at any size.
            channels: Of the pictures.

        Returns:
            Training and test examples, and the names of the classes.

        Raises:
            UserError: If they are not to be had.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Digits(LabelledSource):
    """scikit-learn's 1,797 handwritten digits (UCI, Alpaydin and Kaynak 1998), 8x8 and grey; every
    tenth is for testing.
    """

    def open(self, size: int, channels: int) -> tuple[Examples, Examples, tuple[str, ...]]:
        pictures, classes, held_out = load_digits(channels)
        train, test = (
            Classified(pictures[rows], classes[rows].tolist()) for rows in (~held_out, held_out)
        )
        return train, test, tuple("0123456789")


GROUPS: dict[str, tuple[tuple[int, int], ...]] = {
    "faces": (
        (0x1F600, 0x1F64F),
        (0x1F910, 0x1F917),
        (0x1F920, 0x1F92F),
        (0x1F970, 0x1F97A),
        (0x1FAE0, 0x1FAE8),
    ),
    "people": (
        (0x1F466, 0x1F487),
        (0x1F385, 0x1F385),
        (0x1F574, 0x1F57A),
        (0x1F930, 0x1F93E),
        (0x1F9CC, 0x1F9DF),
    ),
    "animals": (
        (0x1F400, 0x1F43F),
        (0x1F54A, 0x1F54A),
        (0x1F577, 0x1F577),
        (0x1F980, 0x1F9AE),
        (0x1FAB0, 0x1FABF),
    ),
    "food and plants": (
        (0x1F32D, 0x1F37F),
        (0x1F950, 0x1F96F),
        (0x1F9C0, 0x1F9CB),
        (0x1FAD0, 0x1FADB),
        (0x1FAB4, 0x1FAB8),
    ),
    "travel": ((0x1F680, 0x1F6FF), (0x1F3D4, 0x1F3DF), (0x1F3E0, 0x1F3F0), (0x1F5FA, 0x1F5FF)),
    "things": (
        (0x1F380, 0x1F3CF),
        (0x1F451, 0x1F465),
        (0x1F488, 0x1F53D),
        (0x1F576, 0x1F5F3),
        (0x1F9E0, 0x1F9FF),
        (0x1FA70, 0x1FAAF),
    ),
}
"""Of the embedded drawings, by the Unicode range of their first code point; an earlier group goes
first.
"""


@dataclasses.dataclass(frozen=True)
class OpenMojiGroups(LabelledSource):
    """The embedded coloured drawings of some groups.

    Attributes:
        groups: Names of GROUPS, which are the classes in this order.
    """

    groups: tuple[str, ...] = tuple(GROUPS)

    def open(self, size: int, channels: int) -> tuple[Examples, Examples, tuple[str, ...]]:
        unknown = [group for group in self.groups if group not in GROUPS]
        if unknown or not self.groups:
            raise UserError(
                f"The embedded drawings have no group '{', '.join(unknown)}'; choose among "
                f"{', '.join(GROUPS)}."
            )
        drawings = load_openmoji(size, channels)
        found = np.array([self._class(str(name)) for name in drawings["name"]])
        held_out = drawings["split"] == TEST
        train, test = (
            Classified(drawings["colour"][rows], found[rows].tolist())
            for rows in (~held_out & (found >= 0), held_out & (found >= 0))
        )
        return train, test, self.groups

    def _class(self, name: str) -> int:
        point = int(name.split("-")[0], 16)
        group = next(
            (
                g
                for g, ranges in GROUPS.items()
                if any(low <= point <= high for low, high in ranges)
            ),
            None,
        )
        return self.groups.index(group) if group in self.groups else -1


@dataclasses.dataclass(frozen=True)
class TfdsLabelled(LabelledSource):
    """A data set of tensorflow-datasets with a class for each picture, such as `mnist`; no
    TensorFlow is needed.

    Attributes:
        name: Of the data set.
        train: The split of the training pictures.
        test: The split of the test pictures.
        key: The image among its features.
        label: The class among its features.
        data_dir: Where it is kept; '' for tfds's own default.
    """

    name: DataSet = "mnist"
    train: str = "train"
    test: str = "test"
    key: str = "image"
    label: str = "label"
    data_dir: PathText = ""

    def open(self, size: int, channels: int) -> tuple[Examples, Examples, tuple[str, ...]]:
        from imgtrans_jax.data.tfds_builder import prepared

        train, test = Tfds(self.name, self.train, self.test, self.key, self.data_dir).open(
            "a", size, channels
        )
        splits: Any = prepared(self.name, self.data_dir or None)
        names = _class_names(splits[self.train], self.label)
        return (
            _WithLabels(train, splits[self.train], self.label),
            _WithLabels(test, splits[self.test], self.label),
            names,
        )


def _class_names(split: Any, label: str) -> tuple[str, ...]:
    features = split.features
    if label not in features or not getattr(features[label], "num_classes", None):
        raise UserError(
            f"The data set has no classes under '{label}'; set data.pictures.label to one of "
            f"{sorted(features)}."
        )
    return tuple(features[label].names)


@dataclasses.dataclass(frozen=True)
class ClassFolders(LabelledSource):
    """A folder with a folder of pictures for each class, or with pictures alone, which are one
    class. Of a folder with `train` the test pictures come from `test`; without one the training
    pictures serve for the samples too.
    """

    path: PathText

    def open(self, size: int, channels: int) -> tuple[Examples, Examples, tuple[str, ...]]:
        path = given_folder(self.path)
        inner = path / "train" if (path / "train").is_dir() else path
        train = FilePictures(inner, channels)
        inside = (p.relative_to(inner) for p in train.paths)
        names = {Path(p.parts[0]) for p in inside if len(p.parts) > 1}
        classes = tuple(str(name) for name in sorted(names, key=natural)) or ("all",)
        held_out = inner.parent / "test"
        has_test = inner.name == "train" and held_out.is_dir()
        first = _in_folders(train, inner, classes)
        return (
            first,
            _in_folders(FilePictures(held_out, channels), held_out, classes) if has_test else first,
            classes,
        )


def _in_folders(pictures: FilePictures, root: Path, classes: tuple[str, ...]) -> Classified:
    folders = [
        p.relative_to(root).parts[0] if len(classes) > 1 or classes != ("all",) else "all"
        for p in pictures.paths
    ]
    strange = [folder for folder in folders if folder not in classes]
    if strange:
        raise UserError(
            f"{root / strange[0]} is in no class of the training pictures ({', '.join(classes)}); "
            "move or remove it."
        )
    return Classified(pictures, [classes.index(folder) for folder in folders])


@dataclasses.dataclass(frozen=True)
class Classified:
    """Pictures and their classes.

    Attributes:
        pictures: A sequence of (H, W, C).
        labels: The class of each, from 0.
    """

    pictures: Any
    labels: Sequence[int]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return self.pictures[index], self.labels[index]


@dataclasses.dataclass(frozen=True)
class _WithLabels:
    pictures: Any
    split: Any
    label: str

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return self.pictures[index], int(self.split[index][self.label])
