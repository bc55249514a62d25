"""Where one domain's pictures come from: a folder, one picture, the embedded drawings, or
tensorflow-datasets.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from tqdm import tqdm

from imgtrans_jax.data.openmoji import TEST, TRAIN_A, TRAIN_B, load_openmoji
from imgtrans_jax.io import images
from imgtrans_jax.types import DataSet, PathText, UserError

Side: TypeAlias = Literal["a", "b"]


class Pictures(Protocol):
    """Random access to (H, W, C) pictures, uint8 or float32 in [0, 1]."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> np.ndarray: ...


@runtime_checkable
class Source(Protocol):
    """One domain's pictures."""

    def open(self, side: Side, size: int, channels: int) -> tuple[Pictures, Pictures]:
        """Finds and opens the pictures.

        Args:
            side: The domain that they are for.
            size: Pixels that they will be resized to, for sources that can draw at any size.
            channels: Of the pictures.

        Returns:
            Training and test pictures.

        Raises:
            UserError: If they are not to be had.
        """
        ...


@dataclasses.dataclass(frozen=True)
class OpenMoji(Source):
    """The embedded drawings, RGB.

    The test pictures are those of a held-out tenth, in the same order for both kinds.

    Attributes:
        kind: `sketch`es of one half of the emoji, or `colour`ed drawings of the other half.
        whole: Takes both halves.
    """

    kind: Literal["sketch", "colour"] = "sketch"
    whole: bool = False

    def open(self, side: Side, size: int, channels: int) -> tuple[Pictures, Pictures]:
        drawings = load_openmoji(size, channels)
        half = TRAIN_A if self.kind == "sketch" else TRAIN_B
        chosen, split = drawings[self.kind], drawings["split"]
        return chosen[split != TEST if self.whole else split == half], chosen[split == TEST]


@dataclasses.dataclass(frozen=True)
class Folder(Source):
    """A folder of pictures, or one picture file, which is then met again and again.

    Test pictures come from beside it: of `trainA` from `testA`, of `train` from `test`. A folder
    that holds `trainA` and `trainB`, or `train`, stands for these. Without a test folder the
    training pictures serve for the samples too.
    """

    path: PathText

    def open(self, side: Side, size: int, channels: int) -> tuple[Pictures, Pictures]:
        train_path, test_path = self._find(given_folder(self.path), side)
        train = FilePictures(train_path, channels)
        return train, FilePictures(test_path, channels) if test_path else train

    @staticmethod
    def _find(path: Path, side: str) -> tuple[Path, Path | None]:
        for name in (f"train{side.upper()}", "train"):
            if (path / name).is_dir():
                path = path / name
                break
        if not path.name.startswith("train"):
            return path, None
        test = path.with_name(path.name.replace("train", "test", 1))
        return path, test if test.is_dir() else None


def given_folder(text: str) -> Path:
    """A path as a user gives it, with a name of its own also where it is `.` or ends in `..`.

    Raises:
        UserError: If it is empty.
    """
    if not text.strip():
        raise UserError("A folder of pictures has no name; give its path.")
    path = Path(os.path.expanduser(text))
    return path if path.name not in ("", "..") else Path(os.path.abspath(path))


@dataclasses.dataclass(frozen=True)
class Tfds(Source):
    """A data set of tensorflow-datasets by name, such as `cycle_gan/horse2zebra`; no TensorFlow is
    needed.

    Attributes:
        name: Of the data set.
        train: The split of the training pictures; '' for `trainA` (side b: `trainB`) where the data
            set has it, else `train`.
        test: The split of the test pictures; '' for `testA` (side b: `testB`), else `test`.
        key: The image among its features.
        data_dir: Where it is kept; '' for tfds's own default.
    """

    name: DataSet
    train: str = ""
    test: str = ""
    key: str = "image"
    data_dir: PathText = ""

    def open(self, side: Side, size: int, channels: int) -> tuple[Pictures, Pictures]:
        from imgtrans_jax.data.tfds_builder import prepared  # tensorflow-datasets is slow to import

        splits = prepared(self.name, self.data_dir or None)
        train = self.train or (
            f"train{side.upper()}" if f"train{side.upper()}" in splits else "train"
        )
        test = self.test or (f"test{side.upper()}" if f"test{side.upper()}" in splits else "test")
        for field, split in (("train", train), ("test", test)):
            if split not in splits:
                raise UserError(
                    f"{self.name} has no split '{split}'; set data.{side}.{field} to one of "
                    f"{sorted(splits)}."
                )
        return TfdsPictures(splits[train], self.key, channels), TfdsPictures(
            splits[test], self.key, channels
        )


