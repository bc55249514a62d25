"""CoGAN through the shared step: shared and own layers, pairs, translation by search."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from imgtrans_jax.data.digits import DigitStyle, load_digits, outlines
from imgtrans_jax.engine.state import init_state
from imgtrans_jax.engine.step import gan_step
from imgtrans_jax.losses.adversarial import lsgan, vanilla, wgan
from imgtrans_jax.methods.cogan import CoGAN
from imgtrans_jax.models import CoupledCritic, CoupledGenerator, Normal
from imgtrans_jax.optim.adam import Transformations

WIDE = Normal(0.3)
TX = Transformations(optax.sgd(0.1), optax.sgd(0.1))
RECIPE = CoGAN(
    CoupledGenerator(size=8, width=2, channels=1, norm="none", kernel_init=WIDE),
    CoupledCritic(width=2, norm="none", kernel_init=WIDE),
    latent=3,
)
KEYS = jax.random.split(jax.random.key(0), 3)
BATCH = {
    side: jax.random.uniform(key, (4, 8, 8, 1), minval=-1)
    for side, key in zip("ab", KEYS, strict=False)
}
FIXED = BATCH | {"z": jax.random.normal(KEYS[2], (4, 3))}


@pytest.fixture(scope="module")
def state():
    return init_state(RECIPE.game(), TX, FIXED, jax.random.key(1))


@pytest.mark.parametrize("gan", [vanilla, lsgan])
def test_the_step_is_the_update_written_by_hand(state, gan):
    game = dataclasses.replace(RECIPE, gan=gan).game()
    after, terms = jax.jit(lambda s: gan_step(game, TX, s, FIXED, None, jax.random.key(2)))(state)

    def logits(d, pictures):
        return RECIPE.critic.apply({"params": d}, {f"d_{x}": pictures[x] for x in "ab"}, True)

    def made(g):
        return RECIPE.generator.apply({"params": g["g"]}, FIXED["z"], True)

    def d_loss(d):
        real, fake = logits(d, BATCH), logits(d, made(state.g.params))
        return sum(gan.real(real[n]) + gan.fake(fake[n]) for n in ("d_a", "d_b"))

    def g_loss(g):
        fake = logits(after.d.params, made(g))
        return gan.generator(fake["d_a"]) + gan.generator(fake["d_b"])

    for found, before, slope in (
        (after.d.params, state.d.params, jax.grad(d_loss)(state.d.params)),
        (after.g.params, state.g.params, jax.grad(g_loss)(state.g.params)),
    ):
        wanted = jax.tree.map(lambda p, g: p - 0.1 * g, before, slope)
        for x, y in zip(*map(jax.tree.leaves, (found, wanted)), strict=True):
            np.testing.assert_allclose(x, y, atol=2e-5)
    d_terms = sum(float(v) for n, v in terms.items() if n.startswith("d_"))
    np.testing.assert_allclose(d_terms, d_loss(state.d.params), rtol=1e-5)


def test_only_the_layers_next_to_the_pictures_are_a_domains_own(state):
    own = {name for name in state.g.params["g"] if name.endswith(("_a", "_b"))}
    assert own == {"last_a", "last_b"}
    assert set(state.d.params) == {"first_a", "first_b", "shared"}
    # with one last layer in both domains the pictures are one
    params = state.g.params["g"] | {"last_b": state.g.params["g"]["last_a"]}
    made = RECIPE.generator.apply({"params": params}, FIXED["z"], False)
    np.testing.assert_array_equal(made["a"], made["b"])


def test_a_picture_is_translated_by_the_z_that_makes_it(state):
    z = jax.random.normal(jax.random.key(5), (2, 3))
    made = RECIPE.generator.apply({"params": state.g.params["g"]}, z, False)
    for direction, given, wanted in (("a2b", "a", "b"), ("b2a", "b", "a")):
        found = RECIPE.translate(state.g.params, {}, made[given], direction)
        assert found.shape == made[wanted].shape
        np.testing.assert_allclose(found, made[wanted], atol=0.05)
    brief = dataclasses.replace(RECIPE, search_steps=1, search_starts=1)
    far = brief.translate(state.g.params, {}, made["a"], "a2b")
    assert np.abs(far - made["b"]).max() > 0.05


def test_each_picture_is_searched_by_itself_and_comes_back_in_its_size(state):
    together = RECIPE.translate(state.g.params, {}, BATCH["a"], "a2b")
    alone = RECIPE.translate(state.g.params, {}, BATCH["a"][2:3], "a2b")
    np.testing.assert_allclose(together[2:3], alone, atol=1e-4)
    wide = RECIPE.translate(state.g.params, {}, jnp.zeros((1, 12, 20, 1)), "b2a")
    assert wide.shape == (1, 12, 20, 1)


def test_pairs_are_made_side_by_side_and_shown(state):
    made = RECIPE.generate(state.g.params, {}, jax.random.key(3), jnp.zeros((5, 1)))
    assert made.shape == (5, 8, 16, 1)
    samples = RECIPE.samples(state.g.params, {}, BATCH)
    sheets = RECIPE.sheets(BATCH, samples, ())
    assert set(sheets) == {"pairs", "a2b", "b2a"}
    assert sheets["pairs"]["a"].shape == (8, 8, 8, 1)


@pytest.mark.parametrize(
    "change", [{"latent": 0}, {"search_steps": 0}, {"search_starts": 0}, {"search_rate": 0.0}]
)
def test_numbers_that_make_no_game_are_refused(change):
    with pytest.raises(ValueError, match="1 or more"):
        dataclasses.replace(RECIPE, **change).game()
    with pytest.raises(ValueError, match="needs a smooth critic"):
        dataclasses.replace(RECIPE, gan=wgan).game()


def test_a_size_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="24 is none of them"):
        RECIPE.generator.clone(size=24).init(jax.random.key(0), jnp.zeros((1, 3)), True)


def test_pictures_that_are_not_square_are_refused():
    wide = {f"d_{side}": jnp.zeros((1, 8, 16, 1)) for side in "ab"}
    with pytest.raises(ValueError, match="square pictures; this is 8x16"):
        RECIPE.critic.init(jax.random.key(0), wide, True)


def test_digits_of_one_half_as_they_are_and_outlines_of_the_other():
    filled, test = DigitStyle("filled").open("a", 16, 1)
    outline, test_outline = DigitStyle("outline").open("b", 16, 1)
    assert len(filled) == len(outline) == 809
    assert len(test) == len(test_outline) == 179
    np.testing.assert_array_equal(outlines(test), test_outline)
    whole, _ = DigitStyle("filled", whole=True).open("a", 16, 1)
    assert len(whole) == 1618
    dot = np.zeros((1, 5, 5, 1), np.uint8)
    dot[0, 2, 2] = 200
    ring = outlines(dot)[0, :, :, 0]
    assert ring.sum() == 8 * 200
    assert ring[2, 2] == 0
    pictures, classes, held_out = load_digits(3)
    assert pictures.shape == (1797, 8, 8, 3)
    assert set(classes) == set(range(10))
    assert held_out.sum() == 179
