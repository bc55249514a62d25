"""BiGAN and ALI through the shared step: one critic, all of whose views are made."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from imgtrans_jax.engine.game import apply
from imgtrans_jax.engine.state import init_state
from imgtrans_jax.engine.step import gan_step
from imgtrans_jax.losses.adversarial import hinge, lsgan, vanilla
from imgtrans_jax.methods.bigan import ALI, BiGAN
from imgtrans_jax.models import (
    DCGANGenerator,
    Encoder,
    JointCritic,
    Normal,
    PatchGAN,
    ResNetGenerator,
)
from imgtrans_jax.optim.adam import Transformations

WIDE = Normal(0.3)
TX = Transformations(optax.sgd(0.1), optax.sgd(0.1))
IMAGES = ALI(
    ResNetGenerator(width=2, blocks=1, kernel_init=WIDE),
    PatchGAN(width=2, layers=1, kernel_init=WIDE),
)
LATENTS = BiGAN(
    DCGANGenerator(size=8, width=2, channels=1, norm="none", kernel_init=WIDE),
    Encoder(latent=3, width=4, kernel_init=WIDE),
    JointCritic(width=4, kernel_init=WIDE),
    latent=3,
)
KEYS = jax.random.split(jax.random.key(0), 3)
DOMAINS = {
    s: jax.random.uniform(k, (2, 16, 16, 3), minval=-1) for s, k in zip("ab", KEYS, strict=False)
}
DIGITS = {
    "x": jax.random.uniform(KEYS[2], (4, 8, 8, 1), minval=-1),
    "y": jnp.eye(10)[:4],
    "z": jax.random.normal(KEYS[0], (4, 3)),
}


def views(recipe, params, batch):
    """The pairs that are to be judged real, and those that are not, as logits of the critic."""
    if isinstance(recipe, ALI):
        g, f = (
            lambda x, n=n: recipe.generator.apply({"params": params[n]}, x, True)
            for n in ("g_ab", "g_ba")
        )
        a, b = batch["a"], batch["b"]
        pairs = (jnp.concatenate([a, g(a)], -1),), (jnp.concatenate([f(b), b], -1),)
    else:
        made = recipe.generator.apply({"params": params["g"]}, batch["z"], True)
        code, _ = recipe.encoder.apply(
            {"params": params["e"], "batch_stats": jax.tree.map(jnp.zeros_like, STATS["e"])},
            batch["x"],
            True,
            mutable=["batch_stats"],
        )
        pairs = (batch["x"], code), (made, batch["z"])
    return pairs


STATS = {}


@pytest.mark.parametrize("gan", [lsgan, vanilla])
@pytest.mark.parametrize(("recipe", "batch"), [(IMAGES, DOMAINS), (LATENTS, DIGITS)])
def test_the_step_is_the_update_written_by_hand(recipe, batch, gan):
    recipe = dataclasses.replace(recipe, gan=gan)
    game = recipe.game()
    state = jax.jit(lambda: init_state(game, TX, batch, jax.random.key(1)))()
    STATS.update(state.g.stats)
    after, terms = jax.jit(lambda s: gan_step(game, TX, s, batch, None, jax.random.key(2)))(state)

    def judged(d, g):
        first, second = views(recipe, g, batch)
        critic = lambda pair: recipe.critic.apply({"params": d["d"]}, *pair, True)  # noqa: E731
        return critic(first), critic(second)

    def d_loss(d):
        first, second = judged(d, state.g.params)
        return gan.real(first) + gan.fake(second)

    def g_loss(g):
        first, second = judged(after.d.params, g)
        return gan.fake(first) + gan.generator(second)

    for found, before, slope in (
        (after.d.params, state.d.params, jax.grad(d_loss)(state.d.params)),
        (after.g.params, state.g.params, jax.grad(g_loss)(state.g.params)),
    ):
        wanted = jax.tree.map(lambda p, g: p - 0.1 * g, before, slope)
        for x, y in zip(*map(jax.tree.leaves, (found, wanted)), strict=True):
            np.testing.assert_allclose(x, y, atol=2e-5)
    d_terms = sum(float(v) for n, v in terms.items() if n.startswith("d_"))
    np.testing.assert_allclose(d_terms, d_loss(state.d.params), rtol=1e-5)
    g_terms = sum(float(v) for n, v in terms.items() if n.startswith("gan_"))
    np.testing.assert_allclose(g_terms, g_loss(state.g.params), rtol=1e-4)


def test_both_ways_of_pictures_translate():
    game = IMAGES.game()
    state = init_state(game, TX, DOMAINS, jax.random.key(1))
    assert state.d.params["d"]["conv_0"]["kernel"].shape[2] == 6
    for direction, name, side in (("a2b", "g_ab", "a"), ("b2a", "g_ba", "b")):
        found = IMAGES.translate(state.g.params, {}, DOMAINS[side], direction)
        wanted = IMAGES.generator.apply({"params": state.g.params[name]}, DOMAINS[side], False)
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    samples = IMAGES.samples(state.g.params, {}, DOMAINS)
    assert set(IMAGES.sheets(DOMAINS, samples, ())) == {"a2b", "b2a"}


def test_pictures_are_coded_and_made_again_and_made_of_latents():
    game = LATENTS.game()
    state = init_state(game, TX, DIGITS, jax.random.key(1))
    params, stats = state.g.params, state.g.stats
    code, _ = apply(LATENTS.encoder, params["e"], stats["e"], DIGITS["x"], None, train=False)
    assert code.shape == (4, 3)
    again = LATENTS.reconstructed(params, stats, DIGITS["x"])
    by_hand = LATENTS.generator.apply({"params": params["g"]}, code, False)
    np.testing.assert_allclose(again, by_hand, atol=1e-6)
    made = LATENTS.generate(params, stats, jax.random.key(3), DIGITS["y"])
    assert made.shape == DIGITS["x"].shape
    sheets = LATENTS.sheets(DIGITS, LATENTS.samples(params, stats, DIGITS), ())
    assert sheets["reconstructions"]["output"].shape == DIGITS["x"].shape
    assert len(sheets["samples"]) == 8
    with pytest.raises(ValueError, match="that of the encoder, 3"):
        dataclasses.replace(LATENTS, latent=5).game()
    with pytest.raises(ValueError, match="1 or more"):
        dataclasses.replace(LATENTS, latent=0).game()


@pytest.mark.parametrize(
    ("recipe", "batch"),
    [
        (dataclasses.replace(IMAGES, generator=IMAGES.generator.clone(channels=1)), DOMAINS),
        (dataclasses.replace(LATENTS, generator=LATENTS.generator.clone(size=16)), DIGITS),
    ],
)
def test_a_critic_is_not_shown_what_its_shape_gives_away(recipe, batch):
    with pytest.raises(ValueError, match="by their shapes: the generator makes 16x16x1"):
        init_state(recipe.game(), TX, batch, jax.random.key(0))


@pytest.mark.parametrize("recipe", [IMAGES, LATENTS])
def test_losses_that_are_not_alike_for_both_ways_are_refused(recipe):
    with pytest.raises(ValueError, match="lsgan or vanilla"):
        dataclasses.replace(recipe, gan=hinge).game()
