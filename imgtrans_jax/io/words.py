"""Texts as vectors that need no vocabulary: each word has a few places of its own, by its
checksums, so that hardly two words have all of them in common.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable

import numpy as np

_SAY_NOTHING = {"a", "an", "and", "at", "for", "in", "of", "on", "or", "the", "to", "with"}
_PLACES = 3


def words_of(text: str) -> list[str]:
    """The words of a text, letters and digits in their compatibility form and without case; each
    once, without those that say nothing.

    Args:
        text: In any language.

    Returns:
        In their order.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    # marks are parts of words: without them most scripts of India fall into single letters
    kept = (c if unicodedata.category(c)[0] in "LMN" else " " for c in plain)
    found = [word for word in "".join(kept).split() if any(c.isalnum() for c in word)]
    return [word for word in dict.fromkeys(found) if word not in _SAY_NOTHING]


def places_of(word: str, length: int) -> list[int]:
    """Where a word stands.

    Args:
        word: As `words_of` gives it.
        length: Of the vectors.

    Returns:
        Three places from 0 and under `length`, which may be the same.
    """
    digest = hashlib.blake2b(word.encode(), digest_size=4 * _PLACES).digest()
    return [int(number) % length for number in np.frombuffer(digest, "<u4")]


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
            np.add.at(row, places_of(word, length), 1)
        rows.append(row / max(float(np.linalg.norm(row)), 1.0))
    return np.stack(rows)
