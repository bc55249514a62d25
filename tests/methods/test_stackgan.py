"""StackGAN through the shared step: two stages, texts that fit and that do not, words."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from imgtrans_jax.engine.state import init_state
from imgtrans_jax.engine.step import gan_step
from imgtrans_jax.io.words import encoded, places_of
from imgtrans_jax.losses.adversarial import lsgan, vanilla, wgan
from imgtrans_jax.methods.stackgan import StackGAN, TextSampler
from imgtrans_jax.models import Conditioning, DCGANGenerator, Normal, Refiner, TextCritic
from imgtrans_jax.optim.adam import Transformations
from imgtrans_jax.types import UserError

WIDE = Normal(0.3)
TX = Transformations(optax.sgd(0.1), optax.sgd(0.1))
WORDS = 64
RECIPE = StackGAN(
    DCGANGenerator(size=8, width=2, norm="none", kernel_init=WIDE),
    Refiner(width=2, blocks=1, norm="none", kernel_init=WIDE),
    Conditioning(length=3, width=4, kernel_init=WIDE),
    TextCritic(width=2, length=3, norm="none", kernel_init=WIDE),
    latent=3,
    texts=("red heart", "blue cat"),
)
TEXTS = ["red heart", "blue cat", "red cat", "green"]
BATCH = {
    "x": jax.random.uniform(jax.random.key(0), (4, 16, 16, 3), minval=-1),
    "y": jnp.asarray(encoded(TEXTS, WORDS)),
    "z": jax.random.normal(jax.random.key(1), (4, 3)),
}


@pytest.fixture(scope="module")
def state():
    """In which words have some meaning; they begin without any."""
    begun = init_state(RECIPE.game(), TX, BATCH, jax.random.key(1))

    def meant(params):
        return jax.tree_util.tree_map_with_path(
            lambda path, x: (
                0.1 * jax.random.normal(jax.random.key(2), x.shape) if "words" in str(path) else x
            ),
            params,
        )

    g, d = (p.replace(params=meant(p.params)) for p in (begun.g, begun.d))
    return begun.replace(g=g, d=d)


@pytest.mark.parametrize("gan", [vanilla, lsgan])
def test_the_step_is_the_update_written_by_hand(state, gan):
    game = dataclasses.replace(RECIPE, gan=gan).game()
    after, terms = jax.jit(lambda s: gan_step(game, TX, s, BATCH, None, jax.random.key(2)))(state)
    x, y, z = BATCH["x"], BATCH["y"], BATCH["z"]
    small = (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4
    wrong = jnp.concatenate([y[-1:], y[:-1]])

    def made(g):
        mean, log_variance = RECIPE.conditioning.apply({"params": g["conditioning"]}, y, True)
        first = RECIPE.generator.apply({"params": g["g"]}, jnp.concatenate([z, mean], 1), True)
        seen = jax.lax.stop_gradient(first)
        second = RECIPE.refiner.apply({"params": g["refiner"]}, seen, mean, True)
        return first, second, mean, log_variance

    def logit(d, stage, pictures, text):
        return RECIPE.critic.apply({"params": d[f"d_{stage}"]}, pictures, {"t": text}, True)["t"]

    def d_loss(d):
        fakes = dict(zip(("small", "large"), made(state.g.params)[:2], strict=True))
        return sum(
            gan.real(logit(d, stage, real, y))
            + 0.5 * gan.fake(logit(d, stage, real, wrong))
            + 0.5 * gan.fake(logit(d, stage, fakes[stage], y))
            for stage, real in (("small", small), ("large", x))
        )

    def g_loss(g):
        first, second, mean, log_variance = made(g)
        against = sum(
            gan.generator(logit(after.d.params, stage, pictures, y))
            for stage, pictures in (("small", first), ("large", second))
        )
        apart = 0.5 * (jnp.exp(log_variance) + mean**2 - 1 - log_variance)
        return against + 2 * apart.mean()

    for found, before, slope in (
        (after.d.params, state.d.params, jax.grad(d_loss)(state.d.params)),
        (after.g.params, state.g.params, jax.grad(g_loss)(state.g.params)),
    ):
        wanted = jax.tree.map(lambda p, g: p - 0.1 * g, before, slope)
        for a, b in zip(*map(jax.tree.leaves, (found, wanted)), strict=True):
            np.testing.assert_allclose(a, b, atol=2e-5)
    d_terms = sum(float(v) for n, v in terms.items() if n.startswith("d_"))
    np.testing.assert_allclose(d_terms, d_loss(state.d.params), rtol=1e-5)
    g_terms = float(terms["gan_small"] + terms["gan_large"] + terms["divergence"])
    np.testing.assert_allclose(g_terms, g_loss(state.g.params), rtol=1e-4)


def test_texts_and_noise_decide_what_is_made(state):
    params = state.g.params
    red, blue = (
        RECIPE.generate(params, {}, jax.random.key(3), jnp.asarray(encoded([text] * 2, WORDS)))
        for text in ("red heart", "blue cat")
    )
    assert red.shape == (2, 16, 16, 3)
    assert np.abs(red - blue).max() > 1e-3
    assert np.abs(red[0] - red[1]).max() > 1e-3


class Given(nn.Module):
    """Instead of a stage: what it was given."""

    @nn.compact
    def __call__(self, first, *rest):
        return first


def test_the_gaussian_of_a_text_is_drawn_from_in_training_and_its_mean_is_used_later(state):
    sampler = TextSampler(Given(), Given(), RECIPE.conditioning, RECIPE.latent)
    many = {"y": jnp.tile(BATCH["y"][:1], (4000, 1))}
    params = {"params": {"conditioning": state.g.params["conditioning"]}}
    drawn = sampler.apply(params, many, True, rngs={"latent": jax.random.key(0)})
    z, condition = jnp.split(drawn["small"], 2, axis=1)
    np.testing.assert_allclose(z.mean(0), 0, atol=0.06)
    np.testing.assert_allclose(z.std(0), 1, atol=0.05)
    mean, deviation = drawn["mean"][0], jnp.exp(0.5 * drawn["log_variance"][0])
    np.testing.assert_allclose(condition.mean(0), mean, atol=0.06)
    np.testing.assert_allclose(condition.std(0), deviation, rtol=0.05)
    assert abs(np.corrcoef(z[:, 0], condition[:, 0])[0, 1]) < 0.06
    fixed = sampler.apply(params, {"y": many["y"][:4], "z": BATCH["z"]}, False)
    np.testing.assert_array_equal(fixed["small"], jnp.concatenate([BATCH["z"], fixed["mean"]], 1))


def test_sheets_show_the_texts_and_a_word_that_was_never_met_is_told():
    begun = init_state(RECIPE.game(), TX, BATCH, jax.random.key(1))
    with pytest.raises(UserError, match="knows no word of 'red heart'"):
        RECIPE.read(begun.g.params, "red heart", WORDS)
    kernel = begun.g.params["conditioning"]["words"]["each"]["kernel"]
    learned = kernel.at[jnp.array(places_of("heart", WORDS))].set(1.0)
    params = begun.g.params | {
        "conditioning": begun.g.params["conditioning"] | {"words": {"each": {"kernel": learned}}}
    }
    row, unknown = RECIPE.read(params, "Heart of gold", WORDS)
    np.testing.assert_array_equal(row, encoded(["Heart of gold"], WORDS)[0])
    assert unknown == ["gold"]
    samples = RECIPE.samples(params, {}, BATCH)
    sheets = RECIPE.sheets(BATCH, samples, ())
    assert set(sheets) == {"small", "large"}
    assert list(sheets["large"]) == ["red heart", "blue cat"]
    assert sheets["large"]["blue cat"].shape == (8, 16, 16, 3)


def test_without_texts_the_captions_of_test_pictures_are_shown(state):
    recipe = dataclasses.replace(RECIPE, texts=())
    sheets = recipe.sheets(BATCH, recipe.samples(state.g.params, {}, BATCH), ())
    assert {name: x.shape for name, x in sheets["captions"].items()} == {
        "first stage": (4, 8, 8, 3),
        "output": (4, 16, 16, 3),
        "truth": (4, 16, 16, 3),
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"latent": 0}, "latent must be 1 or more"),
        ({"divergence": -1.0}, "divergence not negative"),
        ({"gan": wgan}, "needs a smooth critic"),
    ],
)
def test_numbers_that_make_no_game_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(RECIPE, **change).game()


def test_the_same_text_by_chance_is_no_wrong_one():
    game = RECIPE.game()
    y = jnp.asarray(encoded(["red cat", "red cat", "blue"], WORDS))
    views = game.reals({"x": jnp.zeros((3, 16, 16, 3)), "y": y})
    np.testing.assert_array_equal(views["wrong"], jnp.stack([y[2], jnp.zeros(WORDS), y[1]]))
    with pytest.raises(ValueError, match="at least twice"):
        game.reals({"x": jnp.zeros((1, 16, 16, 3)), "y": y[:1]})


def test_stages_that_do_not_fit_the_data_are_refused():
    large = dataclasses.replace(RECIPE, generator=RECIPE.generator.clone(size=16))
    with pytest.raises(ValueError, match=r"half of config\.data\.cut\.crop_size"):
        init_state(large.game(), TX, BATCH, jax.random.key(0))
