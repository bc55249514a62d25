"""StackGAN: pictures of a text, small ones first, which a second generator refines (Zhang et al.
2017, arXiv 1612.03242; both stages at once as in its successor, arXiv 1710.10916).
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
from imgtrans_jax.io.words import encoded, places_of, words_of
from imgtrans_jax.losses.adversarial import GanLoss, vanilla, wgan
from imgtrans_jax.losses.compose import plus
from imgtrans_jax.methods.base import Recipe, Sheets, latents
from imgtrans_jax.models.dcgan import DCGANGenerator
from imgtrans_jax.models.stackgan import Conditioning, Refiner, TextCritic
from imgtrans_jax.types import Named, Objective, Params, SignedImages, Terms, UserError

_SIDE = 8  # rows of the sheets


class TextSampler(nn.Module):
    """{"y": (N, words)} -> "small" (N, H, W, C) and "large" (N, 2 H, 2 W, C), with the Gaussian
    "mean" and "log_variance" of their texts; z ~ N(0, 1), drawn anew unless it is there as
    batch["z"], and then the Gaussian's mean is taken.

    Attributes:
        g: The first stage, (z and condition, train) -> images.
        refiner: The second, (images, condition, train) -> images; it learns from the first's
            pictures and not through them.
        conditioning: (y, train) -> a Gaussian.
        latent: The length of z.
    """

    g: nn.Module
    refiner: nn.Module
    conditioning: nn.Module
    latent: int

    def __call__(self, batch: Named, train: bool) -> dict[str, jax.Array]:
        mean, log_variance = self.conditioning(batch["y"], train)
        z, condition = latents(self, batch, "y", self.latent), mean
        if "z" not in batch:
            noise = jax.random.normal(self.make_rng("latent"), mean.shape)
            condition = mean + jnp.exp(0.5 * log_variance) * noise
        small = self.g(jnp.concatenate([z, condition], axis=1), train)
        large = self.refiner(jax.lax.stop_gradient(small), condition, train)
        return {"small": small, "large": large, "mean": mean, "log_variance": log_variance}


class TextCritics(nn.Module):
    """{"small": images, "large": images, "right": their texts, "wrong": texts of others or absent}
    -> logits "small_right", "large_right" and, if there are wrong texts, "small_wrong" and
    "large_wrong".

    Attributes:
        d_small: (images, texts by name, train) -> logits by the texts' names.
        d_large: Likewise, of the second stage's pictures.
    """

    d_small: nn.Module
    d_large: nn.Module

    def __call__(self, views: Named, train: bool) -> dict[str, jax.Array]:
        texts = {name: views[name] for name in ("right", "wrong") if name in views}
        critics = {"small": self.d_small, "large": self.d_large}
        return {
            f"{size}_{name}": x
            for size, d in critics.items()
            for name, x in d(views[size], texts, train).items()
        }


@dataclasses.dataclass(frozen=True)
class StackGAN(Recipe):
    """A conditional GAN in each stage, whose critics also see pictures with texts of others (Reed
    et al. 2016), and a divergence that keeps the Gaussians of texts near N(0, 1): equations 3 to 6,
    but that one draw of a text's Gaussian serves both stages, which learn at once, and that trained
    networks are used with its mean.

    Batches are {"x": (N, 2 H, 2 W, C) in [-1, 1], "y": (N, words)} of data.Captioned; H and W are
    the first stage's.

    Attributes:
        generator: The first stage, (z and condition, train) -> images.
        refiner: The second, (images, condition, train) -> images of twice the side.
        conditioning: (y, train) -> mean and log variance, whose length is the condition's.
        critic: (images, texts by name, train) -> logits by name; cloned once for each stage.
        gan: The adversarial loss by name: vanilla, lsgan, hinge.
        latent: The length of z.
        divergence: Weight of the mean divergence.
        texts: What the report shows, a column each; () for the captions of test pictures.
        ema: As for CycleGAN.
        extra: See Recipe.
    """

    notes: ClassVar[str] = (
        "All terms carry their weights. gan_small, gan_large: how little the pictures of either "
        "stage convince its critic. d_…_real: the critic on real pictures with their texts, "
        "d_…_wrong: with texts of others, d_…_fake: on pictures that were made. divergence: how "
        "far texts are from saying nothing. Rows of a sheet have one z each."
    )

    directions: ClassVar[tuple[()]] = ()

    needs: ClassVar[tuple[str, ...]] = ("x", "y")

    generator: nn.Module = DCGANGenerator(size=32)
    refiner: nn.Module = Refiner()
    conditioning: nn.Module = Conditioning()
    critic: nn.Module = TextCritic()
    gan: GanLoss = vanilla
    latent: int = 64
    divergence: float = 2.0
    texts: tuple[str, ...] = ()
    ema: float = 0.0
    extra: tuple[Objective, ...] = ()

    def game(self) -> Game:
        """The game of these hyper-parameters.

        Raises:
            ValueError: For numbers that make no game.
        """
        if self.latent < 1 or self.divergence < 0:
            raise ValueError("latent must be 1 or more, and divergence not negative.")
        if self.gan == wgan:
            raise ValueError("The loss wgan needs a smooth critic, which there is none of here.")
        return Game(
            generator=self._sampler(),
            critic=TextCritics(self.critic.clone(), self.critic.clone()),
            fakes=self._fakes,
            reals=self._reals,
            g_objective=plus(self._fool, self._diverge, *self.extra),
            d_objective=self._judge,
            order="critics_first",
            ema=self.ema,
        )

    @property
    def reads_texts(self) -> bool:
        return True

    def samples(self, params: Params, stats: Any, batch: Named) -> dict[str, SignedImages]:
        """Pictures of `texts` by both stages, eight of each text, or one of each test picture's:
        "small" and "large".
        """
        if not self.texts:
            z = jax.random.normal(jax.random.key(0), (len(batch["y"]), self.latent))
            made = self._from(params, stats, z, batch["y"])
            return {name: made[name] for name in ("small", "large")}
        y = jnp.asarray(np.repeat(encoded(self.texts, batch["y"].shape[1]), _SIDE, axis=0))
        z = jax.random.normal(jax.random.key(0), (_SIDE, self.latent))
        made = self._from(params, stats, jnp.tile(z, (len(self.texts), 1)), y)
        return {name: made[name] for name in ("small", "large")}

    def sheets(
        self,
        batch: Mapping[str, np.ndarray],
        samples: Mapping[str, np.ndarray],
        classes: tuple[str, ...],
    ) -> Sheets:
        if not self.texts:
            columns = {"first stage": samples["small"], "output": samples["large"]}
            return {"captions": columns | {"truth": batch["x"]}}
        return {
            name: {text: made[i * _SIDE : (i + 1) * _SIDE] for i, text in enumerate(self.texts)}
            for name, made in samples.items()
        }

    def generate(self, params: Params, stats: Any, key: jax.Array, y: jax.Array) -> SignedImages:
        z = jax.random.normal(key, (len(y), self.latent))
        return self._from(params, stats, z, y)["large"]

    def read(self, params: Params, text: str, length: int) -> tuple[np.ndarray, list[str]]:
        known = np.any(np.asarray(params["conditioning"]["words"]["each"]["kernel"]), axis=1)
        words = words_of(text)
        unknown = [word for word in words if not known[places_of(word, length)].all()]
        if len(unknown) == len(words):
            raise UserError(f"This run knows no word of {text!r}; it learned from other captions.")
        return encoded([text], length)[0], unknown

    def _from(self, params: Params, stats: Any, z: jax.Array, y: jax.Array) -> Named:
        return apply(self._sampler(), params, stats, {"z": z, "y": y}, None, train=False)[0]

    def _sampler(self) -> TextSampler:
        return TextSampler(
            self.generator.clone(), self.refiner.clone(), self.conditioning.clone(), self.latent
        )

    def _fakes(self, batch: Named, samples: Named) -> dict[str, jax.Array]:
        if samples["large"].shape != batch["x"].shape:
            raise ValueError(
                f"The second stage makes pictures of {_size(samples['large'])} and the data has "
                f"{_size(batch['x'])}: config.recipe.generator.size must be half of "
                "config.data.cut.crop_size, and channels of generator and refiner as those of "
                "config.data."
            )
        return {"small": samples["small"], "large": samples["large"], "right": batch["y"]}

    @staticmethod
    def _reals(batch: Named) -> dict[str, jax.Array]:
        x, y = batch["x"], batch["y"]
        n, height, width, channels = x.shape
        if n < 2:
            raise ValueError(
                "The critics compare with texts of others: config.batch_size must be at least "
                "twice config.accumulate."
            )
        small = x.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))
        wrong = jnp.roll(y, 1, axis=0)
        # the same text by chance is no wrong one; one without words is
        wrong = jnp.where(jnp.all(wrong == y, axis=1, keepdims=True), 0, wrong)
        return {"small": small, "large": x, "right": y, "wrong": wrong}

    def _fool(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        return {f"gan_{s}": self.gan.generator(logits[f"{s}_right"]) for s in ("small", "large")}

    def _diverge(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        """Equation 2, the mean over pictures and numbers, as the authors' code has it."""
        if not self.divergence:
            return {}
        mean, log_variance = samples["mean"], samples["log_variance"]
        apart = 0.5 * (jnp.exp(log_variance) + jnp.square(mean) - 1 - log_variance)
        return {"divergence": self.divergence * jnp.mean(apart)}

    def _judge(self, real: Named, fake: Named) -> Terms:
        terms = {}
        for size in ("small", "large"):
            terms[f"d_{size}_real"] = self.gan.real(real[f"{size}_right"])
            terms[f"d_{size}_wrong"] = 0.5 * self.gan.fake(real[f"{size}_wrong"])
            terms[f"d_{size}_fake"] = 0.5 * self.gan.fake(fake[f"{size}_right"])
        return terms


def _size(images: jax.Array) -> str:
    return "x".join(map(str, images.shape[1:]))
