"""Feed-forward style transfer: its losses written out, its looks, and that a network learns one."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.datasets import OneDomain
from imgtrans_jax.data.looks import read_look
from imgtrans_jax.engine.state import init_state
from imgtrans_jax.engine.step import gan_step
from imgtrans_jax.inference.generator import TrainedGenerator
from imgtrans_jax.inference.translator import Translation
from imgtrans_jax.losses import gaussians, style
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.methods.fast_style import FastStyle, Look
from imgtrans_jax.models.style_network import StyleNetwork
from imgtrans_jax.models.vgg import VGG
from imgtrans_jax.optim.adam import Transformations
from imgtrans_jax.types import UserError

SHALLOW = FastStyle(
    looks=(Look("mosaic", size=32), Look("woodcut", size=32, strength=3.0)),
    generator=StyleNetwork(width=4, blocks=1, looks=2),
    content_layer="relu1_2",
    style_layers=("relu1_1", "relu1_2"),
)
PICTURES = jax.random.uniform(jax.random.key(1), (3, 16, 16, 3), minval=-1, maxval=1)


@pytest.fixture(scope="module")
def network():
    return VGG(16, ("relu1_2",)).init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)))


def features(network, signed):
    return VGG(16, SHALLOW.style_layers).apply(network, (signed + 1) / 2)


@pytest.mark.parametrize("loss", [style.style_relative, gaussians.style_wasserstein])
def test_a_picture_s_terms_are_those_of_its_look(network, loss):
    recipe = dataclasses.replace(SHALLOW, style_loss=loss, content=0.5, style=2.0, variation=0.1)
    frozen = recipe.frozen(network, read_look)
    looks = jax.nn.one_hot(jnp.array([0, 1, 1]), 2)
    made = jax.random.uniform(jax.random.key(2), PICTURES.shape, minval=-1, maxval=1)
    samples = {"fake_b": made, "looks": looks}
    terms = recipe.game().g_objective({"a": PICTURES}, samples, {}, frozen)
    of, target = gaussians.statistic(loss)
    expected = []
    for number, look in enumerate((0, 1, 1)):
        wanted = features(network, 2 * jnp.asarray(read_look("", recipe.looks[look].name, 32)) - 1)
        found = features(network, made[number : number + 1])
        each = [
            loss(of(found[layer]), target(of(w)) / (w.shape[1] * w.shape[2]) * m, m)
            for layer, w in wanted.items()
            for m in [found[layer].shape[1] * found[layer].shape[2]]
        ]
        expected.append(recipe.looks[look].strength * np.mean(each))
    np.testing.assert_allclose(terms["style"], 2.0 * np.mean(expected), rtol=1e-3)
    near = style.content_relative(
        features(network, made)["relu1_2"], features(network, PICTURES)["relu1_2"]
    )
    np.testing.assert_allclose(terms["content"], 0.5 * near, rtol=1e-5)
    rough = style.mean_variation((made + 1) / 2)
    np.testing.assert_allclose(terms["variation"], 0.1 * rough, rtol=1e-5)


def test_features_in_bfloat16_give_nearly_the_same_terms(network):
    looks = jax.nn.one_hot(jnp.array([0, 1, 1]), 2)
    samples = {"fake_b": PICTURES[::-1], "looks": looks}
    frozen = SHALLOW.frozen(network, read_look)
    exact, rounded = (
        dataclasses.replace(SHALLOW, feature_dtype=kind)
        .game()
        .g_objective({"a": PICTURES}, samples, {}, frozen)
        for kind in ("float32", "bfloat16")
    )
    for name, term in exact.items():
        assert rounded[name].dtype == jnp.float32
        assert 0 < abs(float(rounded[name] - term)) < 0.02 * float(term)


def test_a_network_learns_its_looks_and_tells_them_apart(network):
    recipe = dataclasses.replace(SHALLOW, content=0.0, style_layers=("relu1_1",))
    frozen = recipe.frozen(network, read_look)
    adam = optax.adam(0.01)
    game, tx = recipe.game(), Transformations(adam, adam)
    batch = {"a": PICTURES}
    state = init_state(game, tx, batch, jax.random.key(3))
    step = jax.jit(lambda s: gan_step(game, tx, s, batch, frozen, jax.random.key(4)))
    losses = []
    for _ in range(25):
        state, metrics = step(state)
        losses.append(float(metrics["style"]))
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])
    made = recipe.samples(state.g.params, {}, batch)
    assert list(made) == ["mosaic", "woodcut"]
    assert float(jnp.abs(made["mosaic"] - made["woodcut"]).mean()) > 0.05


def test_a_look_is_added_by_its_own_numbers_alone(network):
    gone = Look("gone", "nowhere.jpg")  # of looks that stay nothing is read
    looks = (gone, SHALLOW.looks[1])
    recipe = dataclasses.replace(
        SHALLOW, looks=looks, learned=("woodcut",), style_layers=("relu1_1",)
    )
    frozen, adam = recipe.frozen(network, read_look), optax.adam(0.01)
    game, tx = recipe.game(), Transformations(adam, adam)
    before = init_state(game, tx, {"a": PICTURES}, jax.random.key(3))
    after, _ = jax.jit(lambda s: gan_step(game, tx, s, {"a": PICTURES}, frozen, jax.random.key(4)))(
        before
    )
    changed = jax.tree_util.tree_map_with_path(
        lambda path, x, y: (path[-2].key.endswith("_norm"), np.asarray(x != y)),
        before.g.params,
        after.g.params,
    )
    leaves = jax.tree.leaves(changed, is_leaf=lambda leaf: isinstance(leaf, tuple))
    for of_norm, where in leaves:
        assert not (where[0] if of_norm else where).any()
        assert where[1].all() or not of_norm
    with pytest.raises(ValueError, match="no look 'chalk' to learn; there are mosaic, woodcut"):
        dataclasses.replace(SHALLOW, learned=("chalk",)).game()


def test_looks_are_chosen_and_mixed_by_name():
    game = SHALLOW.game()
    key = jax.random.key(5)
    variables = game.generator.init({"params": key, "latent": key}, {"a": PICTURES}, True)
    params = variables["params"]
    # the looks' own numbers start alike: make them differ
    params = jax.tree.map(
        lambda x: x + (jnp.arange(2)[:, None] if x.ndim == 2 else 0) * 0.5, params
    )
    made = SHALLOW.samples(params, {}, {"a": PICTURES})
    for look, expected in (("", "mosaic"), ("woodcut", "woodcut"), ("mosaic:2", "mosaic")):
        recipe = dataclasses.replace(SHALLOW, look=look)
        one = recipe.translate(params, {}, PICTURES, "a2b")
        np.testing.assert_allclose(one, made[expected], atol=1e-5)
    mixed = dataclasses.replace(SHALLOW, look="mosaic:1, woodcut:3")
    np.testing.assert_allclose(mixed.mixture(), [0.25, 0.75])
    between = mixed.translate(params, {}, PICTURES, "a2b")
    assert all(float(jnp.abs(between - one).max()) > 1e-3 for one in made.values())


@pytest.mark.parametrize(
    ("look", "sentence"),
    [
        ("wave", "There is no look 'wave'; there are mosaic, woodcut."),
        ("mosaic:much", "'much' is no number"),
        ("mosaic:-1, woodcut:2", "0 or more"),
        ("mosaic:0", "not all 0"),
        ("mosaic:nan", "0 or more"),
    ],
)
def test_a_mixture_that_there_is_not_is_refused(look, sentence):
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(SHALLOW, look=look).mixture()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"looks": ()}, "one or more"),
        ({"looks": (Look("chalk"), Look("chalk"))}, "name of its own"),
        ({"looks": (Look("a,b"), Look("chalk"))}, "cannot be called 'a,b'"),
        ({"looks": (Look("input"), Look("chalk"))}, "cannot be called 'input'"),
        ({"looks": (Look(""), Look("chalk"))}, "cannot be called ''"),
        ({"looks": (Look("mosaic", strength=float("nan")), Look("chalk"))}, "strengths"),
        ({"looks": (Look("mosaic", size=0), Look("chalk"))}, "32 pixels or more"),
        ({"style_layers": ()}, "a style layer"),
        ({"looks": (Look("chalk"),)}, "looks=2"),
        ({"content": -1.0}, "negative"),
        ({"style": 0.0}, "style"),
    ],
)
def test_numbers_that_make_no_training_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(SHALLOW, **changes).game()


def test_looks_are_taken_over_by_their_names():
    """Another order, one look less, one new, which begins with the mean of those before."""
    game, key = SHALLOW.game(), jax.random.key(7)
    params = game.generator.init({"params": key, "latent": key}, {"a": PICTURES}, True)["params"]
    params = jax.tree.map(lambda x: x + (jnp.arange(2)[:, None] if x.ndim == 2 else 0), params)
    made = SHALLOW.samples(params, {}, {"a": PICTURES})
    other = dataclasses.replace(
        SHALLOW,
        looks=(Look("new"), SHALLOW.looks[1], SHALLOW.looks[0]),
        generator=StyleNetwork(width=4, blocks=1, looks=3),
    )
    again = other.samples(other.adopted(params, SHALLOW), {}, {"a": PICTURES})
    for name in made:
        np.testing.assert_allclose(again[name], made[name], atol=1e-5)
    mixed = dataclasses.replace(SHALLOW, look="mosaic, woodcut")
    np.testing.assert_allclose(
        again["new"], mixed.translate(params, {}, PICTURES, "a2b"), atol=1e-5
    )
    assert other.adopted(params, CycleGAN()) is params


def test_a_trained_network_translates_in_the_look_that_is_asked_for():
    """Whole and in tiles, at any size."""
    game = SHALLOW.game()
    key = jax.random.key(6)
    params = game.generator.init({"params": key, "latent": key}, {"a": PICTURES}, True)["params"]
    params = jax.tree.map(lambda x: x + (jnp.arange(2)[:, None] if x.ndim == 2 else 0), params)
    loaded = TrainedGenerator(Experiment(OneDomain(), SHALLOW), params, {}, {"a": [1, 16, 16, 3]})
    x = np.asarray(jax.random.uniform(key, (1, 150, 170, 3), minval=-1, maxval=1))
    mixed = Translation(loaded, look="mosaic:0.5, woodcut:0.5")
    whole = mixed.padded(x)
    assert whole.shape == x.shape
    np.testing.assert_allclose(mixed.padded(x, tile=96), whole, atol=2e-4)
    assert np.abs(whole - Translation(loaded).padded(x)).max() > 0.01
    with pytest.raises(UserError, match="There is no look 'wave'; there are mosaic, woodcut"):
        Translation(loaded, look="wave")
    other = dataclasses.replace(loaded, experiment=Experiment())
    with pytest.raises(UserError, match="A CycleGAN run has no `look`; leave it out"):
        Translation(other, look="wave")
    with pytest.raises(UserError, match=r"`look` is \['a'\]; it must be a text"):
        Translation(loaded, look=["a"])
