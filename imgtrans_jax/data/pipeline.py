"""The deterministic stream of batches: batch n depends on the seed and n alone, on any number of processes."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import cast

import grain
import numpy as np
from absl import flags

from imgtrans_jax.data.augment import Cut
from imgtrans_jax.data.sources import Folder, OpenMoji, Pictures, Source
from imgtrans_jax.types import UserError

Batch = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Unpaired:
    """Two domains without pairs; batches {"a": (N, h, w, channels), "b": …} float32 in [-1, 1].

    a, b: a source, or the path of a folder or of one picture (one style against many contents). cut: how pictures are
    resized, cropped and flipped. channels: 3, or 1, 4 for grey and RGBA; others from .npy arrays.
    """

    a: Source | str = OpenMoji("sketch")
    b: Source | str = OpenMoji("colour")
    cut: Cut = Cut()
    channels: int = 3

    def open(self) -> UnpairedPictures:
        """Finds and checks the pictures. Raises UserError if they cannot be used."""
        self.cut.check()
        train_a, test_a = self._source(self.a).open("a", self.cut.load_size, self.channels)
        train_b, test_b = self._source(self.b).open("b", self.cut.load_size, self.channels)
        return UnpairedPictures({"a": train_a, "b": train_b}, {"a": test_a, "b": test_b}, self.cut)

    @staticmethod
    def _source(source: Source | str) -> Source:
        return Folder(source) if isinstance(source, str) else source


@dataclasses.dataclass(frozen=True)
class UnpairedPictures:
    """Opened pictures: training and test, by side."""

    train: dict[str, Pictures]
    test: dict[str, Pictures]
    cut: Cut

    def steps_per_epoch(self, batch_size: int) -> int:
        """An epoch shows every picture of the larger side once, as in the authors' code."""
        return max(1, max(len(pictures) for pictures in self.train.values()) // batch_size)

    def batches(self, batch_size: int, seed: int, process: int = 0, processes: int = 1) -> Batches:
        """Random access to batch n, of which this process sees its share of the rows.

        Each side is shuffled on its own, anew every epoch, so that pairs never repeat by design.
        """
        rows = range(process * batch_size // processes, (process + 1) * batch_size // processes)
        streams = {}
        for number, (side, pictures) in enumerate(self.train.items()):
            stream = grain.MapDataset.source(cast("Sequence[np.ndarray]", pictures)).seed(2 * seed + number).shuffle().repeat()
            streams[side] = stream.random_map(self.cut.train)
        return Batches(streams, batch_size, rows)

    def samples(self, count: int) -> Batch:
        """The fixed test pictures of the report, evenly spread over the test set, `count` of each side (fewer if there are
        fewer, or if without a crop their sizes differ)."""
        chosen = {}
        for side, pictures in self.test.items():
            spread = np.linspace(0, len(pictures) - 1, min(count, len(pictures))).round().astype(int)
            cut = [self.cut.test(pictures[int(i)]) for i in spread]
            chosen[side] = [picture for picture in cut if picture.shape == cut[0].shape]
        fewest = min(len(pictures) for pictures in chosen.values())
        return {side: np.stack(pictures[:fewest]) for side, pictures in chosen.items()}


class Batches:
    """Batch n by its number, without end."""

    def __init__(self, streams: dict[str, grain.MapDataset], batch_size: int, rows: range) -> None:
        self.streams, self.batch_size, self.rows = streams, batch_size, rows

    def __len__(self) -> int:
        return sys.maxsize // self.batch_size

    def __getitem__(self, number: int) -> Batch:
        return {side: self._stack(stream, number) for side, stream in self.streams.items()}

    def _stack(self, stream: grain.MapDataset, number: int) -> np.ndarray:
        pictures = [np.asarray(stream[number * self.batch_size + row]) for row in self.rows]
        if len({picture.shape for picture in pictures}) > 1:
            raise UserError(
                "The pictures of one batch have different sizes; set --config.data.cut.crop_size, or --config.batch_size=1."
            )
        return np.stack(pictures)

    def iterator(self, threads: int = 4, ahead: int = 8) -> grain.DatasetIterator:
        """An iterator that reads ahead in threads; its position is saved by get_state() and set by set_state()."""
        if not flags.FLAGS.is_parsed():  # grain reads its own flags; in a notebook nobody has parsed any
            flags.FLAGS.mark_as_parsed()
        options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead)
        return iter(grain.MapDataset.source(cast("Sequence[Batch]", self)).to_iter_dataset(options))
