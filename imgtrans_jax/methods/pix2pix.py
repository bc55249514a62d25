"""pix2pix: translation learned from pairs (Isola, Zhu, Zhou and Efros 2017, arXiv 1611.07004)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from imgtrans_jax.engine.game import Game, apply
from imgtrans_jax.losses.adversarial import GanLoss, vanilla
from imgtrans_jax.losses.compose import plus
from imgtrans_jax.losses.perceptual import features_of
from imgtrans_jax.losses.pixel import l1
from imgtrans_jax.losses.style import content_relative
from imgtrans_jax.methods.base import Recipe, Sheets
from imgtrans_jax.models.patchgan import ImageCritic, PatchGAN
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.types import (
    Direction,
    Named,
    Objective,
    Params,
    SignedImages,
    Terms,
    Weights,
)


class Translator(nn.Module):
    """One generator as a player: {"a": images, …} -> {"fake_b": G(a)}.

    Attributes:
        g: (images, train) -> images.
    """

    g: nn.Module

    def __call__(self, batch: Named, train: bool) -> dict[str, SignedImages]:
        return {"fake_b": self.g(batch["a"], train)}


@dataclasses.dataclass(frozen=True)
class Pix2Pix(Recipe):
    """The conditional GAN of section 3: G(a) is to convince a critic that sees a beside it, and to
    be near b.

    Batches are {"a": (N, H, W, C), "b": (N, H, W, C')} in [-1, 1], b the true translation of a.

    Attributes:
        generator: Any module (images, train) -> images.
        critic: Any module (images, train) -> logits.
        gan: The adversarial loss by name: vanilla (the paper's), lsgan, hinge.
        adversarial: Its weight.
        pixel: The weight of `distance` between G(a) and b, the paper's lambda (equation 4).
        distance: (images, images) -> (); l1 by default.
        content: Weight of how far G(a) is from b in the features of a network (Johnson et al. 2016,
            equation 2; as pix2pixHD adds them, Wang et al. 2018, section 3.2): the mean of
            `content_relative` over `content_layers`.
        content_layers: By name.
        weights: That network, see `load_vgg`.
        conditional: Whether the critic sees a beside b (equation 1) or b alone (equation 2).
        halve_critic: The critic's loss times 1/2, the paper's section 3.3.
        test_mode: How the trained generator is used. `paper`: as in training, with dropout as noise
            and the picture's own batch statistics (section 3.3); `eval`: without noise, by running
            statistics.
        ema: As for CycleGAN.
        extra: See Recipe.
    """

    notes: ClassVar[str] = (
        "All terms carry their weights. pixel: how far translations are from the truth; content: "
        "the same in a network's features, if asked for. gan: how little they convince the critic. "
        "d_real, d_fake: the critic on true pairs and on translations; with vanilla it guesses "
        "where both are near 0.35."
    )

    needs: ClassVar[tuple[str, ...]] = ("a", "b")

    generator: nn.Module = UNet()
    critic: nn.Module = PatchGAN(norm="batch")
    gan: GanLoss = vanilla
    adversarial: float = 1.0
    pixel: float = 100.0
    distance: Callable[[jax.Array, jax.Array], jax.Array] = l1
    content: float = 0.0
    content_layers: tuple[str, ...] = ("relu2_2", "relu3_3", "relu4_3")
    weights: Weights = "embedded"
    conditional: bool = True
    halve_critic: bool = True
    test_mode: Literal["paper", "eval"] = "paper"
    ema: float = 0.0
    extra: tuple[Objective, ...] = ()

    def game(self) -> Game:
        """The game of these hyper-parameters.

        Raises:
            ValueError: For a negative weight, or if none is left.
        """
        weights = self.adversarial, self.pixel, self.content
        if min(weights) < 0 or max(weights) == 0:
            raise ValueError(
                "The weights adversarial, pixel and content must not be negative, nor all be 0."
            )
        if self.content and not self.content_layers:
            raise ValueError("There must be a content layer.")
        return Game(
            generator=Translator(self.generator.clone()),
            critic=ImageCritic(self.critic.clone()) if self.adversarial else None,
            fakes=lambda batch, samples: self._view(batch, samples["fake_b"]),
            reals=lambda batch: self._view(batch, batch["b"]),
            g_objective=plus(self._fool, self._near, self._alike, *self.extra),
            d_objective=self._judge,
            order="critics_first",
            ema=self.ema,
        )

    @property
    def needs_pairs(self) -> bool:
        return True

    @property
    def frozen_network(self) -> str:
        return self.weights if self.content else ""

    def samples(self, params: Params, stats: Any, batch: Named) -> dict[str, SignedImages]:
        # Each picture by itself, as a user's is: in the mode `paper` a picture's statistics are its
        # own.
        return {
            "fake_b": jax.vmap(lambda a: self.translate(params, stats, a[None], "a2b")[0])(
                batch["a"]
            )
        }

    def sheets(
        self,
        batch: Mapping[str, np.ndarray],
        samples: Mapping[str, np.ndarray],
        classes: tuple[str, ...],
    ) -> Sheets:
        return {"pairs": {"input": batch["a"], "output": samples["fake_b"], "truth": batch["b"]}}

    def translate(
        self, params: Params, stats: Any, images: SignedImages, direction: Direction
    ) -> SignedImages:
        paper = self.test_mode == "paper"
        module, key = Translator(self.generator.clone()), jax.random.key(0)
        return apply(module, params, stats, {"a": images}, key, train=paper)[0]["fake_b"]

    def _view(self, batch: Named, b: jax.Array) -> dict[str, jax.Array]:
        return {"d": jnp.concatenate([batch["a"], b], axis=-1) if self.conditional else b}

    def _fool(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        return (
            {"gan": self.adversarial * self.gan.generator(logits["d"])} if self.adversarial else {}
        )

    def _near(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        return (
            {"pixel": self.pixel * self.distance(samples["fake_b"], batch["b"])}
            if self.pixel
            else {}
        )

    def _alike(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        if not self.content:
            return {}
        made, true = (
            features_of(frozen, (images + 1) / 2, self.content_layers)
            for images in (samples["fake_b"], batch["b"])
        )
        apart = [content_relative(made[layer], true[layer]) for layer in self.content_layers]
        return {"content": self.content * sum(apart[1:], start=apart[0]) / len(apart)}

    def _judge(self, real: Named, fake: Named) -> Terms:
        scale = 0.5 if self.halve_critic else 1.0
        return {
            "d_real": scale * self.gan.real(real["d"]),
            "d_fake": scale * self.gan.fake(fake["d"]),
        }
