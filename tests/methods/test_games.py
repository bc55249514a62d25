"""Every other game through the shared step: pix2pix, GAN with Algorithm 1, WGAN, SRGAN, SimGAN,
against updates by hand.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from imgtrans_jax.engine.game import apply
from imgtrans_jax.engine.state import init_state
from imgtrans_jax.engine.step import gan_step
from imgtrans_jax.losses.adversarial import hinge, lsgan, saturating, vanilla, wgan
from imgtrans_jax.losses.perceptual import feature_distance
from imgtrans_jax.losses.pixel import l1, l2
from imgtrans_jax.methods.gan import GAN
from imgtrans_jax.methods.pix2pix import Pix2Pix
from imgtrans_jax.methods.simgan import SimGAN
from imgtrans_jax.methods.srgan import SRGAN
from imgtrans_jax.models.dcgan import DCGANCritic, DCGANGenerator
from imgtrans_jax.models.layers import Normal
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.srgan import SRGANCritic, SRResNet
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.models.vgg import VGG
from imgtrans_jax.optim import Adam, StepDecay
from imgtrans_jax.optim.adam import Transformations

WIDE = Normal(0.3)
KEY = jax.random.key(7)
SGD, STILL = optax.sgd(0.1), optax.sgd(0.0)
TX = Transformations(SGD, SGD)
PIX2PIX = Pix2Pix(
    UNet(width=2, levels=3, norm="instance", dropout=0.0, kernel_init=WIDE),
    PatchGAN(width=2, layers=1, kernel_init=WIDE),
    pixel=3.0,
)
NOISE = GAN(
    DCGANGenerator(size=8, width=2, channels=1, norm="none", kernel_init=WIDE),
    DCGANCritic(width=2, norm="none", kernel_init=WIDE),
    latent=3,
)
SIM = SimGAN(PIX2PIX.generator, PIX2PIX.critic, pool_size=0)


def pairs(seed: int = 0, n: int = 2, a: int = 16, b: int = 16) -> dict[str, jax.Array]:
    keys = jax.random.split(jax.random.key(seed))
    return {
        s: jax.random.uniform(k, (n, side, side, 3), minval=-1)
        for s, k, side in zip("ab", keys, (a, b), strict=True)
    }


def labelled(n: int) -> dict[str, jax.Array]:
    return {
        "x": jax.random.uniform(jax.random.key(n), (n, 8, 8, 1), minval=-1),
        "y": jnp.eye(4)[jnp.arange(n) % 4],
    }


@functools.cache
def compiled(recipe, tx):
    """The game, how its state begins, and its step."""
    game = recipe.game()
    begin = jax.jit(lambda batch: init_state(game, tx, batch, jax.random.key(0)))
    return game, begin, jax.jit(lambda s, b, f: gan_step(game, tx, s, b, f, KEY))


def one_step(recipe, batch, g_tx=SGD, d_tx=SGD, frozen=None):
    game, begin, step = compiled(recipe, Transformations(g_tx, d_tx))
    before = begin(batch)
    after, metrics = step(before, batch, frozen)
    return game, before, after, {name: float(value) for name, value in metrics.items()}


def moved(params, grads):
    return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)


def assert_close(got, want, atol=2e-5):
    for x, y in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(x, y, atol=atol)


def same(x, y) -> bool:
    return all(
        np.array_equal(p, q) for p, q in zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True)
    )


# ------------------------------------------------------------------ pix2pix


# vanilla, conditional: test_trajectories.py
@pytest.mark.parametrize(("gan", "conditional"), [(lsgan, False)])
def test_pix2pix_is_the_update_written_by_hand(gan, conditional):
    recipe, batch = dataclasses.replace(PIX2PIX, gan=gan, conditional=conditional), pairs()
    _, before, after, _ = one_step(recipe, batch)
    net, critic = recipe.generator.clone(), recipe.critic.clone()
    a, b = batch["a"], batch["b"]

    def g(params):
        return net.apply({"params": params["g"]}, a, train=True)

    def d(params, image):
        seen = jnp.concatenate([a, image], axis=-1) if conditional else image
        return critic.apply({"params": params["d"]}, seen, train=True)

    def judge(params):
        fake = jax.lax.stop_gradient(g(before.g.params))
        return (gan.real(d(params, b)) + gan.fake(d(params, fake))) / 2

    d_params = moved(before.d.params, jax.jit(jax.grad(judge))(before.d.params))

    def fool(params):
        return gan.generator(d(d_params, g(params))) + 3 * jnp.mean(jnp.abs(g(params) - b))

    assert_close(after.d.params, d_params)
    assert_close(after.g.params, moved(before.g.params, jax.jit(jax.grad(fool))(before.g.params)))


def test_pix2pix_is_near_in_features_too():
    layers = ("relu1_1", "relu2_1")
    recipe = dataclasses.replace(PIX2PIX, content=2.0, content_layers=layers)
    assert (PIX2PIX.frozen_network, recipe.frozen_network) == ("", "embedded")
    network, batch = VGG(16, layers).init(jax.random.key(0), jnp.zeros((1, 16, 16, 3))), pairs()
    made = pairs(1)["b"]
    objective = recipe.game().g_objective
    terms = objective(batch, {"fake_b": made}, {"d": jnp.zeros((2, 2, 2, 1))}, network)
    apart = []
    for layer in layers:
        found, true = (
            np.asarray(VGG(16, (layer,)).apply(network, (x + 1) / 2)[layer], np.float64)
            for x in (made, batch["b"])
        )
        apart.append(np.mean(((found - true) ** 2).sum((1, 2, 3)) / (true**2).sum((1, 2, 3))))
    np.testing.assert_allclose(terms["content"], 2 * np.mean(apart), rtol=1e-5)
    assert set(terms) == {"gan", "pixel", "content"}


@pytest.mark.parametrize(
    ("changes", "terms"),
    [
        ({"adversarial": 0.0}, {"pixel"}),
        ({"pixel": 0.0, "conditional": False}, {"gan", "d_real", "d_fake"}),
        ({"pixel": 0.0}, {"gan", "d_real", "d_fake"}),
        ({"conditional": False}, {"gan", "pixel", "d_real", "d_fake"}),
        ({}, {"gan", "pixel", "d_real", "d_fake"}),
    ],
)
def test_the_five_losses_have_their_terms_and_views(changes, terms):
    recipe, batch = dataclasses.replace(PIX2PIX, **changes), pairs()
    game = recipe.game()
    state = jax.eval_shape(lambda key: init_state(game, TX, batch, key), KEY)
    _, metrics = jax.eval_shape(lambda state: gan_step(game, TX, state, batch, None, KEY), state)
    assert {name for name in metrics if not name.startswith("norm/")} == terms
    if recipe.adversarial:
        assert state.d.params["d"]["conv_0"]["kernel"].shape[2] == (6 if recipe.conditional else 3)


def test_the_modes_of_testing():
    recipe = dataclasses.replace(
        PIX2PIX, generator=UNet(width=2, levels=3, norm="batch", kernel_init=WIDE)
    )
    batch = pairs()
    _, _, after, _ = one_step(recipe, batch)

    def tested(mode, images):
        mine = dataclasses.replace(recipe, test_mode=mode)
        translate = jax.jit(lambda x: mine.translate(after.g.params, after.g.stats, x, "a2b"))
        return translate(images)

    paper, plain = tested("paper", batch["a"]), tested("eval", batch["a"])
    assert np.abs(paper - plain).max() > 1e-3
    # one draw of noise, so that a result can be had again
    np.testing.assert_array_equal(paper, tested("paper", batch["a"]))
    # each picture by itself
    np.testing.assert_allclose(tested("eval", batch["a"][:1]), plain[:1], atol=1e-5)
    assert np.abs(tested("paper", batch["a"][:1]) - paper[:1]).max() > 1e-3


# ------------------------------------------------------------------ GAN


@pytest.mark.parametrize(
    ("k", "gan", "conditional"),
    [
        pytest.param(1, vanilla, False, marks=pytest.mark.slow),
        (3, saturating, True),
        pytest.param(2, hinge, False, marks=pytest.mark.slow),
    ],
)
def test_algorithm_1_is_k_turns_on_draws_of_their_own(k, gan, conditional):
    recipe = dataclasses.replace(NOISE, critic_steps=k, gan=gan, conditional=conditional)
    batch = labelled(4 * (k + 1))
    game, before, after, _ = one_step(recipe, batch)
    latents = []

    def samples(params, minibatch, key):
        out, _ = apply(game.generator, params, {}, minibatch, key)
        return out["fake"]

    def d(params, x, minibatch):
        views = {"d": x, "y": minibatch["y"]} if conditional else {"d": x}
        return apply(game.critic, params, {}, views, None)[0]["d"]

    k_gen = jax.random.split(jax.random.fold_in(KEY, 0), 6)[0]
    d_params = before.d.params
    for turn in range(k):
        minibatch = {name: x[turn :: k + 1] for name, x in batch.items()}
        fake = jax.lax.stop_gradient(
            samples(before.g.params, minibatch, jax.random.fold_in(k_gen, turn + 1))
        )
        latents.append(fake)

        def judge(params, fake=fake, minibatch=minibatch):
            return gan.real(d(params, minibatch["x"], minibatch)) + gan.fake(
                d(params, fake, minibatch)
            )

        d_params = moved(d_params, jax.jit(jax.grad(judge))(d_params))
    last = {name: x[k :: k + 1] for name, x in batch.items()}
    latents.append(samples(before.g.params, last, k_gen))

    def fool(params):
        return gan.generator(d(d_params, samples(params, last, k_gen), last))

    assert_close(after.d.params, d_params)
    assert_close(after.g.params, moved(before.g.params, jax.jit(jax.grad(fool))(before.g.params)))
    assert all(np.abs(x - y).max() > 1e-3 for i, x in enumerate(latents) for y in latents[:i])


def test_while_one_player_trains_the_other_is_constant():
    batch = labelled(8)
    _, before, after, _ = one_step(NOISE, batch, g_tx=STILL)
    assert same(before.g.params, after.g.params)
    assert not same(before.d.params, after.d.params)
    _, before, after, _ = one_step(NOISE, batch, d_tx=STILL)
    assert same(before.d.params, after.d.params)
    assert not same(before.g.params, after.g.params)
    # The critic's objective has no gradient by the generator, nor the generator's by the critic:
    # the update of one does not depend on the other's optimiser, in the turn in which it is made.
    _, _, alone, _ = one_step(NOISE, batch, g_tx=STILL)
    _, _, both, _ = one_step(NOISE, batch)
    assert same(alone.d.params, both.d.params)


def test_a_critic_with_clipped_weights_stays_within():
    recipe = dataclasses.replace(NOISE, gan=wgan, clip=0.01)
    _, before, after, _ = one_step(recipe, labelled(8))
    assert max(float(jnp.abs(p).max()) for p in jax.tree.leaves(before.d.params)) > 0.1
    assert max(float(jnp.abs(p).max()) for p in jax.tree.leaves(after.d.params)) <= 0.01 + 1e-7
    assert max(float(jnp.abs(p).max()) for p in jax.tree.leaves(after.g.params)) > 0.1


def test_the_penalty_is_a_term_of_the_critic_and_leaves_conditions_alone():
    recipe = dataclasses.replace(NOISE, gan=hinge, penalty=10.0, conditional=True)
    _, _, with_penalty, metrics = one_step(recipe, labelled(8))
    _, _, without, _ = one_step(dataclasses.replace(recipe, penalty=0.0), labelled(8))
    assert metrics["d_penalty"] > 0
    assert not same(with_penalty.d.params, without.d.params)


def test_the_interpolation_ends_at_its_ends_and_classes_have_their_columns():
    recipe = dataclasses.replace(NOISE, conditional=True)
    _, _, after, _ = one_step(recipe, labelled(8))
    shown = jax.jit(recipe.samples)(after.g.params, after.g.stats, labelled(8))
    assert {name: x.shape for name, x in shown.items()} == {
        "samples": (64, 8, 8, 1),
        "interpolation": (64, 8, 8, 1),
        "classes": (32, 8, 8, 1),
    }
    sheets = recipe.sheets(labelled(8), shown, ("p", "q", "r", "s"))
    assert list(sheets["classes"]) == ["p", "q", "r", "s"]
    assert list(sheets["interpolation"])[:2] == ["0 % of the way", "14 % of the way"]
    steps = np.stack(list(sheets["interpolation"].values()))
    jumps = np.abs(np.diff(steps, axis=0)).mean((1, 2, 3, 4))
    assert jumps.max() < np.abs(steps[-1] - steps[0]).mean()  # a way, not a leap
    made = jax.jit(recipe.generate)(after.g.params, after.g.stats, KEY, jnp.eye(4)[:3])
    assert made.shape == (3, 8, 8, 1)


@pytest.mark.parametrize("changes", [{"critic_steps": 0}, {"penalty": -1.0}, {"latent": 0}])
def test_numbers_that_make_no_gan_are_refused(changes):
    with pytest.raises(ValueError, match="must be 1 or more"):
        dataclasses.replace(NOISE, **changes).game()
    with pytest.raises(ValueError, match="needs a smooth critic"):
        dataclasses.replace(NOISE, gan=wgan).game()
    with pytest.raises(ValueError, match="decay under 1"):
        dataclasses.replace(NOISE, ema=1.5).game()


@pytest.mark.usefixtures("unchecked")
def test_an_order_that_there_is_not_and_turns_that_it_does_not_have_are_refused():
    game = PIX2PIX.game()
    assert (game.order, game.minibatches) == ("critics_first", 1)
    assert (SIM.game().order, SIM.game().minibatches) == ("critics_last", 1)
    assert dataclasses.replace(NOISE, critic_steps=4).game().minibatches == 5
    with pytest.raises(ValueError, match="is none of algorithm_1, critics_first, critics_last"):
        dataclasses.replace(game, order="critics")
    with pytest.raises(ValueError, match="critic_steps=2 belongs to the order algorithm_1"):
        dataclasses.replace(game, critic_steps=2)


def test_a_generator_and_data_that_do_not_fit_are_refused():
    for generator, words in (
        (
            NOISE.generator.clone(size=16),
            "would see 16x16x1 of the generator and 8x8x1 of the data",
        ),
        (NOISE.generator.clone(channels=3), "would see 8x8x3 of the generator"),
    ):
        game = dataclasses.replace(NOISE, generator=generator).game()
        with pytest.raises(ValueError, match=words):
            jax.eval_shape(lambda game=game: init_state(game, TX, labelled(4), KEY))


# ------------------------------------------------------------------ SRGAN, SimGAN


@pytest.mark.slow  # two feature networks to compile
def test_srgan_is_the_sum_of_its_weighted_parts():
    small = SRResNet(width=2, blocks=1, norm="none", kernel_init=WIDE)
    recipe = SRGAN(
        small,
        SRGANCritic(width=1, units=2),
        pixel=2.0,
        content=0.5,
        adversarial=1e-3,
        layer="relu1_1",
    )
    batch = pairs(a=8, b=32)
    network = VGG(16, ("relu1_1",)).init(jax.random.key(3), jnp.zeros((1, 8, 8, 3)))
    game, before, _, metrics = one_step(recipe, batch, frozen=network)
    fake = apply(game.generator, before.g.params, {}, batch, None)[0]["fake_b"]
    np.testing.assert_allclose(metrics["pixel"], 2 * l2(fake, batch["b"]), rtol=1e-5)
    features = [
        VGG(16, ("relu1_1",)).apply(network, (x + 1) / 2)["relu1_1"] for x in (fake, batch["b"])
    ]
    np.testing.assert_allclose(
        metrics["content"], 0.5 * np.mean((features[0] - features[1]) ** 2), rtol=1e-4
    )
    assert set(metrics) >= {"gan", "d_real", "d_fake"}
    alone = one_step(dataclasses.replace(recipe, content=0.0, adversarial=0.0), batch)
    assert {name for name in alone[3] if not name.startswith("norm/")} == {"pixel"}
    assert alone[1].d.params == {}


def vgg(layer: str):
    """VGG-16 down to a layer, with weights that are drawn."""
    x, draw = jnp.zeros((1, 32, 32, 3)), np.random.default_rng(0)
    shapes = jax.eval_shape(VGG(16, (layer,)).init, jax.random.key(0), x)
    return jax.tree.map(lambda s: draw.uniform(0.1, 0.3, s.shape).astype(np.float32), shapes)


def test_vgg_16_stands_in_for_the_layers_of_vgg_19():
    network = vgg("relu3_3")
    x, y = (jax.random.uniform(jax.random.key(n), (1, 32, 32, 3), minval=-1) for n in range(2))
    distance = jax.jit(feature_distance, static_argnums=3)
    np.testing.assert_array_equal(
        distance(network, x, y, "relu3_4"), distance(network, x, y, "relu3_3")
    )
    assert distance(network, x, x, "relu3_3") == 0


@pytest.mark.parametrize("layer", ["", "relu1_2"])
def test_simgan_keeps_translations_near_their_inputs(layer):
    recipe, batch = dataclasses.replace(SIM, similarity=5.0, layer=layer), pairs()
    network = vgg("relu1_2")
    game, before, _, metrics = one_step(recipe, batch, frozen=network)
    fake = jax.jit(lambda p: apply(game.generator, p, {}, batch, None)[0]["fake_b"])(
        before.g.params
    )
    near = feature_distance(network, fake, batch["a"], layer) if layer else l1(fake, batch["a"])
    np.testing.assert_allclose(metrics["similarity"], 5 * near, rtol=1e-4)
    assert {name for name in metrics if not name.startswith("norm/")} == {
        "similarity",
        "gan",
        "d_real",
        "d_fake",
    }


@pytest.mark.parametrize(
    "recipe",
    [
        dataclasses.replace(PIX2PIX, adversarial=0.0, pixel=0.0),
        dataclasses.replace(PIX2PIX, pixel=-1.0),
        dataclasses.replace(PIX2PIX, content=-1.0),
        dataclasses.replace(PIX2PIX, content=1.0, content_layers=()),
        dataclasses.replace(SIM, adversarial=0.0),
        SRGAN(pixel=0.0),
    ],
)
def test_weights_that_make_no_game_are_refused(recipe):
    with pytest.raises(ValueError, match=r"must not be negative|must be above 0|must be a"):
        recipe.game()


def test_a_critic_that_moves_several_times_a_step_has_the_step_s_rate():
    recipe = dataclasses.replace(NOISE, critic_steps=3)
    over_after_one_step = Adam(StepDecay(1e-3, factor=0.0, every=1)).transformation(1)
    *_, metrics = one_step(recipe, labelled(8), over_after_one_step, over_after_one_step)
    assert metrics["norm/d_update"] > 1e-4  # of the last of its three turns
