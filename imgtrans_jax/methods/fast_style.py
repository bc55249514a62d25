"""Style transfer by one forward pass: Johnson, Alahi and Fei-Fei 2016 (arXiv 1603.08155), with
several looks in one network by Dumoulin, Shlens and Kudlur 2017 (arXiv 1610.07629).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from imgtrans_jax.engine.game import Game, apply
from imgtrans_jax.losses.compose import plus
from imgtrans_jax.losses.gaussians import statistic, style_wasserstein
from imgtrans_jax.losses.perceptual import features_of
from imgtrans_jax.losses.style import StyleLoss, content_relative, mean_variation, positions
from imgtrans_jax.methods.base import ReadPicture, Recipe, Sheets
from imgtrans_jax.models.style_network import StyleNetwork
from imgtrans_jax.types import (
    Direction,
    Dtype,
    Named,
    Objective,
    Params,
    PathText,
    SignedImages,
    Terms,
    UnitImages,
    Weights,
)

SMALLEST = 32  # pixels of a look's shorter side


@dataclasses.dataclass(frozen=True)
class Look:
    """A style that a network learns.

    Attributes:
        name: What it is called.
        picture: The path of the painting; '' for the drawn one of that name (data/looks.py).
        size: Its shorter side while it is learned from, in pixels: the smaller, the finer the
            strokes.
        strength: Of its style loss beside the others'.
    """

    name: str
    picture: PathText = ""
    size: int = 512
    strength: float = 1.0


class Stylist(nn.Module):
    """The network as a player: {"a": images} -> {"fake_b": stylised, "looks": (N, K)}, each image
    in a look that is drawn for it, unless the batch has "looks".

    Attributes:
        g: (images, train, looks) -> images.
        looks: How many there are.
        learned: The numbers of those that are drawn; empty for all.
    """

    g: nn.Module
    looks: int
    learned: tuple[int, ...] = ()

    @nn.compact
    def __call__(self, batch: Named, train: bool) -> dict[str, jax.Array]:
        weights = batch.get("looks")
        if weights is None:
            known = jnp.array(self.learned or range(self.looks))
            drawn = jax.random.choice(self.make_rng("latent"), known, batch["a"].shape[:1])
            weights = jax.nn.one_hot(drawn, self.looks)
        return {"fake_b": self.g(batch["a"], train, weights), "looks": weights}


def only_rows(params: Params, rows: tuple[int, ...]) -> Params:
    """Parameters of which nothing is learned but the numbers of some looks, 2 C in each norm.

    Args:
        params: Of a network with conditional norms.
        rows: The numbers of those looks.

    Returns:
        The parameters, the others without a gradient.
    """

    def chosen(path: tuple[Any, ...], x: jax.Array) -> jax.Array:
        still = jax.lax.stop_gradient(x)
        if len(path) < 2 or not path[-2].key.endswith("_norm"):
            return still
        return still.at[jnp.array(rows)].set(x[jnp.array(rows)])

    return jax.tree_util.tree_map_with_path(chosen, params)


@dataclasses.dataclass(frozen=True)
class FastStyle(Recipe):
    """The perceptual losses of section 3 of Johnson et al.: the content's features and the style's
    Gram matrices, by a network that is never trained.

    Batches are {"a": (N, H, W, 3)} in [-1, 1].

    Attributes:
        looks: What it knows.
        generator: Any module (images, train, (N, looks) weights) -> images; its `looks` are as many
            as those learned.
        look: How it is used: a look's name, several with weights ("wave:0.6, scream:0.4"), '' for
            the first.
        weights: The network, see `load_vgg`.
        feature_dtype: The type that its convolutions are computed in; bfloat16 is faster on a GPU
            or TPU. Losses are float32 in either.
        content_layer: By name.
        content: Weight of `content_loss`.
        content_loss: (features, wanted) -> ().
        style_layers: By name.
        style: Weight of `style_loss`.
        style_loss: (Gram, wanted, positions) -> ().
        variation: Weight of the squared differences of neighbours.
        learned: The names of looks that are added to a finished network (`config.init_from`): their
            2 C numbers in each norm are all that is trained (Dumoulin et al. 2017, section 3.2).
            Empty for training all of it.
        ema: As for CycleGAN.
        extra: See Recipe.
    """

    notes: ClassVar[str] = (
        "All terms carry their weights. content: how far results are from the pictures in a "
        "network's features. style: how far their Gram matrices are from the paintings'. "
        "variation: how rough they are."
    )

    looks: tuple[Look, ...] = (Look("mosaic"),)
    needs: ClassVar[tuple[str, ...]] = ("a",)

    generator: nn.Module = StyleNetwork(register=0.125)
    look: str = ""
    weights: Weights = "embedded"
    feature_dtype: Dtype = "float32"
    content_layer: str = "relu3_3"
    content: float = 1.0
    content_loss: Callable[[jax.Array, jax.Array], jax.Array] = content_relative
    style_layers: tuple[str, ...] = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    style: float = 1.0
    style_loss: StyleLoss = style_wasserstein
    variation: float = 0.0
    learned: tuple[str, ...] = ()
    ema: float = 0.0
    extra: tuple[Objective, ...] = ()

    def game(self) -> Game:
        """The game of these hyper-parameters, which nobody is played against.

        Raises:
            ValueError: For no look or two of one name, and for weights that are negative or all 0.
        """
        names = [look.name for look in self.looks]
        if not names:
            raise ValueError("`config.recipe.looks` must be one or more.")
        for name in names:
            if re.search("[,:]|^$", name) or name == "input" or names.count(name) > 1:
                raise ValueError(
                    f"A look cannot be called {name!r}: each has a name of its own, without comma "
                    "and colon, and not input."
                )
        known = getattr(self.generator, "looks", len(names))
        if known != len(names):
            raise ValueError(
                f"`config.recipe.generator.looks={known}` must be the number of looks, "
                f"{len(names)}."
            )
        strengths = [look.strength for look in self.looks]
        weights = [self.content, self.style, self.variation, *strengths]
        if not (np.isfinite(weights).all() and min(weights) >= 0 and self.style):
            raise ValueError(
                "The weights and the looks' strengths must not be negative, nor style be 0."
            )
        if not self.style_layers or min(look.size for look in self.looks) < SMALLEST:
            raise ValueError(
                f"There must be a style layer, and looks must have {SMALLEST} pixels or more."
            )
        self.mixture()
        if unknown := set(self.learned) - set(names):
            raise ValueError(
                f"There is no look {min(unknown)!r} to learn; there are {', '.join(names)}."
            )
        rows = tuple(names.index(name) for name in self.learned)
        return Game(
            generator=Stylist(self.generator.clone(), len(names), rows),
            critic=None,
            fakes=lambda batch, samples: {},
            reals=lambda batch: {},
            g_objective=plus(self._perceptual, *self.extra),
            d_objective=lambda real, fake: {},
            ema=self.ema,
            learned=(lambda params: only_rows(params, rows)) if rows else None,
        )

    @property
    def frozen_network(self) -> str:
        return self.weights

    def frozen(self, network: Params, read: ReadPicture) -> Any:
        """The network, and of every style layer the looks' statistics, such as mean Gram matrices
        (K, C, C); 0 for looks that are not learned.
        """
        learned = self.learned or tuple(look.name for look in self.looks)
        of, target = statistic(self.style_loss)

        @jax.jit  # compiled for every shape of a picture
        def means(network: Params, picture: UnitImages) -> dict[str, jax.Array]:
            found = features_of(network, picture, self.style_layers)
            return {name: of(f) / positions(f) for name, f in found.items()}

        compiled = jax.jit(target)  # for every layer

        def wanted(look: Look) -> dict[str, jax.Array]:
            found = means(network, jnp.asarray(read(look.picture, look.name, look.size)))
            return {name: compiled(mean)[0] for name, mean in found.items()}

        # of looks that are not learned the pictures need not be there
        known = {look.name: wanted(look) for look in self.looks if look.name in learned}
        empty = {name: jnp.zeros_like(x) for name, x in known[learned[0]].items()}
        each = [known.get(look.name, empty) for look in self.looks]
        grams = {name: jnp.stack([one[name] for one in each]) for name in empty}
        return {"network": network, "grams": grams}

    def adopted(self, params: Params, before: Recipe) -> Params:
        """Every look's numbers by its name; one that is new begins with the mean of the others."""
        if not isinstance(before, FastStyle):
            return params
        known, names = [look.name for look in before.looks], [look.name for look in self.looks]

        def mine(path: tuple[Any, ...], x: Any) -> Any:
            if path[-2:][0].key.endswith("_norm") and x.shape[0] == len(known):
                rows = [x[known.index(n)] if n in known else np.mean(x, axis=0) for n in names]
                return np.stack(rows)
            return x

        return jax.tree_util.tree_map_with_path(mine, params)

    def samples(self, params: Params, stats: Any, batch: Named) -> dict[str, SignedImages]:
        # All looks in one batch: the network is compiled once, not once for each.
        pictures, count = batch["a"], len(self.looks)
        weights = jnp.repeat(jnp.eye(count), pictures.shape[0], axis=0)
        made = self.stylized(params, stats, jnp.tile(pictures, (count, 1, 1, 1)), weights)
        by_look = made.reshape(count, *pictures.shape)
        return {look.name: by_look[number] for number, look in enumerate(self.looks)}

    def sheets(
        self,
        batch: Mapping[str, np.ndarray],
        samples: Mapping[str, np.ndarray],
        classes: tuple[str, ...],
    ) -> Sheets:
        return {"looks": {"input": batch["a"], **samples}}

    def translate(
        self, params: Params, stats: Any, images: SignedImages, direction: Direction
    ) -> SignedImages:
        weights = jnp.tile(jnp.array(self.mixture()), (images.shape[0], 1))
        return self.stylized(params, stats, images, weights)

    def mixture(self) -> tuple[float, ...]:
        """The weights that `look` gives each of the looks; they sum to 1.

        Raises:
            ValueError: For a name that there is not, or weights that are no shares.
        """
        names = [look.name for look in self.looks]
        shares = dict.fromkeys(names, 0.0)
        for part in (self.look or names[0]).split(","):
            name, colon, weight = (text.strip() for text in part.partition(":"))
            if name not in shares:
                raise ValueError(f"There is no look {name!r}; there are {', '.join(names)}.")
            try:
                shares[name] += float(weight if colon else 1)
            except ValueError:
                raise ValueError(f"`look={self.look}`: {weight!r} is no number.") from None
        total = sum(shares.values())
        if not (min(shares.values()) >= 0 and 0 < total < float("inf")):
            raise ValueError(f"`look={self.look}`: the weights must be 0 or more, and not all 0.")
        return tuple(share / total for share in shares.values())

    def stylized(
        self, params: Params, stats: Any, images: SignedImages, weights: jax.Array
    ) -> SignedImages:
        """Pictures in looks.

        Args:
            params: Of the generators.
            stats: Their batch statistics.
            images: (N, H, W, 3) in [-1, 1].
            weights: Of the looks, (N, K), K as many as there are.

        Returns:
            (N, H, W, 3) in [-1, 1].
        """
        player = Stylist(self.generator.clone(), len(self.looks))
        batch = {"a": images, "looks": weights}
        return apply(player, params, stats, batch, None, train=False)[0]["fake_b"]

    def _perceptual(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        """Equations 1 to 4 of Johnson et al.; every picture's style is that of its look."""
        network, made = frozen["network"], (samples["fake_b"] + 1) / 2
        content = (self.content_layer,) if self.content else ()
        kind = self.feature_dtype
        found = features_of(network, made, (*self.style_layers, *content), kind)
        terms: Terms = {}
        if self.content:
            wanted = features_of(network, (batch["a"] + 1) / 2, content, kind)
            near = self.content_loss(found[self.content_layer], wanted[self.content_layer])
            terms["content"] = self.content * near
        strengths = samples["looks"] @ jnp.array([look.strength for look in self.looks])
        (of, _), losses = statistic(self.style_loss), []
        for layer in self.style_layers:
            count = positions(found[layer])
            mixed = jnp.einsum("nk,kij->nij", samples["looks"], frozen["grams"][layer])
            each = jax.vmap(lambda g, a, m=count: self.style_loss(g[None], a[None] * m, m))
            losses.append(jnp.mean(strengths * each(of(found[layer]), mixed)))
        terms["style"] = self.style * sum(losses[1:], start=losses[0]) / len(losses)
        if self.variation:
            terms["variation"] = self.variation * mean_variation(made)
        return terms
