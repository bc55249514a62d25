"""CoGAN: two GANs that share the layers far from the pictures, and so make pairs without having
seen any (Liu and Tuzel 2016, arXiv 1606.07536).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from imgtrans_jax.engine.game import Game, apply
from imgtrans_jax.losses.adversarial import GanLoss, vanilla, wgan
from imgtrans_jax.losses.compose import plus
from imgtrans_jax.methods.base import Recipe, Sheets, latents
from imgtrans_jax.models.dcgan import CoupledCritic, CoupledGenerator
from imgtrans_jax.types import Direction, Named, Objective, Params, SignedImages, Terms

_SIDE = 8  # rows of the sheet of pairs


class PairSampler(nn.Module):
    """{"a": (N, …), …} -> {"fake_a": (N, H, W, C), "fake_b": …} of one z ~ N(0, 1) each, drawn anew
    unless it is there as batch["z"].

    Attributes:
        g: (latents, train) -> {"a": images, "b": images}.
        latent: The length of z.
    """

    g: nn.Module
    latent: int

    def __call__(self, batch: Named, train: bool) -> dict[str, SignedImages]:
        z = latents(self, batch, "a", self.latent)
        return {f"fake_{side}": x for side, x in self.g(z, train).items()}


@dataclasses.dataclass(frozen=True)
class CoGAN(Recipe):
    """Equation 5: a GAN in each domain, weights shared as equation 6 demands.

    A picture is translated by the z whose picture in its own domain is nearest to it (section 4,
    "cross-domain image transformation"), so that results are of the generator's size and only as
    like their input as the generator can be.

    Batches are {"a": (N, H, W, C), "b": (N, H, W, C)} in [-1, 1], unpaired.

    Attributes:
        generator: (latents, train) -> {"a": images, "b": images}.
        critic: ({"d_a": images, "d_b": images}, train) -> logits under the same names.
        gan: The adversarial loss by name: vanilla, lsgan, hinge.
        latent: The length of z.
        search_steps: Of Adam, that a translation looks for its z.
        search_rate: Its rate.
        search_starts: Of how many z each search begins; the best of what is found is taken.
        ema: As for CycleGAN.
        extra: See Recipe.
    """

    notes: ClassVar[str] = (
        "All terms carry their weights. d_a_real, d_a_fake: the critic of a on real pictures and "
        "on samples; d_b likewise. gan_a, gan_b: how little samples convince it. The sheet of "
        "pairs has the pictures of one z in both domains in a row; translations are of the z that "
        "was found for their input."
    )

    directions: ClassVar[tuple[Direction, ...]] = ("a2b", "b2a")

    needs: ClassVar[tuple[str, ...]] = ("a", "b")

    generator: nn.Module = CoupledGenerator()
    critic: nn.Module = CoupledCritic()
    gan: GanLoss = vanilla
    latent: int = 100
    search_steps: int = 100
    search_rate: float = 0.1
    search_starts: int = 2
    ema: float = 0.0
    extra: tuple[Objective, ...] = ()

    def game(self) -> Game:
        """The game of these hyper-parameters.

        Raises:
            ValueError: For numbers that make no game.
        """
        if min(self.latent, self.search_steps, self.search_starts) < 1 or self.search_rate <= 0:
            raise ValueError(
                "latent, search_steps and search_starts must be 1 or more, search_rate above 0."
            )
        if self.gan == wgan:
            raise ValueError("The loss wgan needs a smooth critic, which there is none of here.")
        return Game(
            generator=self._sampler(),
            critic=self.critic.clone(),
            fakes=lambda batch, samples: {f"d_{x}": samples[f"fake_{x}"] for x in "ab"},
            reals=lambda batch: {f"d_{x}": batch[x] for x in "ab"},
            g_objective=plus(self._fool, *self.extra),
            d_objective=self._judge,
            order="critics_first",
            ema=self.ema,
        )

    @property
    def has_own_size(self) -> bool:
        return True

    def samples(self, params: Params, stats: Any, batch: Named) -> dict[str, SignedImages]:
        """Pairs of random z, "pair_a" and "pair_b" (8, H, W, C), and both translations."""
        z = jax.random.normal(jax.random.key(0), (_SIDE, self.latent))
        pairs = self._from(params, stats, z)
        return {f"pair_{x}": pairs[f"fake_{x}"] for x in "ab"} | {
            "fake_b": self.translate(params, stats, batch["a"], "a2b"),
            "fake_a": self.translate(params, stats, batch["b"], "b2a"),
        }

    def sheets(
        self,
        batch: Mapping[str, np.ndarray],
        samples: Mapping[str, np.ndarray],
        classes: tuple[str, ...],
    ) -> Sheets:
        return {
            "pairs": {"a": samples["pair_a"], "b": samples["pair_b"]},
            "a2b": {"input": batch["a"], "output": samples["fake_b"]},
            "b2a": {"input": batch["b"], "output": samples["fake_a"]},
        }

    def generate(self, params: Params, stats: Any, key: jax.Array, y: jax.Array) -> SignedImages:
        """Pairs, a left and b right, (N, H, 2 W, C)."""
        made = self._from(params, stats, jax.random.normal(key, (len(y), self.latent)))
        return jnp.concatenate([made["fake_a"], made["fake_b"]], axis=2)

    def translate(
        self, params: Params, stats: Any, images: SignedImages, direction: Direction
    ) -> SignedImages:
        """Of another size than the generator's, pictures are resized to it and back."""
        found = self._from(params, stats, self._search(params, stats, images, direction[0]))
        made = found[f"fake_{direction[-1]}"]
        shape = (*images.shape[:3], made.shape[-1])
        return made if made.shape == shape else jax.image.resize(made, shape, "linear")

    def _search(self, params: Params, stats: Any, images: SignedImages, side: str) -> jax.Array:
        """The z (N, latent) of the pictures of a side that are nearest to those given, among
        `search_starts` descents of the mean squared difference.
        """
        count, starts = len(images), self.search_starts
        first = jax.random.normal(jax.random.key(0), (starts, 1, self.latent))
        z = jnp.broadcast_to(first, (starts, count, self.latent)).reshape(-1, self.latent)
        shapes = jax.eval_shape(lambda z: self._from(params, stats, z), z)
        wanted = jax.image.resize(images, (count, *shapes[f"fake_{side}"].shape[1:]), "linear")

        def apart(z: jax.Array) -> jax.Array:
            made = self._from(params, stats, z)[f"fake_{side}"]
            return jnp.mean(jnp.square(made - jnp.tile(wanted, (starts, 1, 1, 1))), (1, 2, 3))

        adam = optax.adam(self.search_rate)

        def step(carry: Any, _: None) -> tuple[Any, None]:
            z, state = carry
            updates, state = adam.update(jax.grad(lambda z: apart(z).sum())(z), state)
            return (optax.apply_updates(z, updates), state), None

        (z, _), _ = jax.lax.scan(step, (z, adam.init(z)), None, self.search_steps)
        best = jnp.argmin(apart(z).reshape(starts, count), axis=0)
        return z.reshape(starts, count, -1)[best, jnp.arange(count)]

    def _from(self, params: Params, stats: Any, z: jax.Array) -> dict[str, SignedImages]:
        return apply(self._sampler(), params, stats, {"z": z}, None, train=False)[0]

    def _sampler(self) -> PairSampler:
        return PairSampler(self.generator.clone(), self.latent)

    def _fool(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        return {f"gan_{x}": self.gan.generator(logits[f"d_{x}"]) for x in "ab"}

    def _judge(self, real: Named, fake: Named) -> Terms:
        made = {f"{name}_fake": self.gan.fake(logits) for name, logits in fake.items()}
        return made | {f"{name}_real": self.gan.real(logits) for name, logits in real.items()}
