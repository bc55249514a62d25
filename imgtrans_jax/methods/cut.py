"""CUT and FastCUT: unpaired translation in one direction, by patches that are to be found again
(Park, Efros, Zhang and Zhu 2020, arXiv 2007.15651); with pairs that do not fit pixel on pixel the
same, by patches of the partner (Li et al. 2023, arXiv 2303.06193).
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
from imgtrans_jax.losses.adversarial import GanLoss, lsgan
from imgtrans_jax.losses.compose import plus
from imgtrans_jax.losses.contrastive import patch_nce
from imgtrans_jax.losses.pixel import pyramid_l1
from imgtrans_jax.methods.base import Recipe, Sheets, near_partners
from imgtrans_jax.methods.pix2pix import Translator
from imgtrans_jax.models.layers import Xavier
from imgtrans_jax.models.patch_heads import PatchHeads
from imgtrans_jax.models.patchgan import ImageCritic, PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.types import Direction, Maps, Named, Objective, Params, SignedImages, Terms

TAPS = "input", "down_0", "down_1", "block_0", "block_4"
"""The authors' layers 0, 4, 8, 12 and 16."""


class Contrast(nn.Module):
    """The generator with what the loss compares: {"a": images, "b": images} -> `fake_b` = G(a);
    `aligned_b`, the same mirrored back where pictures were mirrored, so that it lies as a does; and
    features of patches, (N, patches, D) each: for every one of the `taps` the queries `q_a_0`,
    `q_a_1`, … of G(a), the keys `k_a_0`, … of the same places of a, and likewise `q_b` of G(b) and
    `k_b` of b, and `k_pair` of b at the places of `q_pair` of G(a), as far as they are wanted.

    Attributes:
        g: The generator, (images, train, taps) -> images or maps.
        heads: (maps, places) -> features.
        taps: Names of its layers.
        patches: How many of a picture.
        of: Which of `a`, `b` and `pair` are wanted.
        equivariant: Whether pictures are mirrored half of the time, and the maps of what was made
            of them mirrored back.
    """

    g: nn.Module
    heads: nn.Module
    taps: tuple[str, ...]
    patches: int
    of: tuple[str, ...]
    equivariant: bool

    def __call__(self, batch: Named, train: bool) -> dict[str, jax.Array]:
        mirrored, known = self._mirrored(), {}
        made = {}
        for name, source in (("fake_b", "a"), ("idt_b", "b")):
            if name == "fake_b" or "b" in self.of:
                made[name], known[source] = self._made(batch[source], mirrored, train)
        made["aligned_b"] = self._turned(made["fake_b"], mirrored)
        sides = {"a": ("fake_b", "a"), "b": ("idt_b", "b"), "pair": ("fake_b", "b")}
        compared: dict[str, jax.Array] = {}
        for name in self.of:
            result, source = sides[name]
            # The keys are what the queries are to be like: nothing is learned through them.
            keys = known.get(source) or self._maps(batch[source], train)
            keys = jax.lax.stop_gradient(keys)
            queries = [self._turned(x, mirrored) for x in self._maps(made[result], train)]
            places = [self._places(x) for x in keys]
            q, k = self.heads(queries, places), self.heads(keys, places)
            compared |= {f"q_{name}_{i}": x for i, x in enumerate(q)}
            compared |= {f"k_{name}_{i}": jax.lax.stop_gradient(x) for i, x in enumerate(k)}
        return made | compared

    def _mirrored(self) -> jax.Array:
        """Whether the pictures of this batch are."""
        if not self.equivariant:
            return jnp.zeros((), bool)
        return jax.random.bernoulli(self.make_rng("latent"))

    def _made(
        self, x: SignedImages, mirrored: jax.Array, train: bool
    ) -> tuple[jax.Array, list[jax.Array]]:
        """G(x), and the maps of x where one pass gives both: without mirroring."""
        if self.equivariant or not self.of:
            return self.g(self._turned(x, mirrored), train), []
        found = self.g(x, train, (*self.taps, "image"))
        return found["image"], [found[name] for name in self.taps]

    def _maps(self, images: SignedImages, train: bool) -> list[jax.Array]:
        found = self.g(images, train, self.taps)
        return [found[name] for name in self.taps]

    def _places(self, maps: Maps) -> jax.Array:
        """Of all pictures the same, in every map others."""
        count = maps.shape[1] * maps.shape[2]
        return jax.random.permutation(self.make_rng("latent"), count)[: min(self.patches, count)]

    @staticmethod
    def _turned(x: Maps, mirrored: jax.Array) -> Maps:
        return jnp.where(mirrored, x[:, :, ::-1], x)


