"""CycleGAN: unpaired translation between two domains (Zhu, Park, Isola and Efros 2017, arXiv
1703.10593).

Generators are `g_ab` (the paper's G: X -> Y) and `g_ba` (F); critics `d_a` and `d_b` are named by
the domain they judge.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
import numpy as np
from flax import linen as nn

from imgtrans_jax.engine.game import Game, apply
from imgtrans_jax.losses.adversarial import GanLoss, lsgan
from imgtrans_jax.losses.compose import join, plus
from imgtrans_jax.losses.pixel import l1
from imgtrans_jax.methods.base import Recipe, Sheets, near_partners
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.types import Direction, Named, Objective, Params, SignedImages, Terms

PerDirection = float | tuple[float, float]
Distance = Callable[[jax.Array, jax.Array], jax.Array]


class Generators(nn.Module):
    """Both generators and the applications of them that the loss needs; a flag at False leaves its
    images out.

    {"a": (N, H, W, C), "b": …} in [-1, 1] -> fake_b = G(a), rec_a = F(G(a)), fake_a = F(b), rec_b =
    G(F(b)), idt_b = G(b) and idt_a = F(a).

    Attributes:
        g_ab: G, (images, train) -> images.
        g_ba: F, likewise.
        rec_a: Whether rec_a is made.
        rec_b: Whether rec_b is made.
        idt_a: Whether idt_a is made.
        idt_b: Whether idt_b is made.
    """

    g_ab: nn.Module
    g_ba: nn.Module
    rec_a: bool = True
    rec_b: bool = True
    idt_a: bool = False
    idt_b: bool = False

    def __call__(self, batch: Named, train: bool) -> dict[str, SignedImages]:
        a, b = batch["a"], batch["b"]
        # In the order of the authors' code, on which batch norm's running statistics depend.
        samples = {"fake_b": self.g_ab(a, train)}
        if self.rec_a:
            samples["rec_a"] = self.g_ba(samples["fake_b"], train)
        samples["fake_a"] = self.g_ba(b, train)
        if self.rec_b:
            samples["rec_b"] = self.g_ab(samples["fake_a"], train)
        if self.idt_b:
            samples["idt_b"] = self.g_ab(b, train)
        if self.idt_a:
            samples["idt_a"] = self.g_ba(a, train)
        return samples


def one_way(
    generator: nn.Module, params: Params, stats: Any, images: SignedImages, direction: Direction
) -> SignedImages:
    """Pictures of one domain as ones of the other, by one of `Generators` alone.

    Args:
        generator: The module of both.
        params: Of both.
        stats: Their batch statistics.
        images: (N, H, W, C) in [-1, 1].
        direction: `a2b`, else b -> a.

    Returns:
        Images of the same shape.
    """
    name = "g_ab" if direction == "a2b" else "g_ba"
    of_it = params[name], stats.get(name, {})
    return apply(generator.clone(), *of_it, images, None, train=False)[0]


class Critics(nn.Module):
    """{"d_a": images of domain a, "d_b": …} -> logits under the same names.

    Attributes:
        d_a: (images, train) -> logits, of domain a.
        d_b: The same of domain b.
    """

    d_a: nn.Module
    d_b: nn.Module

    def __call__(self, views: Named, train: bool) -> dict[str, jax.Array]:
        return {name: getattr(self, name)(views[name], train) for name in ("d_a", "d_b")}


@dataclasses.dataclass(frozen=True)
class CycleGAN(Recipe):
    """The full objective (equation 3) and its training details (sections 4 and 7.1).

    Batches are {"a": (N, H, W, C), "b": (N, H, W, C)} in [-1, 1]. Weights may be 0 or a pair;
    images that only a zero term needs are not computed.

    Attributes:
        generator: Any module (images, train) -> images, cloned once for each domain; nothing is
            shared.
        critic: Any module (images, train) -> logits, cloned likewise.
        gan: The adversarial loss by name: lsgan, vanilla, hinge.
        adversarial: Weight of the adversarial terms; one number, or one for a->b and one for b->a.
        cycle: lambda, for F(G(a)) ~ a and G(F(b)) ~ b (equation 2); one number, or a pair (a, b).
        identity: Relative to `cycle`, for G(b) ~ b and F(a) ~ a (section 5.2, "photo generation
            from paintings"): the weight is identity * cycle of that domain. One number, or a pair
            (a, b).
        distance: What ~ means: l1 (mean over pixels) or l1_sum.
        paired: Weight of the mean absolute difference of translations from their partners, summed
            over the rows that have one (data.Mixed) and divided by all; one number, or a pair
            (a->b, b->a).
        halve_critic: The critics' losses times 1/2, the authors' "slow down D".
        pool_size: Generated images remembered for each critic, 0 for none.
        pool_groups: In how many independent parts of equal size, which must be a multiple of the
            number of devices and divide the batch. Results depend on it, not on the devices.
        ema: Decay of a smoothed copy of the generators (0: none), used for samples and by
            stylize.py.
        extra: Objectives of your own, (batch, samples, logits, frozen) -> {name: weighted ()
            array}.
    """

    notes: ClassVar[str] = (
        "All terms carry their weights. cycle_a: how far the way to b and back ends from where "
        "it began. identity_b: how much the translation to b changes a picture of b. gan_ab: how "
        "little the translations to b convince the critic. d_b_real, d_b_fake: the critic of b "
        "on real pictures and on translations; with lsgan it guesses where both are near 0.125."
    )

    directions: ClassVar[tuple[Direction, ...]] = ("a2b", "b2a")

    needs: ClassVar[tuple[str, ...]] = ("a", "b")

    generator: nn.Module = ResNetGenerator()
    critic: nn.Module = PatchGAN()
    gan: GanLoss = lsgan
    adversarial: PerDirection = 1.0
    cycle: PerDirection = 10.0
    identity: PerDirection = 0.5
    distance: Distance = l1
    paired: PerDirection = 0.0
    halve_critic: bool = True
    pool_size: int = 50
    pool_groups: int = 1
    ema: float = 0.0
    extra: tuple[Objective, ...] = ()

    def game(self) -> Game:
        """The game of these hyper-parameters.

        Raises:
            ValueError: For a negative weight.
        """
        weights = self.adversarial, self.cycle, self.identity, self.paired
        if min(min(_pair(weight)) for weight in weights) < 0:
            raise ValueError(
                "The weights adversarial, cycle, identity and paired must not be negative."
            )
        cycle_a, cycle_b = _pair(self.cycle)
        identity_a, identity_b = _pair(self.identity)
        generators = self._generators(
            rec_a=cycle_a > 0,
            rec_b=cycle_b > 0,
            idt_a=identity_a * cycle_a > 0,
            idt_b=identity_b * cycle_b > 0,
        )
        against = max(_pair(self.adversarial)) > 0
        return Game(
            generator=generators,
            critic=Critics(self.critic.clone(), self.critic.clone()) if against else None,
            fakes=_fakes,
            reals=_reals,
            g_objective=plus(self._fool, self._cycle, self._identity, self._partners, *self.extra),
            d_objective=self._judge,
            pool_size=self.pool_size,
            pool_groups=self.pool_groups,
            ema=self.ema,
        )

    def samples(self, params: Params, stats: Any, batch: Named) -> dict[str, SignedImages]:
        """Translations and reconstructions of both domains, as for a report: no dropout, running
        statistics.

        Args:
            params: The whole generator player's parameters.
            stats: Its batch statistics.
            batch: {"a": (N, H, W, C), "b": (N, H, W, C)} in [-1, 1].

        Returns:
            fake_b, rec_a, fake_a and rec_b, of the batch's shapes.
        """
        return apply(self._generators(), params, stats, batch, None, train=False)[0]

    def sheets(
        self,
        batch: Mapping[str, np.ndarray],
        samples: Mapping[str, np.ndarray],
        classes: tuple[str, ...],
    ) -> Sheets:
        return {
            "a2b": {
                "input": batch["a"],
                "output": samples["fake_b"],
                "reconstruction": samples["rec_a"],
            },
            "b2a": {
                "input": batch["b"],
                "output": samples["fake_a"],
                "reconstruction": samples["rec_b"],
            },
        }

    def translate(
        self, params: Params, stats: Any, images: SignedImages, direction: Direction
    ) -> SignedImages:
        """Pictures of one domain as ones of the other.

        Args:
            params: The whole generator player's parameters.
            stats: Its batch statistics.
            images: (N, H, W, C) in [-1, 1].
            direction: `a2b`, else b -> a.

        Returns:
            Images of the same shape.
        """
        return one_way(self.generator, params, stats, images, direction)

    def _generators(
        self, rec_a: bool = True, rec_b: bool = True, idt_a: bool = False, idt_b: bool = False
    ) -> Generators:
        return Generators(
            self.generator.clone(), self.generator.clone(), rec_a, rec_b, idt_a, idt_b
        )

    def _fool(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        ab, ba = _pair(self.adversarial)
        weighted = {"gan_ab": (ab, "d_b"), "gan_ba": (ba, "d_a")}
        return {
            term: weight * self.gan.generator(logits[critic])
            for term, (weight, critic) in weighted.items()
            if weight
        }

    def _cycle(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        weights = dict(zip("ab", _pair(self.cycle), strict=True))
        return {
            f"cycle_{x}": w * self.distance(samples[f"rec_{x}"], batch[x])
            for x, w in weights.items()
            if w
        }

    def _identity(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        pairs = zip("ab", _pair(self.identity), _pair(self.cycle), strict=True)
        return {
            f"identity_{x}": i * c * self.distance(samples[f"idt_{x}"], batch[x])
            for x, i, c in pairs
            if i * c
        }

    def _partners(self, batch: Named, samples: Named, logits: Named, frozen: Any) -> Terms:
        weights = dict(zip("ba", _pair(self.paired), strict=True))
        return {
            f"paired_{x}": w * near_partners(samples[f"fake_{x}"], batch[x], batch)
            for x, w in weights.items()
            if w
        }

    def _judge(self, real: Named, fake: Named) -> Terms:
        scale = 0.5 if self.halve_critic else 1.0
        return join(
            *(
                {
                    f"{d}_real": scale * self.gan.real(real[d]),
                    f"{d}_fake": scale * self.gan.fake(fake[d]),
                }
                for d in real
            )
        )


def _pair(weight: PerDirection) -> tuple[float, float]:
    return weight if isinstance(weight, tuple) else (weight, weight)


def _fakes(batch: Named, samples: Named) -> dict[str, jax.Array]:
    return {"d_a": samples["fake_a"], "d_b": samples["fake_b"]}


def _reals(batch: Named) -> dict[str, jax.Array]:
    return {"d_a": batch["a"], "d_b": batch["b"]}
