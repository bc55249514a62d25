"""Where one domain's pictures come from: a folder, one picture, the embedded drawings, or tensorflow-datasets."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from PIL import Image
from tqdm import tqdm

from imgtrans_jax import images
from imgtrans_jax.data.openmoji import TEST, TRAIN_A, TRAIN_B, load_openmoji
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
        """Training and test pictures. `size` is what they will be resized to, for sources that can draw at any size.

        Raises UserError if they are not to be had.
        """
        ...


@dataclasses.dataclass(frozen=True)
class OpenMoji:
    """The embedded drawings, RGB: `sketch`es of one half of the emoji, or `colour`ed drawings of the other half; with `whole`
    of both halves.

    The test pictures are those of a held-out tenth, in the same order for both kinds.
    """

    kind: Literal["sketch", "colour"] = "sketch"
    whole: bool = False

    def open(self, side: Side, size: int, channels: int) -> tuple[Pictures, Pictures]:
        if channels != 3:
            raise UserError(f"The embedded drawings are RGB; data.channels={channels} needs pictures of your own.")
        drawings = load_openmoji(size)
        half = TRAIN_A if self.kind == "sketch" else TRAIN_B
        chosen, split = drawings[self.kind], drawings["split"]
        return chosen[split != TEST if self.whole else split == half], chosen[split == TEST]


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder of pictures, or one picture file, which is then met again and again.

    Test pictures come from beside it: of `trainA` from `testA`, of `train` from `test`. A folder that holds `trainA` and
    `trainB`, or `train`, stands for these. Without a test folder the training pictures serve for the samples too.
    """

    path: PathText

    def open(self, side: Side, size: int, channels: int) -> tuple[Pictures, Pictures]:
        train_path, test_path = self._find(Path(self.path).expanduser(), side)
        train = FilePictures(train_path, channels)
        return train, FilePictures(test_path, channels) if test_path else train

    @staticmethod
    def _find(path: Path, side: str) -> tuple[Path, Path | None]:
        for name in (f"train{side.upper()}", "train"):
            if (path / name).is_dir():
                path = path / name
                break
        test = path.with_name(path.name.replace("train", "test", 1))
        return path, test if path.name.startswith("train") and test.is_dir() else None


@dataclasses.dataclass(frozen=True)
class Tfds:
    """A data set of tensorflow-datasets by name, such as `cycle_gan/horse2zebra`; no TensorFlow is needed.

    train, test: the splits; empty for `trainA` and `testA` (side b: `trainB`, `testB`) where the data set has them, else
    `train` and `test`. key: the image among its features. data_dir: where it is kept; empty for tfds's own default.
    """

    name: DataSet
    train: str = ""
    test: str = ""
    key: str = "image"
    data_dir: PathText = ""

    def open(self, side: Side, size: int, channels: int) -> tuple[Pictures, Pictures]:
        from imgtrans_jax.data.tfds_builder import prepared  # tensorflow-datasets is slow to import

        splits = prepared(self.name, self.data_dir or None)
        train = self.train or (f"train{side.upper()}" if f"train{side.upper()}" in splits else "train")
        test = self.test or (f"test{side.upper()}" if f"test{side.upper()}" in splits else "test")
        for field, split in (("train", train), ("test", test)):
            if split not in splits:
                raise UserError(f"{self.name} has no split '{split}'; set data.{side}.{field} to one of {sorted(splits)}.")
        return TfdsPictures(splits[train], self.key, channels), TfdsPictures(splits[test], self.key, channels)


class FilePictures:
    """The sound pictures of a folder, decoded when asked for.

    Every file is decoded once at the start; what is damaged, or smaller than 8 pixels, is named and left out, so that the
    stream of batches is the same from first to last. Raises UserError if nothing is left.
    """

    def __init__(self, path: Path, channels: int) -> None:
        self.channels = channels
        if path.is_file():
            images.read_picture(path, channels)
            self.paths = [path]
            return
        listed = images.list_pictures(path)
        with ThreadPoolExecutor() as threads:
            checks = threads.map(lambda p: _what_is_wrong(p, channels), listed)
            wrong = list(tqdm(checks, f"checking {path}", len(listed), leave=False, delay=2, unit="picture", disable=None))
        self.paths = [p for p, reason in zip(listed, wrong, strict=True) if not reason]
        for reason in [reason for reason in wrong if reason][:20]:
            print(f"Left out: {reason}")
        if not self.paths:
            raise UserError(f"None of the {len(listed)} pictures in {path} can be used; the first: {wrong[0]}")
        if len(self.paths) < len(listed):
            print(f"{len(listed) - len(self.paths)} of {len(listed)} pictures in {path} are left out.")

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        return images.read_picture(self.paths[index], self.channels)


def _what_is_wrong(path: Path, channels: int) -> str | None:
    try:
        if path.suffix.lower() in (".jpg", ".jpeg"):
            with Image.open(path) as image:  # a reduced decoding reads the whole file at a third of the cost
                height, width = image.height, image.width
                image.draft("RGB", (1, 1))
                image.load()
        else:
            height, width = images.read_picture(path, channels).shape[:2]
    except UserError as error:
        return str(error)
    except (OSError, SyntaxError, ValueError) as error:
        return f"The picture {path} is damaged or cut off ({error}); replace or remove it."
    if min(height, width) < images.MIN_SIDE:
        return f"The picture {path} is {width}x{height}, under {images.MIN_SIDE} pixels; remove it."
    return None


class TfdsPictures:
    """One split of a prepared data set; `channels` are kept, grey becomes RGB, an alpha channel is laid on white."""

    def __init__(self, split: Sequence, key: str, channels: int) -> None:
        self.split, self.key, self.channels = split, key, channels
        if key not in self._example(0):
            raise UserError(f"The data set has no feature '{key}'; set data.*.key to one of {sorted(self._example(0))}.")

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> np.ndarray:
        return images.with_channels(np.asarray(self._example(index)[self.key]), self.channels, self.key)

    def _example(self, index: int) -> Mapping[str, Any]:
        try:
            return self.split[index]
        except Exception as error:  # whatever a damaged record can bring about
            raise UserError(
                f"Example {index} of the data set cannot be read ({type(error).__name__}); prepare it anew."
            ) from None
