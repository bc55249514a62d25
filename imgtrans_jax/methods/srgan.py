"""Super-resolution by four: SRResNet and SRGAN (Ledig et al. 2017, arXiv 1609.04802)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
import numpy as np
from flax import linen as nn

from imgtrans_jax.engine.game import Game, apply
from imgtrans_jax.losses.adversarial import GanLoss, vanilla
from imgtrans_jax.losses.compose import plus
from imgtrans_jax.losses.perceptual import feature_distance
from imgtrans_jax.losses.pixel import l2
from imgtrans_jax.methods.base import Recipe, Sheets
from imgtrans_jax.methods.pix2pix import Translator
from imgtrans_jax.models.patchgan import ImageCritic
from imgtrans_jax.models.srgan import SRGANCritic, SRResNet, enlarged
from imgtrans_jax.types import Direction, Named, Objective, Params, SignedImages, Terms, Weights


@dataclasses.dataclass(frozen=True)
class SRGAN(Recipe):
    """The perceptual loss of section 2.2; with `pixel` alone it is SRResNet's training.

    Batches are {"a": (N, h, w, 3), "b": (N, 4h, 4w, 3)} in [-1, 1].

    Attributes:
        generator: Any module (images, train) -> images, four times as large.
        critic: Any module (images, train) -> logits.
        gan: The adversarial loss by name.
        pixel: Weight of `distance`.
        distance: (images, images) -> (). SRResNet: the mean squared error, equation 4.
        content: Weight of the mean squared error of the VGG features `layer` (equation 5; the paper
            scales features by 1/12.75, which is a weight of 0.006).
        layer: The name of a VGG layer.
        weights: The VGG network, see `load_vgg`.
        adversarial: Weight of the generator's adversarial loss (equation 6; the paper: 1e-3, for
            probabilities of single images).
        ema: As for CycleGAN.
        extra: See Recipe.
    """

    notes: ClassVar[str] = (
        "All terms carry their weights. pixel: the distance of enlarged pictures to the true "
        "ones; content: the same in a network's features. gan: how little they convince the "
        "critic. d_real, d_fake: the critic on true and on enlarged pictures."
    )

    needs: ClassVar[tuple[str, ...]] = ("a", "b")

    generator: nn.Module = SRResNet()
    critic: nn.Module = SRGANCritic()
    gan: GanLoss = vanilla
    pixel: float = 1.0
    distance: Callable[[jax.Array, jax.Array], jax.Array] = l2
    content: float = 0.0
    layer: str = "relu5_4"
    weights: Weights = "embedded"
    adversarial: float = 0.0
    ema: float = 0.0
    extra: tuple[Objective, ...] = ()

    def game(self) -> Game:
        """The game of these hyper-parameters.

        Raises:
            ValueError: For a negative weight, or if none is left.
        """
        weights = (self.pixel, self.content, self.adversarial)
        if min(weights) < 0 or max(weights) == 0:
            raise ValueError(
                "The weights pixel, content and adversarial must not be negative, nor all be 0."
            )
        return Game(
            generator=Translator(self.generator.clone()),
            critic=ImageCritic(self.critic.clone()) if self.adversarial else None,
            fakes=lambda batch, samples: {"d": samples["fake_b"]},
            reals=lambda batch: {"d": batch["b"]},
            g_objective=plus(self._near, self._alike, self._fool, *self.extra),
            d_objective=lambda real, fake: {
                "d_real": self.gan.real(real["d"]),
                "d_fake": self.gan.fake(fake["d"]),
            },
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
        return {
            "fake_b": self.translate(params, stats, batch["a"], "a2b"),
            "bicubic": enlarged(batch["a"], 4),
        }

    def sheets(
        self,
        batch: Mapping[str, np.ndarray],
        samples: Mapping[str, np.ndarray],
        classes: tuple[str, ...],
    ) -> Sheets:
        return {
            "enlarged": {
                "bicubic": samples["bicubic"],
                "output": samples["fake_b"],
                "truth": batch["b"],
            }
        }

    def translate(
        self, params: Params, stats: Any, images: SignedImages, direction: Direction
    ) -> SignedImages:
        return apply(
            Translator(self.generator.clone()), params, stats, {"a": images}, None, train=False
        )[0]["fake_b"]

    def _near(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        return (
            {"pixel": self.pixel * self.distance(samples["fake_b"], batch["b"])}
            if self.pixel
            else {}
        )

    def _alike(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        if not self.content:
            return {}
        return {
            "content": self.content
            * feature_distance(frozen, samples["fake_b"], batch["b"], self.layer)
        }

    def _fool(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        return (
            {"gan": self.adversarial * self.gan.generator(logits["d"])} if self.adversarial else {}
        )
