"""One trained network out of a training, with what a program that runs it must know. Imports
inference and models."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.core import max_dim

import imgtrans_jax
from imgtrans_jax.inference import shelf
from imgtrans_jax.inference.generator import TrainedGenerator
from imgtrans_jax.inference.generator_file import flatten_arrays
from imgtrans_jax.inference.translator import SMALLEST, Translation
from imgtrans_jax.methods.cogan import CoGAN
from imgtrans_jax.methods.fast_style import FastStyle
from imgtrans_jax.methods.stackgan import StackGAN
from imgtrans_jax.types import Direction, Params, UserError


# A value of its own, so that it can be jitted; what jit calls it by is not all of its weights.
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Exported:
    """A network from pictures to pictures, or from latents to pictures.

    Attributes:
        module: The network.
        params: Its parameters.
        stats: Its batch statistics, {} for none.
        channels: Of its input, for latents their length.
        factor: How much larger its results are.
        multiple: Of what the sides must be multiples; what is exported mirrors pictures to that,
            and cuts results back.
        looks: The names of those it knows; () for none to choose from.
        classes: How many there are to choose from, where it makes pictures of classes.
        best_size: Pixels of the shorter side that it is best at; None for any.
        line_drawings: It learned from line drawings.
        name: Of the finished network that it is, '' for another.
    """

    module: nn.Module
    params: Params
    stats: Any
    channels: int
    factor: int = 1
    multiple: int = 1
    looks: tuple[str, ...] = ()
    classes: int = 0
    best_size: int | None = None
    line_drawings: bool = False
    name: str = ""

    @property
    def from_latents(self) -> bool:
        """Whether it makes pictures from nothing."""
        return self.factor == 0

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """All arrays by name, as `block_0/conv_0/kernel`."""
        arrays = flatten_arrays(self.stats) | flatten_arrays(self.params)
        return {name: np.asarray(x, np.float32) for name, x in arrays.items()}

    def __call__(
        self, params: Params, image: jax.Array, choice: jax.Array | None = None
    ) -> jax.Array:
        """The network in the form that is exported; pure.

        Args:
            params: Its parameters, as `params` has them.
            image: (N, C, H, W) in [-1, 1], of any size; or latents (N, C).
            choice: Weights of the looks (1, K), or of the classes (N, K); None where there is
                nothing to choose.

        Returns:
            (N, C', factor H, factor W) in [-1, 1].
        """
        variables = {"params": params, "batch_stats": self.stats}
        if self.from_latents:
            z = image if choice is None else jnp.concatenate([image, choice], axis=1)
            made: Any = self.module.apply(variables, z, False)
            return made.transpose(0, 3, 1, 2)
        height, width = image.shape[2:]
        x = image.transpose(0, 2, 3, 1)
        for axis in (1, 2):
            x = mirrored(x, axis, self.multiple)
        more = () if choice is None else (_shares(choice, x.shape[0]),)
        made = self.module.apply(variables, x, False, *more)
        cut = made[:, : self.factor * height, : self.factor * width]
        return cut.transpose(0, 3, 1, 2)

    def told(self) -> dict[str, str]:
        """What a program that runs it must know, and what people want to."""
        sizes = (
            "any size; it is mirrored inside to multiples of "
            f"{self.multiple} pixels, {max(self.multiple, SMALLEST)} at least, and cut back"
        )
        channels = {1: "gray", 3: "RGB"}.get(self.channels, f"{self.channels} channels")
        image = f"image: float32, N x {self.channels} x H x W, {channels} in [-1, 1]; {sizes}"
        latent = f"latent: float32, N x {self.channels}, normally distributed"
        lines = {
            "made_by": f"imgtrans_jax {imgtrans_jax.__version__}",
            "network": type(self.module).__name__,
            "layout": "NCHW",
            "input": latent if self.from_latents else image,
            "output": "result: float32 in [-1, 1]"
            + (f", {self.factor} times as large" if self.factor > 1 else ""),
        }
        if self.looks:
            lines["looks"] = json.dumps(self.looks)
            lines["looks_input"] = f"looks: float32, 1 x {len(self.looks)}, weights of any sum"
        if self.classes:
            lines["classes_input"] = f"classes: float32, N x {self.classes}, a 1 at the class"
        if self.best_size:
            lines["best_size"] = str(self.best_size)
        if self.name:
            card = dataclasses.asdict(shelf.card(self.name))
            lines |= {"name": self.name} | {k: v for k, v in card.items() if k != "sample"}
        return lines


def mirrored(x: jax.Array, axis: int, multiple: int) -> jax.Array:
    """An axis made longer by mirroring, as io.images.pad_to_multiple does; its length may be a
    symbol.
    """
    old = x.shape[axis]
    least = -(-SMALLEST // multiple)
    new = multiple * max_dim(least, (old + multiple - 1) // multiple)
    places = jnp.arange(new) % (2 * old)
    return jnp.take(x, jnp.minimum(places, 2 * old - 1 - places), axis=axis)


def _shares(looks: jax.Array, count: Any) -> jax.Array:
    return jnp.broadcast_to(looks / jnp.sum(looks, axis=1, keepdims=True), (count, looks.shape[1]))


def exported(loaded: TrainedGenerator, direction: Direction = "a2b", name: str = "") -> Exported:
    """The network of a training that is exported.

    Args:
        loaded: The training's generators.
        direction: Which of two it is.
        name: Of the finished network that it is, '' for another.

    Returns:
        The network, in its deterministic form.

    Raises:
        UserError: For a direction that it has not got.
    """
    recipe = loaded.experiment.recipe
    if isinstance(recipe, (CoGAN, StackGAN)):
        raise UserError(
            f"A {type(recipe).__name__} run is more than one network and cannot be exported; "
            "imgtrans convert makes one file of it, for imgtrans."
        )
    if not recipe.directions:
        return _from_latents(loaded)
    translation = Translation(loaded, direction, test_mode="eval" if recipe.test_mode else None)
    key = "g" if "g" in loaded.params else {"a2b": "g_ab", "b2a": "g_ba"}[direction]
    side = max(translation.multiple, SMALLEST)
    channels = loaded.batch[direction[0] if direction[0] in loaded.batch else "a"][3]
    x = jax.ShapeDtypeStruct((1, side, side, channels), jnp.float32)
    made: Any = jax.eval_shape(translation.function, translation.weights, x)
    looks = [look.name for look in recipe.looks] if isinstance(recipe, FastStyle) else []
    generator = recipe.generator.clone(looks=len(looks)) if looks else recipe.generator
    return Exported(
        generator,
        loaded.params[key],
        loaded.stats.get(key, {}),
        channels,
        made.shape[1] // side,
        translation.multiple,
        tuple(looks) if len(looks) > 1 else (),
        best_size=loaded.best_size,
        line_drawings=translation.drawings.expected,
        name=name,
    )


def _from_latents(loaded: TrainedGenerator) -> Exported:
    recipe: Any = loaded.experiment.recipe
    classes = loaded.batch["y"][1] if recipe.knows_classes else 0
    return Exported(
        recipe.generator,
        loaded.params["g"],
        loaded.stats.get("g", {}),
        recipe.latent,
        factor=0,
        classes=classes,
    )
