"""The deterministic stream of batches: batch n depends on the seed and n alone, on any number of
processes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import cast

import grain
import numpy as np
from absl import flags

from imgtrans_jax.types import UserError

Batch = dict[str, np.ndarray]


class Batches:
    """Batch n by its number, without end."""

    def __init__(self, streams: Sequence[grain.MapDataset], batch_size: int, rows: range) -> None:
        self.streams, self.batch_size, self.rows = streams, batch_size, rows

    def __len__(self) -> int:
        return sys.maxsize // self.batch_size

    def __getitem__(self, number: int) -> Batch:
        batch: Batch = {}
        for stream in self.streams:
            examples = cast(
                "list[Batch]", [stream[number * self.batch_size + row] for row in self.rows]
            )
            batch |= {
                side: _stacked([example[side] for example in examples]) for side in examples[0]
            }
        return batch

    def iterator(self, threads: int = 4, ahead: int = 8) -> grain.DatasetIterator:
        """An iterator that reads ahead in threads; its position is saved by get_state() and set by
        set_state().
        """
        # grain reads its own flags; in a notebook nobody has parsed any
        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()
        options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead)
        return iter(grain.MapDataset.source(cast("Sequence[Batch]", self)).to_iter_dataset(options))


def _stacked(pictures: list[np.ndarray]) -> np.ndarray:
    if len({picture.shape for picture in pictures}) > 1:
        raise UserError(
            "The pictures of one batch have different sizes; set --config.data.cut.crop_size, or "
            "--config.batch_size=1."
        )
    return np.stack(pictures)