@dataclasses.dataclass(frozen=True)
class CUT(Recipe):
    """a -> b: an adversarial loss, and equation 3, by which every patch of a translation is to be
    told apart from the others by its source.

    Batches are {"a": (N, H, W, C), "b": (N, H, W, C)} in [-1, 1], unpaired but for `supervised` and
    `pyramid`. FastCUT is nce=10, identity=False, equivariant=True.

    Attributes:
        generator: A ResNetGenerator, whose maps are looked into.
        critic: Any module (images, train) -> logits.
        heads: What maps are compared through; it learns as the generator does.
        gan: The adversarial loss by name.
        adversarial: Its weight.
        nce: Weight of the patches' loss, lambda_X; with `identity` of the mean of that of a and b.
        identity: Whether pictures of b are to keep their patches as well (lambda_Y of section 3):
            it stands against needless change, as CycleGAN's identity loss.
        equivariant: FastCUT's: half of the time pictures are mirrored.
        taps: Names of the generator's layers whose maps are compared.
        patches: How many of each.
        temperature: See `patch_nce`.
        supervised: For pairs that fit only nearly: weight of the same loss between the translation
            and b, the partner (lambda_SP).
        adaptive: Of that loss, see `patch_nce`.
        pyramid: For the same: weight of `pyramid_l1` between the translation and b.
        paired: As for CycleGAN.
        halve_critic: As for CycleGAN.
        ema: As for CycleGAN.
        extra: See Recipe. With `equivariant` they compare `aligned_b` with the batch.
    """

    notes: ClassVar[str] = (
        "All terms carry their weights. nce: how badly the patches of translations are told "
        "apart by their sources; nce_identity: the same of pictures of b. gan: how little "
        "translations convince the critic. d_real, d_fake: the critic on real pictures of b and "
        "on translations. supervised, pyramid: how far they are from their partners, if asked for."
    )

    needs: ClassVar[tuple[str, ...]] = ("a", "b")

    generator: nn.Module = ResNetGenerator(
        downsample="blurred", upsample="blurred", kernel_init=Xavier(0.02)
    )
    critic: nn.Module = PatchGAN(downsample="blurred", kernel_init=Xavier(0.02))
    heads: nn.Module = PatchHeads()
    gan: GanLoss = lsgan
    adversarial: float = 1.0
    nce: float = 1.0
    identity: bool = True
    equivariant: bool = False
    taps: tuple[str, ...] = TAPS
    patches: int = 256
    temperature: float = 0.07
    supervised: float = 0.0
    adaptive: float = 0.0
    pyramid: float = 0.0
    paired: float = 0.0
    halve_critic: bool = True
    ema: float = 0.0
    extra: tuple[Objective, ...] = ()

    def game(self) -> Game:
        """The game of these hyper-parameters.

        Raises:
            ValueError: For negative weights or none, a share outside [0, 1], or nothing to compare.
        """
        weights = self.adversarial, self.nce, self.supervised, self.pyramid, self.paired
        if not np.isfinite(weights).all() or min(weights) < 0 or max(weights) == 0:
            raise ValueError(
                "The weights adversarial, nce, supervised, pyramid and paired must not be "
                "negative, nor all be 0."
            )
        if not (self.temperature > 0 and 0 <= self.adaptive <= 1):
            raise ValueError("temperature must be above 0, and adaptive from 0 to 1.")
        if self._compared and (self.patches < 2 or not self.taps):
            raise ValueError("There must be a layer in taps, and 2 patches or more.")
        layers = getattr(self.generator, "map_names", None)
        if layers is None:
            raise ValueError(
                f"CUT looks into its generator, and a {type(self.generator).__name__} has no "
                "layers to tap; take a ResNetGenerator."
            )
        layers = [name for name in layers if name != "image"]
        if unknown := sorted(set(self.taps) - set(layers)):
            raise ValueError(
                f"`config.recipe.taps`: the generator has no layer {unknown[0]!r}; it has "
                f"{', '.join(layers)}."
            )
        return Game(
            generator=Contrast(
                self.generator.clone(),
                self.heads.clone(),
                self.taps,
                self.patches,
                self._compared,
                self.equivariant,
            ),
            critic=ImageCritic(self.critic.clone()) if self.adversarial else None,
            fakes=lambda batch, samples: {"d": samples["fake_b"]},
            reals=lambda batch: {"d": batch["b"]},
            g_objective=plus(self._fool, self._contrast, self._partner, *self.extra),
            d_objective=self._judge,
            order="critics_first",
            ema=self.ema,
        )

    @property
    def needs_pairs(self) -> bool:
        return bool(self.supervised or self.pyramid)

    @property
    def _compared(self) -> tuple[str, ...]:
        wanted = {
            "a": self.nce,
            "b": self.nce and self.identity,
            "pair": self.supervised,
        }
        return tuple(name for name, weight in wanted.items() if weight)

    def samples(self, params: Params, stats: Any, batch: Named) -> dict[str, SignedImages]:
        return {"fake_b": self.translate(params, stats, batch["a"], "a2b")}

    def sheets(
        self,
        batch: Mapping[str, np.ndarray],
        samples: Mapping[str, np.ndarray],
        classes: tuple[str, ...],
    ) -> Sheets:
        truth = {"truth": batch["b"]} if self.supervised or self.pyramid else {}
        return {"a2b": {"input": batch["a"], "output": samples["fake_b"], **truth}}

    def translate(
        self, params: Params, stats: Any, images: SignedImages, direction: Direction
    ) -> SignedImages:
        module = Translator(self.generator.clone())
        return apply(module, params, stats, {"a": images}, None, train=False)[0]["fake_b"]

    def _fool(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        return (
            {"gan": self.adversarial * self.gan.generator(logits["d"])} if self.adversarial else {}
        )

    def _contrast(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        weight = self.nce / 2 if self.identity else self.nce
        terms = {
            "nce": ("a", weight, 0.0),
            "nce_identity": ("b", weight, 0.0),
            "supervised": ("pair", self.supervised, self.adaptive),
        }
        return {
            term: weight * self._of_all_layers(samples, name, adaptive)
            for term, (name, weight, adaptive) in terms.items()
            if name in self._compared
        }

    def _of_all_layers(self, samples: Named, name: str, adaptive: float) -> jax.Array:
        return jnp.mean(
            jnp.stack(
                [
                    patch_nce(
                        samples[f"q_{name}_{i}"],
                        samples[f"k_{name}_{i}"],
                        self.temperature,
                        adaptive,
                    )
                    for i in range(len(self.taps))
                ]
            )
        )

    def _partner(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        terms: Terms = {}
        if self.pyramid:
            terms["pyramid"] = self.pyramid * pyramid_l1(samples["aligned_b"], batch["b"])
        if self.paired:
            terms["paired"] = self.paired * near_partners(samples["aligned_b"], batch["b"], batch)
        return terms

    def _judge(self, real: Named, fake: Named) -> Terms:
        scale = 0.5 if self.halve_critic else 1.0
        return {
            "d_real": scale * self.gan.real(real["d"]),
            "d_fake": scale * self.gan.fake(fake["d"]),
        }
