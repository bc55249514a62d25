"""Two ways that one critic tells apart by the pairs that they make: BiGAN (Donahue, Krähenbühl and
Darrell 2017, arXiv 1605.09782) and ALI (Dumoulin et al. 2017, arXiv 1606.00704), which are the
same: between pictures and latents, and, as a baseline of CycleGAN, between two domains of pictures.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from imgtrans_jax.engine.game import Game, apply
from imgtrans_jax.losses.adversarial import GanLoss, lsgan, vanilla
from imgtrans_jax.losses.compose import plus
from imgtrans_jax.methods.base import Recipe, Sheets, latents
from imgtrans_jax.methods.cyclegan import Generators, one_way
from imgtrans_jax.models.bigan import Encoder, JointCritic
from imgtrans_jax.models.dcgan import DCGANGenerator
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.types import Direction, Named, Objective, Params, SignedImages, Terms

_SIDE = 8  # rows and columns of the sheets


def _game(
    recipe: ALI | BiGAN,
    generator: nn.Module,
    critic: nn.Module,
    pairs: Callable[[Named, Named], Named],
) -> Game:
    """The game of both. pairs: (batch, samples) -> the critic's views, all of which are made."""
    gan = recipe.gan
    if gan not in (lsgan, vanilla):
        raise ValueError(
            "`config.recipe.gan` must be lsgan or vanilla: both ways are to deceive alike, and by "
            "other losses to be taken for real is not the same as to be taken for made."
        )
    return Game(
        generator=generator,
        critic=critic,
        fakes=pairs,
        reals=lambda batch: {},
        g_objective=plus(lambda batch, samples, logits, frozen: _fool(gan, logits), *recipe.extra),
        d_objective=lambda real, fake: _judge(gan, fake),
        order="critics_first",
        ema=recipe.ema,
    )


def _fool(gan: GanLoss, logits: Named) -> Terms:
    """Both ways change places in what they are to be taken for (BiGAN's section 3.4)."""
    first, second = sorted(logits)
    return {
        f"gan_{first}": gan.fake(logits[first]),
        f"gan_{second}": gan.generator(logits[second]),
    }


def _judge(gan: GanLoss, fake: Named) -> Terms:
    """Pairs of the first way are to be judged real, those of the second not."""
    first, second = sorted(fake)
    return {f"d_{first}": gan.real(fake[first]), f"d_{second}": gan.fake(fake[second])}


class PairsOfImages(nn.Module):
    """{"ab": (N, H, W, C), "ba": …}, pictures of a and b beside each other -> their logits.

    Attributes:
        d: (images, train) -> logits.
    """

    d: nn.Module

    def __call__(self, views: Named, train: bool) -> dict[str, jax.Array]:
        return {name: self.d(views[name], train) for name in sorted(views)}


@dataclasses.dataclass(frozen=True)
class ALI(Recipe):
    """BiGAN/ALI between two domains of pictures, a baseline of CycleGAN (Zhu et al. 2017, section
    5.1.1): a critic tells (a, G(a)) from (F(b), b). Nothing says that F undoes G.

    Batches are {"a": (N, H, W, C), "b": (N, H, W, C)} in [-1, 1], unpaired.

    Attributes:
        generator: Any module (images, train) -> images, cloned once for each domain.
        critic: Any module (images, train) -> logits; it sees both pictures of a pair, one behind
            the other in channels.
        gan: The adversarial loss by name: lsgan or vanilla.
        ema: As for CycleGAN.
        extra: See Recipe.
    """

    notes: ClassVar[str] = (
        "d_ab, d_ba: the critic on pictures with their translations to b, which it is to find "
        "real, and to a. gan_ab, gan_ba: how little these deceive it."
    )

    directions: ClassVar[tuple[Direction, ...]] = ("a2b", "b2a")

    needs: ClassVar[tuple[str, ...]] = ("a", "b")

    generator: nn.Module = ResNetGenerator()
    critic: nn.Module = PatchGAN()
    gan: GanLoss = lsgan
    ema: float = 0.0
    extra: tuple[Objective, ...] = ()

    def game(self) -> Game:
        """The game of these hyper-parameters.

        Raises:
            ValueError: For another loss than `gan` may be.
        """
        critic = PairsOfImages(self.critic.clone())
        return _game(self, self._generators(), critic, _pairs_of_images)

    def samples(self, params: Params, stats: Any, batch: Named) -> dict[str, SignedImages]:
        return {
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
            "a2b": {"input": batch["a"], "output": samples["fake_b"]},
            "b2a": {"input": batch["b"], "output": samples["fake_a"]},
        }

    def translate(
        self, params: Params, stats: Any, images: SignedImages, direction: Direction
    ) -> SignedImages:
        return one_way(self.generator, params, stats, images, direction)

    def _generators(self) -> Generators:
        return Generators(self.generator.clone(), self.generator.clone(), rec_a=False, rec_b=False)


def _check_alike(made: jax.Array, real: jax.Array) -> None:
    if made.shape != real.shape:
        sizes = ("x".join(map(str, x.shape[1:])) for x in (made, real))
        raise ValueError(
            "The critic would tell pictures apart by their shapes: the generator makes {}, and the "
            "data has {}: make config.recipe.generator (size, channels) and config.data (cut, "
            "channels) agree.".format(*sizes)
        )


