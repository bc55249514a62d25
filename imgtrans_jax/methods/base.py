"""What a method must say for itself, to be trained, shown and used."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import jax
import numpy as np
from flax import linen as nn

from imgtrans_jax.engine.game import Game
from imgtrans_jax.losses.pixel import l1_of_rows
from imgtrans_jax.types import (
    Direction,
    Named,
    Objective,
    Params,
    SignedImages,
    UserError,
)

Sheets = Mapping[str, Mapping[str, np.ndarray]]
"""By the sheet's name, columns by theirs: images (N, H, W, C), one a row."""

ReadPicture: TypeAlias = Callable[[str, str, int], np.ndarray]
"""(path, name, shorter side in pixels) -> (1, H, W, 3) in [0, 1]; without a path the drawn look of
that name."""


@runtime_checkable
class Recipe(Protocol):
    """Hyper-parameters in, a Game out. Frozen dataclasses that name this class as their base have
    all but its first three methods.

    Attributes:
        notes: What the method's terms mean, for the page.
        directions: Those that `translate` knows.
        needs: The arrays of a batch that it cannot do without.
        generator: What `translate` or `generate` applies.
        critic: The module of its critics, for those methods that have such.
        gan: Their GanLoss, likewise.
        halve_critic: Whether that is halved.
        test_mode: `paper` or `eval`, how the trained generator is used, for those methods that have
            the choice.
        look: Which it is used with, for those that know several.
        extra: Objectives of the user's own, (batch, samples, logits, frozen) -> {name: weighted ()
            array}.
    """

    notes: ClassVar[str] = "All terms carry their weights."

    directions: ClassVar[tuple[Direction, ...]] = ("a2b",)

    needs: ClassVar[tuple[str, ...]] = ()

    generator: nn.Module
    critic: Any = None  # Any: or a method could not say that it always has one
    gan: Any = None
    halve_critic: bool = False
    test_mode: Any = None
    look: Any = None
    extra: tuple[Objective, ...]

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def knows_classes(self) -> bool:
        """Whether `generate` makes pictures of a class that it is told."""
        return False

    @property
    def reads_texts(self) -> bool:
        """Whether `generate` makes pictures of texts, which `read` turns into conditions."""
        return False

    @property
    def has_own_size(self) -> bool:
        """Whether `translate` brings pictures to a size of its own, whatever they come in."""
        return False

    @property
    def needs_pairs(self) -> bool:
        """Whether b is to be the true translation of a in all that it learns from."""
        return False

    @property
    def settings(self) -> dict[str, Any]:
        """Its numbers and modes by name, such as the weights of its terms: what a score of its
        results is to be read with.
        """
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if _is_plain(value)}

    def game(self) -> Game:
        """The game of these hyper-parameters.

        Raises:
            ValueError: For values that make none.
        """
        ...

    def samples(self, params: Params, stats: Any, batch: Named) -> Named:
        """What the report shows for test pictures; pure, to be jitted.

        Args:
            params: The generator player's parameters.
            stats: Its batch statistics.
            batch: Test pictures by name, as in training.

        Returns:
            Images (N, H, W, C) in [-1, 1] by name.
        """
        ...

    def sheets(
        self,
        batch: Mapping[str, np.ndarray],
        samples: Mapping[str, np.ndarray],
        classes: tuple[str, ...],
    ) -> Sheets:
        """The test batch and its samples as sheets of pictures.

        Args:
            batch: The test pictures by name, (N, H, W, C) in [-1, 1].
            samples: What `samples` made of them.
            classes: The names of the data's classes, in order; () without classes.

        Returns:
            Sheets by name, each of columns by theirs.
        """
        ...

    @property
    def frozen_network(self) -> str:
        """The weights of a VGG, as `load_vgg` takes them, that the objectives get and never train;
        '' for none.
        """
        return ""

    def frozen(self, network: Params, read: ReadPicture) -> Any:
        """What the objectives get as `frozen`: by default the `frozen_network` itself.

        Args:
            network: Its parameters.
            read: Reads pictures that are needed, see `ReadPicture`.

        Returns:
            A tree of arrays.
        """
        return network

    def adopted(self, params: Params, before: Recipe) -> Params:
        """The generators' parameters of a training by another recipe as this one's, where it begins
        with them: by default as they are.

        Args:
            params: Of the other training.
            before: Its recipe.

        Returns:
            A tree as this recipe's.
        """
        return params

    def translate(
        self, params: Params, stats: Any, images: SignedImages, direction: Direction
    ) -> SignedImages:
        """Pictures translated in one of the `directions`; pure, to be jitted.

        Args:
            params: The generator player's parameters.
            stats: Its batch statistics.
            images: Inputs, (N, H, W, C) in [-1, 1].
            direction: `a2b` or `b2a`.

        Returns:
            Their translations, (N, H', W', C').

        Raises:
            UserError: If the method translates nothing.
        """
        raise UserError(f"A {type(self).__name__} run translates nothing.")

    def read(self, params: Params, text: str, length: int) -> tuple[np.ndarray, list[str]]:
        """A text as a condition, and those of its words that the training never met.

        Args:
            params: The generator player's parameters.
            text: Any.
            length: Of y in training.

        Returns:
            (length,) float32, and the unknown words.

        Raises:
            UserError: If the method reads none, or knows no word of it.
        """
        raise UserError("This run reads no texts; leave `text` out.")

    def generate(self, params: Params, stats: Any, key: jax.Array, y: jax.Array) -> SignedImages:
        """Pictures from nothing but random numbers and conditions.

        Args:
            params: The generator player's parameters.
            stats: Its batch statistics.
            key: Draws the random numbers.
            y: Conditions (N, d), one for each picture.

        Returns:
            Pictures (N, H, W, C) in [-1, 1].

        Raises:
            UserError: If the method changes pictures instead.
        """
        raise UserError(
            f"A {type(self).__name__} run changes pictures: imgtrans translate RUN PICTURE does "
            "that."
        )


def _is_plain(value: Any) -> bool:
    """Whether it is a number, a text, or a tuple of such that is not empty."""
    if isinstance(value, tuple):
        return bool(value) and all(map(_is_plain, value))
    return isinstance(value, (bool, int, float, str))


def latents(module: nn.Module, batch: Named, name: str, length: int) -> jax.Array:
    """What a generator makes pictures of: batch["z"], or drawn anew.

    Args:
        module: By whose stream `latent` they are drawn.
        batch: Which may have them.
        name: Of the array in it that has as many rows as are drawn.
        length: Of each.

    Returns:
        (N, length), N(0, 1).
    """
    if "z" in batch:
        return batch["z"]
    return jax.random.normal(module.make_rng("latent"), (len(batch[name]), length))


def near_partners(made: SignedImages, true: SignedImages, batch: Named) -> jax.Array:
    """How far translations are from their partners, over the rows that have one.

    Args:
        made: (N, H, W, C).
        true: What they are to be where they have a partner, likewise.
        batch: Whose "paired" (N,) says which, as that of data.Mixed does.

    Returns:
        ().

    Raises:
        ValueError: If the batch does not say.
    """
    if "paired" not in batch:
        raise ValueError(
            "`config.recipe.paired` needs data that says which pictures have partners: config.data "
            "must be Mixed."
        )
    return l1_of_rows(made, true, batch["paired"])


def new_game(recipe: Recipe) -> Game:
    """The game of a recipe.

    Args:
        recipe: The method and its numbers.

    Returns:
        The game.

    Raises:
        UserError: For numbers that make none.
    """
    try:
        return recipe.game()
    except ValueError as error:
        raise UserError(str(error)) from None