class FilePictures:
    """The sound pictures of a folder, or one picture, decoded when asked for.

    Every file is decoded once at the start; what is damaged, smaller than 8 pixels, or unfit is
    named and left out, so that the stream of batches is the same from first to last.

    Attributes:
        root: The folder.
        sizes: Height and width of each, by path.
        paths: Of the sound ones, in order.

    Args:
        path: A folder, or one picture.
        channels: Of the pictures.
        unfit: Says of a path, a height and a width why the picture cannot be used, or None.

    Raises:
        UserError: If nothing is left.
    """

    def __init__(
        self,
        path: Path,
        channels: int,
        unfit: Callable[[Path, int, int], str | None] = lambda *_: None,
    ) -> None:
        self.channels = channels
        self.root = path.parent if path.is_file() else path
        listed = [path] if path.is_file() else images.list_pictures(path)

        def check(path: Path) -> tuple[int, int] | str:
            try:
                height, width = images.picture_size(path, channels)
            except UserError as error:
                return str(error)
            if min(height, width) < images.MIN_SIDE:
                return (
                    f"The picture {path} is {width}x{height}, under {images.MIN_SIDE} pixels; "
                    "remove it."
                )
            return unfit(path, height, width) or (height, width)

        with ThreadPoolExecutor() as threads:
            bar = tqdm(
                threads.map(check, listed),
                f"checking {path}",
                len(listed),
                leave=False,
                delay=2,
                unit="picture",
                disable=None,
            )
            found = dict(zip(listed, bar, strict=True))
        self.sizes = {p: size for p, size in found.items() if not isinstance(size, str)}
        self.paths = list(self.sizes)
        wrong = [reason for reason in found.values() if isinstance(reason, str)]
        if not self.paths:
            some = f"None of the {len(listed)} pictures in {path} can be used; the first: "
            raise UserError(f"{some if path != listed[0] else ''}{wrong[0]}")
        for reason in wrong[:20]:
            print(f"Left out: {reason}")
        if wrong:
            print(f"{len(wrong)} of {len(listed)} pictures in {path} are left out.")

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._only if len(self.paths) == 1 else self._read(index)

    def _read(self, index: int) -> np.ndarray:
        return images.read_picture(self.paths[index], self.channels)

    @functools.cached_property
    def _only(self) -> np.ndarray:
        """A single picture, of which every example is a crop, is read once."""
        picture = self._read(0)
        picture.setflags(write=False)
        return picture


class TfdsPictures:
    """One split of `tfds_builder.prepared`.

    Args:
        split: Random access to examples.
        key: The image among their features.
        channels: Are kept; grey becomes RGB, an alpha channel is laid on white.

    Raises:
        UserError: If there is no such feature, or an example cannot be read.
    """

    def __init__(self, split: Any, key: str, channels: int) -> None:
        self.split, self.key, self.channels = split, key, channels
        if key not in self._example(0):
            raise UserError(
                f"The data set has no feature '{key}'; set data.*.key to one of "
                f"{sorted(self._example(0))}."
            )

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> np.ndarray:
        return images.with_channels(
            np.asarray(self._example(index)[self.key]), self.channels, self.key
        )

    def _example(self, index: int) -> Mapping[str, Any]:
        try:
            return self.split[index]
        except UserError:
            raise
        except Exception as error:  # whatever a damaged record can bring about
            raise UserError(
                f"Example {index} of the data set cannot be read ({type(error).__name__}); "
                "prepare it anew."
            ) from None