def _pairs_of_images(batch: Named, samples: Named) -> dict[str, jax.Array]:
    _check_alike(samples["fake_b"], batch["b"])
    return {
        "ab": jnp.concatenate([batch["a"], samples["fake_b"]], axis=-1),
        "ba": jnp.concatenate([samples["fake_a"], batch["b"]], axis=-1),
    }


class TwoWays(nn.Module):
    """{"x": (N, H, W, C), "y": (N, classes)} -> "fake" = G(z) with its "z" ~ N(0, 1), and "code" =
    E(x); z is drawn anew unless it is there as batch["z"].

    Attributes:
        g: G, (latents, train) -> images.
        e: E, (images, train) -> latents.
        latent: The length of z.
    """

    g: nn.Module
    e: nn.Module
    latent: int

    def __call__(self, batch: Named, train: bool) -> dict[str, jax.Array]:
        x = batch["x"]
        z = latents(self, batch, "x", self.latent)
        return {"fake": self.g(z, train), "z": z, "code": self.e(x, train)}


def _pairs_with_latents(batch: Named, samples: Named) -> dict[str, jax.Array]:
    _check_alike(samples["fake"], batch["x"])
    made = {"z": samples["fake"], "z_code": samples["z"]}
    return {"x": batch["x"], "x_code": samples["code"], **made}


class PairsWithLatents(nn.Module):
    """{"x": pictures, "x_code": their latents, "z": pictures, "z_code": …} -> logits of x and z.

    Attributes:
        d: (images, latents, train) -> logits.
    """

    d: nn.Module

    def __call__(self, views: Named, train: bool) -> dict[str, jax.Array]:
        names = sorted(name for name in views if f"{name}_code" in views)
        return {name: self.d(views[name], views[f"{name}_code"], train) for name in names}


@dataclasses.dataclass(frozen=True)
class BiGAN(Recipe):
    """min over G and E, max over D of E log D(x, E(x)) + E log(1 - D(G(z), z)) (equation 2): at the
    optimum E and G undo each other (theorem 2).

    Batches are {"x": (N, H, W, C) in [-1, 1], "y": (N, classes)}; y has no part in it.

    Attributes:
        generator: G, (latents, train) -> images.
        encoder: E, (images, train) -> latents.
        critic: (images, latents, train) -> logits.
        gan: The loss by name: vanilla or lsgan.
        latent: The length of z, and of what E makes.
        ema: As for CycleGAN.
        extra: See Recipe.
    """

    notes: ClassVar[str] = (
        "d_x, d_z: the critic on pictures with their codes, which it is to find real, and on "
        "latents with their pictures. gan_x, gan_z: how little these deceive it. The sheet of "
        "reconstructions has pictures, and what the generator makes of their codes."
    )

    directions: ClassVar[tuple[Direction, ...]] = ()

    needs: ClassVar[tuple[str, ...]] = ("x", "y")

    generator: nn.Module = DCGANGenerator()
    encoder: nn.Module = Encoder()
    critic: nn.Module = JointCritic()
    gan: GanLoss = vanilla
    latent: int = 50
    ema: float = 0.0
    extra: tuple[Objective, ...] = ()

    def game(self) -> Game:
        """The game of these hyper-parameters.

        Raises:
            ValueError: For a length of z that is not the encoder's.
        """
        made = getattr(self.encoder, "latent", self.latent)
        if self.latent < 1:
            raise ValueError(f"`config.recipe.latent={self.latent}` must be 1 or more.")
        if made != self.latent:
            raise ValueError(
                f"`config.recipe.latent={self.latent}` must be that of the encoder, {made}."
            )
        critic = PairsWithLatents(self.critic.clone())
        return _game(self, self._ways(), critic, _pairs_with_latents)

    def samples(self, params: Params, stats: Any, batch: Named) -> dict[str, SignedImages]:
        """Random pictures "samples" (64, H, W, C), and of test pictures "reconstruction" (N, …)."""
        z = jax.random.normal(jax.random.key(0), (_SIDE * _SIDE, self.latent))
        return {
            "samples": self._from(params, stats, z),
            "reconstruction": self.reconstructed(params, stats, batch["x"]),
        }

    def sheets(
        self,
        batch: Mapping[str, np.ndarray],
        samples: Mapping[str, np.ndarray],
        classes: tuple[str, ...],
    ) -> Sheets:
        made = samples["samples"]
        columns = {f"z {i + 1}": made[i * _SIDE : (i + 1) * _SIDE] for i in range(_SIDE)}
        return {
            "samples": columns,
            "reconstructions": {"input": batch["x"], "output": samples["reconstruction"]},
        }

    def generate(self, params: Params, stats: Any, key: jax.Array, y: jax.Array) -> SignedImages:
        return self._from(params, stats, jax.random.normal(key, (len(y), self.latent)))

    def reconstructed(self, params: Params, stats: Any, x: SignedImages) -> SignedImages:
        """G(E(x)).

        Args:
            params: Of both networks.
            stats: Their batch statistics.
            x: (N, H, W, C) in [-1, 1].

        Returns:
            The same shape.
        """
        code, _ = apply(self.encoder.clone(), params["e"], stats.get("e", {}), x, None, train=False)
        return self._from(params, stats, code)

    def _from(self, params: Params, stats: Any, z: jax.Array) -> SignedImages:
        return apply(self.generator.clone(), params["g"], stats.get("g", {}), z, None, train=False)[
            0
        ]

    def _ways(self) -> TwoWays:
        return TwoWays(self.generator.clone(), self.encoder.clone(), self.latent)
