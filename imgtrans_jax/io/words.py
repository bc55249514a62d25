"""Texts as vectors that need no vocabulary: each word has a place of its own, by its checksum."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

import numpy as np

_SAY_NOTHING = {"a", "an", "and", "at", "for", "in", "of", "on", "or", "the", "to", "with"}


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, each once, without those that say nothing.

    Args:
        text: Any.

    Returns:
        In their order.
    """
    found = re.findall(r"[^\W_]+", text.lower())
    return [word for word in dict.fromkeys(found) if word not in _SAY_NOTHING]


def place_of(word: str, length: int) -> int:
    """Where a word stands; two words may share a place.

    Args:
        word: In lower case.
        length: Of the vectors.

    Returns:
        From 0 and under `length`.
    """
    return zlib.crc32(word.encode()) % length


def encoded(texts: Iterable[str], length: int) -> np.ndarray:
    """Bags of words of Euclidean length 1; a text without words is all zeros.

    Args:
        texts: N texts.
        length: Of the vectors.

    Returns:
        (N, length) float32.
    """
    rows = []
    for text in texts:
        row = np.zeros(length, np.float32)
        for word in words_of(text):
            row[place_of(word, length)] = 1
        rows.append(row / max(float(np.linalg.norm(row)), 1.0))
    return np.stack(rows)
