"""The deterministic stream of batches: batch n depends on the seed and n alone, on any number of
processes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from absl import flags

from imgtrans_jax.types import UserError

if TYPE_CHECKING:  # half a second, which no finished network needs
    import grain

Batch = dict[str, np.ndarray]


class Batches:
    """Batch n by its number, without end.

    Args:
        streams: Of prepared examples, shuffled and repeated.
        batch_size: Rows of a batch, over all processes.
        rows: Those that this process sees.
    """

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

    def iterator(self, threads: int = 4, ahead: int = 8, first: int = 0) -> BatchIterator:
        """An iterator that reads ahead in threads.

        Args:
            threads: How many read.
            ahead: Batches that are read before they are asked for.
            first: How many steps had their batches before, for the sentence about one that cannot
                be read.

        Returns:
            Batches from number 0, until its position is set.
        """
        import grain

        # grain reads its own flags; in a notebook nobody has parsed any
        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()
        options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead)
        batches = grain.MapDataset.source(cast("Sequence[Batch]", self)).to_iter_dataset(options)
        return BatchIterator(iter(batches), first)


class BatchIterator:
    """Batches in turn, each by a reader's threads. What goes wrong there is one sentence.

    Args:
        batches: Grain's iterator.
        first: How many steps had their batches before.
    """

    def __init__(self, batches: grain.DatasetIterator, first: int) -> None:
        self._batches, self.steps = batches, first

    def __iter__(self) -> BatchIterator:
        return self

    def __next__(self) -> Batch:
        """Raises UnreadableError, with the number of the step that the batch is for."""
        try:
            batch = next(self._batches)
        # of whatever kind: reading happens in threads of a library
        except (Exception, SystemExit) as error:
            why = (
                str(error)
                if isinstance(error, (UserError, OSError))
                else f"{type(error).__name__}: {error}"
            )
            raise UnreadableError(
                f"The batch of step {self.steps + 1} could not be read: {why.rstrip('.')}."
            ) from error
        self.steps += 1
        return batch

    def get_state(self) -> dict[str, Any]:
        """The position of the next batch, which is that of one that could not be read; JSON."""
        return self._batches.get_state()

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes to a position that `get_state` gave."""
        self._batches.set_state(state)


class UnreadableError(UserError):
    """Pictures that were there can no longer be read."""


def _stacked(pictures: list[np.ndarray]) -> np.ndarray:
    if len({picture.shape for picture in pictures}) > 1:
        raise UserError(
            "The pictures of one batch have different sizes; set `config.data.cut.crop_size`, or "
            "`config.batch_size=1`."
        )
    return np.stack(pictures)
