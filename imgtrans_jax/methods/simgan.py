"""One-sided unpaired translation, CycleGAN's baselines SimGAN and "feature loss + GAN" (Zhu et al.
2017, section 5.1.1).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import numpy as np
from flax import linen as nn

from imgtrans_jax.engine.game import Game, apply
from imgtrans_jax.losses.adversarial import GanLoss, lsgan
from imgtrans_jax.losses.compose import plus
from imgtrans_jax.losses.perceptual import feature_distance
from imgtrans_jax.losses.pixel import l1
from imgtrans_jax.methods.base import Recipe, Sheets, near_partners
from imgtrans_jax.methods.pix2pix import Translator
from imgtrans_jax.models.patchgan import ImageCritic, PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.types import Direction, Named, Objective, Params, SignedImages, Terms, Weights


@dataclasses.dataclass(frozen=True)
class SimGAN(Recipe):
    """a -> b alone: an adversarial loss, and a likeness of the translation to its input
    (Shrivastava et al. 2017, section 2).

    Batches are {"a": (N, H, W, C), "b": (N, H, W, C)} in [-1, 1], unpaired.

    Attributes:
        generator: Any module (images, train) -> images.
        critic: Any module (images, train) -> logits.
        gan: The adversarial loss by name.
        adversarial: Its weight.
        similarity: Weight of ||a - G(a)||_1 (SimGAN), or with `layer` of the mean squared
            difference of these VGG features ("feature loss + GAN").
        layer: The name of a VGG layer, such as relu4_2; '' for the pixels themselves.
        weights: The VGG network, see `load_vgg`.
        paired: As for CycleGAN.
        halve_critic: As for CycleGAN.
        pool_size: As for CycleGAN.
        pool_groups: As for CycleGAN.
        ema: As for CycleGAN.
        extra: See Recipe.
    """

    notes: ClassVar[str] = (
        "All terms carry their weights. similarity: how far translations are from their inputs. "
        "gan: how little they convince the critic. d_real, d_fake: the critic on real pictures "
        "of b and on translations."
    )

    needs: ClassVar[tuple[str, ...]] = ("a", "b")

    generator: nn.Module = ResNetGenerator()
    critic: nn.Module = PatchGAN()
    gan: GanLoss = lsgan
    adversarial: float = 1.0
    similarity: float = 10.0
    layer: str = ""
    weights: Weights = "embedded"
    paired: float = 0.0
    halve_critic: bool = True
    pool_size: int = 50
    pool_groups: int = 1
    ema: float = 0.0
    extra: tuple[Objective, ...] = ()

    def game(self) -> Game:
        """The game of these hyper-parameters.

        Raises:
            ValueError: For a negative weight, or for no adversarial loss.
        """
        if min(self.similarity, self.paired) < 0 or self.adversarial <= 0:
            raise ValueError(
                "The weight adversarial must be above 0, similarity and paired not negative."
            )
        return Game(
            generator=Translator(self.generator.clone()),
            critic=ImageCritic(self.critic.clone()),
            fakes=lambda batch, samples: {"d": samples["fake_b"]},
            reals=lambda batch: {"d": batch["b"]},
            g_objective=plus(self._fool, self._alike, self._partner, *self.extra),
            d_objective=self._judge,
            pool_size=self.pool_size,
            pool_groups=self.pool_groups,
            ema=self.ema,
        )

    @property
    def frozen_network(self) -> str:
        return self.weights if self.layer and self.similarity else ""

    def samples(self, params: Params, stats: Any, batch: Named) -> dict[str, SignedImages]:
        return {"fake_b": self.translate(params, stats, batch["a"], "a2b")}

    def sheets(
        self,
        batch: Mapping[str, np.ndarray],
        samples: Mapping[str, np.ndarray],
        classes: tuple[str, ...],
    ) -> Sheets:
        return {"a2b": {"input": batch["a"], "output": samples["fake_b"]}}

    def translate(
        self, params: Params, stats: Any, images: SignedImages, direction: Direction
    ) -> SignedImages:
        return apply(
            Translator(self.generator.clone()), params, stats, {"a": images}, None, train=False
        )[0]["fake_b"]

    def _fool(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        return {"gan": self.adversarial * self.gan.generator(logits["d"])}

    def _alike(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        if not self.similarity:
            return {}
        a, fake = batch["a"], samples["fake_b"]
        distance: jax.Array = (
            feature_distance(frozen, fake, a, self.layer) if self.layer else l1(fake, a)
        )
        return {"similarity": self.similarity * distance}

    def _partner(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        if not self.paired:
            return {}
        return {"paired": self.paired * near_partners(samples["fake_b"], batch["b"], batch)}

    def _judge(self, real: Named, fake: Named) -> Terms:
        scale = 0.5 if self.halve_critic else 1.0
        return {
            "d_real": scale * self.gan.real(real["d"]),
            "d_fake": scale * self.gan.fake(fake["d"]),
        }
