"""What is learned from: pictures unpaired, paired, derived, labelled or captioned, opened as
streams of examples."""

from __future__ import annotations

import copy
import dataclasses
import zlib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

import numpy as np

from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.captions import (
    CaptionFolder,
    CaptionSource,
    OpenMojiCaptions,
    recolored,
)
from imgtrans_jax.data.derived import Derivation, Edges
from imgtrans_jax.data.labelled import ClassFolders, Digits, LabelledSource
from imgtrans_jax.data.pairs import OpenMojiPairs, PairSource, SideBySide, TwoFolders
from imgtrans_jax.data.pipeline import Batch, Batches
from imgtrans_jax.data.sources import Folder, OpenMoji, Source
from imgtrans_jax.io import images
from imgtrans_jax.io.words import encoded
from imgtrans_jax.types import Direction, PathText, UserError


class Examples(Protocol):
    """Random access to examples as they are stored: a picture, a pair, a picture and its class."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...


@dataclasses.dataclass(frozen=True)
class Stream:
    """Examples that are shuffled together.

    Attributes:
        train: Training examples.
        test: Test examples; the same object as `train` where there are no others.
        prepare: An example, and random numbers (None: without chance) -> arrays.
    """

    train: Examples
    test: Examples
    prepare: Callable[[Any, np.random.Generator | None], Batch]


@runtime_checkable
class Data(Protocol):
    """What a recipe learns from, and how a user's own picture is given to what it has learned.

    Attributes:
        cut: How pictures are resized, cropped and flipped.
        direction: b2a where the pairs are turned round.
    """

    cut: Preprocess
    direction: Direction = "a2b"

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def shows_pictures(self) -> bool:
        """Whether `shown` makes pictures of results whatever their channels are."""
        return False

    def takes_line_drawings(self, direction: Direction) -> bool:
        """Whether what is translated in a direction are line drawings, as far as is known."""
        return False

    def open(self) -> OpenedDataset:
        """Finds and checks the pictures. Raises UserError if they cannot be used."""
        ...

    @property
    def input_channels(self) -> int:
        """Of a user's picture, which `encode_input` takes."""
        ...

    def encode_input(self, signed: np.ndarray) -> np.ndarray:
        """What was read, at the size to be worked at and in [-1, 1], as the generator's input."""
        return signed

    def decode_output(self, inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Results as pictures.

        Args:
            inputs: (N, H, W, C) in [-1, 1], for which they were made.
            outputs: The results (N, H, W, C) in [-1, 1].

        Returns:
            (N, H, W, C) in [-1, 1].
        """
        return outputs


@dataclasses.dataclass(frozen=True)
class Unpaired(Data):
    """Two domains without pairs; batches {"a": (N, h, w, channels), "b": …} float32 in [-1, 1].

    Attributes:
        a: A source, or the path of a folder or of one picture (one style against many contents).
        b: As `a`.
        cut: How pictures are resized, cropped and flipped.
        channels: 3, or 1, 4 for grey and RGBA; others from .npy arrays. Four are colour and
            transparency in .npy arrays too.
    """

    a: Source | PathText = OpenMoji("sketch")
    b: Source | PathText = OpenMoji("colour")
    cut: Preprocess = Preprocess()
    channels: int = 3

    def open(self) -> OpenedDataset:
        self.cut.check()
        train_a, test_a = _source(self.a).open("a", self.cut.load_size, self.channels)
        train_b, test_b = _source(self.b).open("b", self.cut.load_size, self.channels)

        def prepare(side: str, picture: np.ndarray, rng: np.random.Generator | None) -> Batch:
            return {side: self.cut.apply(picture, rng)}

        return OpenedDataset(
            (
                Stream(train_a, test_a, lambda picture, rng: prepare("a", picture, rng)),
                Stream(train_b, test_b, lambda picture, rng: prepare("b", picture, rng)),
            )
        )

    @property
    def input_channels(self) -> int:
        return self.channels

    def takes_line_drawings(self, direction: Direction) -> bool:
        source = self.a if direction == "a2b" else self.b
        return self.channels == 3 and isinstance(source, OpenMoji) and source.kind == "sketch"


@dataclasses.dataclass(frozen=True)
class OneDomain(Data):
    """Pictures alone; batches {"a": (N, h, w, channels)} float32 in [-1, 1].

    Attributes:
        pictures: A source, or the path of a folder.
        cut: How pictures are resized, cropped and flipped.
        channels: As for `Unpaired`.
    """

    pictures: Source | PathText = OpenMoji("colour")
    cut: Preprocess = Preprocess()
    channels: int = 3

    def open(self) -> OpenedDataset:
        self.cut.check()
        train, test = _source(self.pictures).open("a", self.cut.load_size, self.channels)
        return OpenedDataset(
            (Stream(train, test, lambda picture, rng: {"a": self.cut.apply(picture, rng)}),)
        )

    @property
    def input_channels(self) -> int:
        return self.channels


@dataclasses.dataclass(frozen=True)
class Paired(Data):
    """Pairs; batches {"a": (N, h, w, channels), "b": …} float32 in [-1, 1], b the true translation
    of a.

    Attributes:
        pairs: A source, or the path of a folder whose files hold a pair side by side.
        a: A folder instead of `pairs`, whose pictures match those of `b` by name; '' for none.
        b: The other folder.
        direction: b2a turns the pairs round.
        cut: How pictures are resized, cropped and flipped; one draw for both pictures of a pair.
        channels: As for `Unpaired`.
        line_drawings: Whether a are line drawings, whose lines are kept and whose paper is cleaned
            when they are translated (inference/drawings.py). The embedded pairs' are.
    """

    pairs: PairSource | PathText = OpenMojiPairs()
    a: PathText = ""
    b: PathText = ""
    direction: Direction = "a2b"
    cut: Preprocess = Preprocess()
    channels: int = 3
    line_drawings: bool = False

    def open(self) -> OpenedDataset:
        self.cut.check()
        return OpenedDataset((Stream(*self.sides(), self.prepare),))

    def sides(self) -> tuple[Examples, Examples]:
        """The pairs to train on and those to test on, as they are stored."""
        if bool(self.a) != bool(self.b):
            raise UserError(
                "data.a and data.b are two folders whose pictures match by name; give both, or "
                "data.pairs."
            )
        pairs = TwoFolders(self.a, self.b) if self.a else self.pairs
        source = SideBySide(pairs) if isinstance(pairs, str) else pairs
        return source.open(self.cut.load_size, self.channels)

    def prepare(
        self, pair: tuple[np.ndarray, np.ndarray], rng: np.random.Generator | None
    ) -> Batch:
        """A pair cut alike: {"a": …, "b": …} in [-1, 1]."""
        a, b = pair if self.direction == "a2b" else pair[::-1]
        if a.shape[:2] != b.shape[:2]:
            a = images.resize(a, *b.shape[:2])
        same = copy.deepcopy(rng)  # one draw serves both
        return {"a": self.cut.apply(a, rng), "b": self.cut.apply(b, same)}

    @property
    def input_channels(self) -> int:
        return self.channels

    def takes_line_drawings(self, direction: Direction) -> bool:
        embedded = isinstance(self.pairs, OpenMojiPairs) and not self.a
        return (embedded or self.line_drawings) and self.direction == "a2b"


@dataclasses.dataclass(frozen=True)
class Mixed(Data):
    """Two domains of which some pictures have partners; batches {"a": (N, h, w, channels), "b": …}
    float32 in [-1, 1], and "paired" (N,): 1 where b is the true translation of a, 0 where the two
    have nothing to do with each other. Test pictures are pairs.

    Attributes:
        pairs: As for `Paired`.
        pairs_a: A folder instead of `pairs`, whose pictures match those of `pairs_b` by name; ''
            for none.
        pairs_b: The other folder.
        a: As for `Unpaired`.
        b: As for `Unpaired`.
        share: How much of the rows are pairs, from 0 and under 1; which, is drawn each time.
        count: Takes so many of the pairs, evenly spread; 0 for all.
        cut: As for `Paired`.
        channels: As for `Unpaired`.
    """

    pairs: PairSource | PathText = OpenMojiPairs()
    pairs_a: PathText = ""
    pairs_b: PathText = ""
    a: Source | PathText = OpenMoji("sketch")
    b: Source | PathText = OpenMoji("colour")
    share: float = 0.25
    count: int = 0
    cut: Preprocess = Preprocess()
    channels: int = 3

    def open(self) -> OpenedDataset:
        self.cut.check()
        if not (0 <= self.share < 1 and self.count >= 0):
            raise UserError(
                f"data.share={self.share} must be from 0 and under 1, and data.count={self.count} "
                "not be negative."
            )
        paired, test = Paired(
            self.pairs, self.pairs_a, self.pairs_b, cut=self.cut, channels=self.channels
        ).sides()
        a, _ = _source(self.a).open("a", self.cut.load_size, self.channels)
        b, _ = _source(self.b).open("b", self.cut.load_size, self.channels)
        count = min(self.count or len(paired), len(paired))
        chosen = np.linspace(0, len(paired) - 1, count).round().astype(int)
        train = SomePaired(paired, chosen, a, b, self.share)
        return OpenedDataset((Stream(train, test, self._prepare),))

    def _prepare(self, example: Any, rng: np.random.Generator | None) -> Batch:
        if isinstance(example, tuple):  # a pair to test on
            a, b, paired = *example, True
        else:  # without rng it is not left to chance how pictures are cut; which, always is
            a, b, paired = example(rng or np.random.default_rng(0))
        pictures = (
            Paired(cut=self.cut).prepare((a, b), rng)
            if paired
            else {"a": self.cut.apply(a, rng), "b": self.cut.apply(b, rng)}
        )
        return pictures | {"paired": np.array(paired, np.float32)}

    @property
    def input_channels(self) -> int:
        return self.channels

    def takes_line_drawings(self, direction: Direction) -> bool:
        return Unpaired(self.a, self.b, channels=self.channels).takes_line_drawings(direction)


@dataclasses.dataclass(frozen=True)
class SomePaired:
    """Random access to functions, random numbers -> a, b and whether they are partners: as often as
    there are to be pairs one of these, and behind them every picture of a with any of b.

    Attributes:
        pairs: (a, b) each.
        chosen: The numbers of those that are taken.
        a: Pictures without partners.
        b: Likewise.
        share: Of the examples that are pairs.
    """

    pairs: Examples
    chosen: np.ndarray
    a: Examples
    b: Examples
    share: float

    @property
    def _paired(self) -> int:
        return round(self.share / (1 - self.share) * self._alone)

    @property
    def _alone(self) -> int:
        return max(len(self.a), len(self.b))

    def __len__(self) -> int:
        return self._paired + self._alone

    def __getitem__(
        self, index: int
    ) -> Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray, bool]]:
        def drawn(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, bool]:
            if index < self._paired:
                return *self.pairs[int(rng.choice(self.chosen))], True
            a = self.a[(index - self._paired) % len(self.a)]
            return a, self.b[int(rng.integers(len(self.b)))], False

        return drawn


@dataclasses.dataclass(frozen=True)
class SelfPaired(Data):
    """Pairs that are made of plain pictures, in batches as those of `Paired`: b is the picture, a
    what `by` makes of it.

    Attributes:
        pictures: A source, or the path of a folder.
        by: Edges, Gray, Lab, Inpaint or Downscale (data/derived.py).
        cut: How pictures are resized, cropped and flipped, before `by`.
    """

    pictures: Source | PathText = OpenMoji("colour")
    by: Derivation = Edges()
    cut: Preprocess = Preprocess()

    def open(self) -> OpenedDataset:
        self.cut.check()
        return OpenedDataset(
            (Stream(*_source(self.pictures).open("b", self.cut.load_size, 3), self._prepare),)
        )

    def _prepare(self, picture: np.ndarray, rng: np.random.Generator | None) -> Batch:
        signed = self.cut.apply(picture, rng)
        # What is derived by chance is the same for a test picture every time.
        a, b = self.by.pair(signed, rng or np.random.default_rng(zlib.crc32(signed.tobytes())))
        return {"a": a, "b": b}

    @property
    def input_channels(self) -> int:
        return self.by.input_channels

    @property
    def shows_pictures(self) -> bool:
        return True

    def encode_input(self, signed: np.ndarray) -> np.ndarray:
        return self.by.encode_input(signed)

    def decode_output(self, inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        return self.by.decode_output(inputs, outputs)


@dataclasses.dataclass(frozen=True)
class Labelled(Data):
    """Pictures with a class each; batches {"x": (N, h, w, channels) in [-1, 1], "y": (N, classes)
    with a 1 at its class}.

    Attributes:
        pictures: A source, or the path of a folder with a folder for each class.
        cut: How pictures are resized, cropped and flipped.
        channels: As for `Unpaired`.
    """

    pictures: LabelledSource | PathText = Digits()
    cut: Preprocess = Preprocess(16, 16, flip=False)
    channels: int = 1

    def open(self) -> OpenedDataset:
        self.cut.check()
        source = ClassFolders(self.pictures) if isinstance(self.pictures, str) else self.pictures
        train, test, classes = source.open(self.cut.load_size, self.channels)

        def prepare(example: tuple[np.ndarray, int], rng: np.random.Generator | None) -> Batch:
            picture, label = example
            return {
                "x": self.cut.apply(picture, rng),
                "y": np.eye(len(classes), dtype=np.float32)[label],
            }

        return OpenedDataset((Stream(train, test, prepare),), classes)

    @property
    def input_channels(self) -> int:
        return self.channels


@dataclasses.dataclass(frozen=True)
class Captioned(Data):
    """Pictures with a text each; batches {"x": (N, h, w, channels) in [-1, 1], "y": (N, words) as
    `encoded` makes it}.

    Attributes:
        pictures: A source, or the path of a folder, see `CaptionFolder`.
        cut: How pictures are resized, cropped and flipped.
        words: The length of y, ten times as many as there are words or more: so that a word that
            training never met is hardly ever taken for one that it did.
        recolor: Turns all hues of a training picture by chance, and lets every caption say the
            colour that most of the picture has instead of those that it named, so that the word for
            a colour means it.
        channels: As for `Unpaired`.
    """

    pictures: CaptionSource | PathText = OpenMojiCaptions()
    cut: Preprocess = Preprocess(64, 64)
    words: int = 16384
    recolor: bool = False
    channels: int = 3

    def open(self) -> OpenedDataset:
        self.cut.check()
        if self.words < 1 or (self.recolor and self.channels != 3):
            raise UserError("data.words must be 1 or more, and data.recolor needs 3 channels.")
        source = CaptionFolder(self.pictures) if isinstance(self.pictures, str) else self.pictures
        return OpenedDataset(
            (Stream(*source.open(self.cut.load_size, self.channels), self._prepare),)
        )

    def _prepare(self, example: tuple[np.ndarray, str], rng: np.random.Generator | None) -> Batch:
        picture, caption = example
        if self.recolor:
            picture, caption = recolored(picture, caption, rng)
        return {"x": self.cut.apply(picture, rng), "y": encoded([caption], self.words)[0]}

    @property
    def input_channels(self) -> int:
        return self.channels


def _source(source: Source | str) -> Source:
    return Folder(source) if isinstance(source, str) else source


@dataclasses.dataclass(frozen=True)
class OpenedDataset:
    """Opened pictures.

    Attributes:
        streams: One for each kind of example.
        classes: The names of the labels, if there are any.
    """

    streams: tuple[Stream, ...]
    classes: tuple[str, ...] = ()

    def counts(self) -> str:
        """How many there are, for the console."""
        names = ["a", "b"] if len(self.streams) == 2 else [""]
        parts = (
            f"{n}: {len(s.train)}" if n else f"{len(s.train)}"
            for n, s in zip(names, self.streams, strict=True)
        )
        others = [
            "and no others to test" if s.test is s.train else f"and {len(s.test)} test"
            for s in self.streams
        ]
        counts = ", ".join(
            f"{part} training {test}" for part, test in zip(parts, others, strict=True)
        )
        return f"{counts}, classes {', '.join(self.classes)}" if self.classes else counts

    @property
    def holds_out(self) -> bool:
        """Whether all its test pictures are others than those that it trains on."""
        return all(stream.test is not stream.train for stream in self.streams)

    def largest(self) -> int:
        """The training pictures of the larger side."""
        return max(len(stream.train) for stream in self.streams)

    def steps_per_epoch(self, rows: int) -> int:
        """An epoch shows every picture of the larger side once, as in the authors' code; a step
        takes `rows` of each side.
        """
        return max(1, self.largest() // rows)

    def batches(self, rows: int, seed: int, process: int = 0, processes: int = 1) -> Batches:
        """Random access to batch n, of which this process sees its share of the rows.

        Each stream is shuffled on its own, anew every epoch, so that two domains never repeat their
        pairs by design.

        Args:
            rows: Of a batch, over all processes.
            seed: Of shuffling, cropping and flipping.
            process: The number of this process, from 0.
            processes: How many there are.

        Returns:
            Batches without end; batch n depends on the seed and n alone.
        """
        import grain  # half a second, which no finished network needs

        own = range(process * rows // processes, (process + 1) * rows // processes)
        streams = []
        for number, stream in enumerate(self.streams):
            shuffled = (
                grain.MapDataset.source(cast("Sequence[Any]", stream.train))
                .seed(2 * seed + number)
                .shuffle()
                .repeat()
            )
            streams.append(shuffled.random_map(stream.prepare))
        return Batches(streams, rows, own)

    def samples(self, count: int) -> Batch:
        """The fixed test pictures of the report, evenly spread over the test set, `count` of each
        stream (fewer if there are fewer, or if without a crop their sizes differ).
        """
        chosen: list[list[Batch]] = []
        for stream in self.streams:
            spread = (
                np.linspace(0, len(stream.test) - 1, min(count, len(stream.test)))
                .round()
                .astype(int)
            )
            prepared = [stream.prepare(stream.test[int(i)], None) for i in spread]
            chosen.append(
                [
                    p
                    for p in prepared
                    if all(x.shape == prepared[0][side].shape for side, x in p.items())
                ]
            )
        fewest = min(len(prepared) for prepared in chosen)
        return {
            side: np.stack([p[side] for p in prepared[:fewest]])
            for prepared in chosen
            for side in prepared[0]
        }
