"""Pictures from noise: GAN (Goodfellow et al. 2014), conditional GAN (Mirza and Osindero 2014),
WGAN and WGAN-GP.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from imgtrans_jax.engine.game import Game, apply
from imgtrans_jax.losses.adversarial import GanLoss, gradient_penalty, vanilla, wgan
from imgtrans_jax.losses.compose import plus
from imgtrans_jax.methods.base import Recipe, Sheets, latents
from imgtrans_jax.models.dcgan import DCGANCritic, DCGANGenerator
from imgtrans_jax.types import Direction, Named, Objective, Params, SignedImages, Terms

_SIDE = 8  # rows and columns of the sheets


class Sampler(nn.Module):
    """{"x": (N, …), "y": (N, d)} -> {"fake": G(z)}, or G(z, y) with `conditional`; z ~ N(0, 1),
    drawn anew unless it is there as batch["z"].

    Attributes:
        g: (z, train) -> images.
        latent: The length of z.
        conditional: Whether y is laid beside z.
    """

    g: nn.Module
    latent: int
    conditional: bool

    def __call__(self, batch: Named, train: bool) -> dict[str, SignedImages]:
        z = latents(self, batch, "y", self.latent)
        return {
            "fake": self.g(
                jnp.concatenate([z, batch["y"]], axis=1) if self.conditional else z, train
            )
        }


class ConditionalCritic(nn.Module):
    """{"d": images, "y": conditions or absent} -> {"d": logits}.

    Attributes:
        d: (images, condition or None, train) -> logits.
    """

    d: nn.Module

    def __call__(self, views: Named, train: bool) -> dict[str, jax.Array]:
        return {"d": self.d(views["d"], views.get("y"), train)}


@dataclasses.dataclass(frozen=True)
class GAN(Recipe):
    """min over G, max over D of E log D(x) + E log(1 - D(G(z))) (Goodfellow et al. 2014, equation 1
    and Algorithm 1).

    Batches are {"x": (N, H, W, C) in [-1, 1], "y": (N, classes)}.

    Attributes:
        generator: (z, train) -> images.
        critic: (images, condition or None, train) -> logits.
        gan: The loss by name: vanilla (non-saturating), saturating, lsgan, hinge, wgan.
        latent: The length of z.
        conditional: Whether y, the class, reaches both players; y may be any vector.
        critic_steps: The algorithm's k; each turn of either player has a minibatch and latents of
            its own.
        penalty: Weight of the gradient penalty on the critic (WGAN-GP: 10), 0 for none.
        clip: The limit of the critic's weights (WGAN: 0.01), 0 for none.
        ema: As for CycleGAN.
        extra: See Recipe.
    """

    notes: ClassVar[str] = (
        "All terms carry their weights. gan: how little the samples convince the critic. d_real, "
        "d_fake: the critic on real pictures and on samples; with vanilla it guesses where both "
        "are near 0.69. With wgan, -(d_real + d_fake) is the critic's estimate of the distance, "
        "which should fall. Each place of a sheet keeps its z through the whole training."
    )

    directions: ClassVar[tuple[Direction, ...]] = ()

    needs: ClassVar[tuple[str, ...]] = ("x", "y")

    generator: nn.Module = DCGANGenerator()
    critic: nn.Module = DCGANCritic()
    gan: GanLoss = vanilla
    latent: int = 100
    conditional: bool = False
    critic_steps: int = 1
    penalty: float = 0.0
    clip: float = 0.0
    ema: float = 0.0
    extra: tuple[Objective, ...] = ()

    def game(self) -> Game:
        """The game of these hyper-parameters.

        Raises:
            ValueError: For numbers that make no game.
        """
        if self.critic_steps < 1 or self.latent < 1 or min(self.penalty, self.clip) < 0:
            raise ValueError(
                "critic_steps and latent must be 1 or more, penalty and clip must not be negative."
            )
        if self.gan == wgan and not max(self.penalty, self.clip):
            raise ValueError(
                "The loss wgan needs a smooth critic: recipe.penalty=10 (WGAN-GP) or "
                "recipe.clip=0.01."
            )
        return Game(
            generator=self._sampler(),
            critic=ConditionalCritic(self.critic.clone()),
            fakes=lambda batch, samples: self._views(samples["fake"], batch),
            reals=lambda batch: self._views(batch["x"], batch),
            g_objective=plus(self._fool, *self.extra),
            d_objective=self._judge,
            order="algorithm_1",
            critic_steps=self.critic_steps,
            critic_clip=self.clip,
            penalty=self._penalize if self.penalty else None,
            ema=self.ema,
        )

    @property
    def knows_classes(self) -> bool:
        return self.conditional

    def samples(self, params: Params, stats: Any, batch: Named) -> dict[str, SignedImages]:
        """A grid of random samples, one with the classes as columns, and the way between pairs of
        latents.

        Args:
            params: The generator player's parameters.
            stats: Its batch statistics.
            batch: Of which "y", (N, classes), says how many classes there are.

        Returns:
            "samples" and "interpolation", (64, H, W, C) in [-1, 1] each, and with `conditional`
            "classes", (8 * classes, H, W, C): eight rows, column by column.
        """
        classes = batch["y"].shape[1]
        grid_key, end_key, label_key = jax.random.split(jax.random.key(0), 3)
        z = jax.random.normal(grid_key, (_SIDE * _SIDE, self.latent))
        labels = jnp.arange(_SIDE * _SIDE) % classes
        ends = jax.random.normal(end_key, (2, _SIDE, self.latent))
        between = jax.vmap(lambda share: _slerp(ends[0], ends[1], share))(jnp.linspace(0, 1, _SIDE))
        one_label = jnp.tile(jax.random.permutation(label_key, _SIDE) % classes, _SIDE)
        out = {
            "samples": self._from(params, stats, z, jax.nn.one_hot(labels, classes)),
            "interpolation": self._from(
                params, stats, between.reshape(-1, self.latent), jax.nn.one_hot(one_label, classes)
            ),
        }
        if self.conditional:
            shared = jnp.tile(z[:_SIDE], (classes, 1))
            each = jnp.repeat(jnp.eye(classes), _SIDE, axis=0)
            out["classes"] = self._from(params, stats, shared, each)
        return out

    def sheets(
        self,
        batch: Mapping[str, np.ndarray],
        samples: Mapping[str, np.ndarray],
        classes: tuple[str, ...],
    ) -> Sheets:
        shares = [f"{round(100 * i / (_SIDE - 1))} % of the way" for i in range(_SIDE)]
        numbers = [f"z {i + 1}" for i in range(_SIDE)]
        shown = {"samples": _columns(samples["samples"], numbers)}
        shown["interpolation"] = _columns(samples["interpolation"], shares)
        if "classes" in samples:
            shown["classes"] = _columns(samples["classes"], list(classes))
        if len(batch["x"]) >= _SIDE:
            shown["real pictures"] = _columns(
                batch["x"], [f"picture {i + 1}" for i in range(_SIDE)]
            )
        return shown

    def generate(self, params: Params, stats: Any, key: jax.Array, y: jax.Array) -> SignedImages:
        return self._from(params, stats, jax.random.normal(key, (len(y), self.latent)), y)

    def _from(self, params: Params, stats: Any, z: jax.Array, y: jax.Array) -> SignedImages:
        return apply(self._sampler(), params, stats, {"z": z, "y": y}, None, train=False)[0]["fake"]

    def _sampler(self) -> Sampler:
        return Sampler(self.generator.clone(), self.latent, self.conditional)

    def _views(self, x: jax.Array, batch: Named) -> dict[str, jax.Array]:
        return {"d": x, "y": batch["y"]} if self.conditional else {"d": x}

    def _fool(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        return {"gan": self.gan.generator(logits["d"])}

    def _judge(self, real: Named, fake: Named) -> Terms:
        return {"d_real": self.gan.real(real["d"]), "d_fake": self.gan.fake(fake["d"])}

    def _penalize(self, judge: Any, real: Named, fake: Named, key: jax.Array) -> Terms:
        return {"d_penalty": self.penalty * gradient_penalty(judge, real, fake, key)}


def _slerp(start: jax.Array, end: jax.Array, share: jax.Array) -> jax.Array:
    """Between latents (N, d) along the sphere (White 2016): the straight way has lengths that a
    Gaussian never has.
    """
    norms = [jnp.linalg.norm(z, axis=1, keepdims=True) for z in (start, end)]
    angle = jnp.arccos(
        jnp.clip(jnp.sum(start * end, axis=1, keepdims=True) / (norms[0] * norms[1]), -1, 1)
    )
    return (jnp.sin((1 - share) * angle) * start + jnp.sin(share * angle) * end) / jnp.sin(angle)


def _columns(images: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
    """Images in order of columns -> columns by their names."""
    rows = len(images) // len(names)
    return {name: images[i * rows : (i + 1) * rows] for i, name in enumerate(names)}
