"""CUT through the shared step; its trajectory against PyTorch's is in test_trajectories.py."""

import dataclasses
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.data.datasets import Mixed, Paired, Unpaired
from imgtrans_jax.engine.game import apply
from imgtrans_jax.engine.state import init_state
from imgtrans_jax.engine.step import gan_step
from imgtrans_jax.losses import patch_nce, pyramid_l1
from imgtrans_jax.methods.cut import CUT, Contrast
from imgtrans_jax.methods.simgan import SimGAN
from imgtrans_jax.models import Normal, PatchGAN, PatchHeads, ResNetGenerator, UNet
from imgtrans_jax.optim.adam import Transformations
from imgtrans_jax.training.checks import check_config
from imgtrans_jax.types import UserError

TX = Transformations(optax.sgd(0.05), optax.sgd(0.05))
SMALL = CUT(
    generator=ResNetGenerator(width=2, blocks=2, kernel_init=Normal(0.3)),
    critic=PatchGAN(width=2, layers=1, kernel_init=Normal(0.3)),
    heads=PatchHeads(8, Normal(0.5)),
    taps=("input", "down_1", "block_1"),
    patches=12,
)
KEYS = jax.random.split(jax.random.key(0))
BATCH = {
    s: jax.random.uniform(k, (2, 16, 16, 3), minval=-1) for s, k in zip("ab", KEYS, strict=True)
}


def started(recipe):
    game = recipe.game()
    return game, jax.jit(lambda: init_state(game, TX, BATCH, jax.random.key(1)))()


def test_heads_of_the_authors_maps_have_as_many_parameters_as_theirs():
    maps = [jnp.zeros((1, 4, 4, c)) for c in (3, 128, 256, 256, 256)]
    made = jax.eval_shape(
        lambda: PatchHeads().init(jax.random.key(0), maps, [jnp.arange(3)] * len(maps))
    )
    assert sum(x.size for x in jax.tree.leaves(made)) == 560_384


def test_heads_are_two_layers_and_length_1():
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4))
    places = jnp.array([0, 7, 14])
    module = PatchHeads(6, Normal(0.5))
    params = module.init(jax.random.key(0), [jnp.float32(x)], [places])
    found: Any = module.apply(params, [jnp.float32(x)], [places])
    first, second = (jax.tree.map(np.float64, params["params"][f"mlp_0_{i}"]) for i in range(2))
    chosen = x.reshape(2, 15, 4)[:, [0, 7, 14]]
    y = np.maximum(chosen @ first["kernel"] + first["bias"], 0) @ second["kernel"] + second["bias"]
    np.testing.assert_allclose(found[0], y / np.linalg.norm(y, axis=-1, keepdims=True), atol=1e-5)
    # nothing has no direction, and a gradient of 0
    nothing = jnp.zeros((1, 2, 2, 4))
    slope = jax.grad(lambda x: module.apply(params, [x], [jnp.arange(4)])[0].sum())(nothing)
    assert np.isfinite(slope).all()


def test_maps_are_those_on_the_way_to_the_picture():
    net, x = SMALL.generator, BATCH["a"]
    params = net.init(jax.random.key(0), x, False)
    params["params"]["down_1"]["bias"] += 0.5
    maps = net.apply(params, x, False, net.map_names)
    names = "input", "down_0", "down_1", "block_0", "block_1", "image"
    assert tuple(maps) == net.map_names == names
    np.testing.assert_allclose(maps["image"], net.apply(params, x, False), atol=1e-6)
    np.testing.assert_array_equal(maps["input"][:, 3:-3, 3:-3], x)
    np.testing.assert_array_equal(maps["input"][:, 2], maps["input"][:, 4])
    assert [maps[n].shape for n in ("down_0", "down_1")] == [(2, 8, 8, 4), (2, 4, 4, 8)]
    _, seen = net.apply(params, x, False, capture_intermediates=True, mutable=["intermediates"])
    for name in ("block_0", "block_1", "down_0"):  # the bias of down_0 is 0
        (whole,) = seen["intermediates"][name]["__call__"]
        np.testing.assert_allclose(maps[name], whole, atol=1e-5)
    # what is before a norm has the bias that the norm takes away
    less = dict(params["params"], down_1=dict(params["params"]["down_1"], bias=jnp.zeros(8)))
    without = net.apply({"params": less}, x, False, ("down_1", "block_0"))
    np.testing.assert_allclose(maps["down_1"] - without["down_1"], 0.5, atol=1e-5)
    np.testing.assert_allclose(maps["block_0"], without["block_0"], atol=1e-5)
    with pytest.raises(ValueError, match="no layer 'block_2'"):
        net.apply(params, x, False, ("block_2",))


@pytest.mark.parametrize("remat", [True, False])
def test_gradients_of_maps_are_alike_with_remat_and_without(remat):
    net = SMALL.generator.clone(remat=remat)
    params = net.init(jax.random.key(0), BATCH["a"], False)

    def loss(params, net):
        maps = net.apply(params, BATCH["a"], True, SMALL.taps)
        return sum(jnp.sum(jnp.sin(x)) for x in maps.values())

    plain = jax.grad(loss)(params, net.clone(remat=False))
    for found, wanted in zip(
        *map(jax.tree.leaves, (jax.grad(loss)(params, net), plain)), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"nce": 10.0, "identity": False, "equivariant": True},
        {"nce": 0.0, "supervised": 3.0, "adaptive": 0.5, "pyramid": 2.0},
        {"nce": 0.0, "equivariant": True, "supervised": 3.0, "adaptive": 0.5, "pyramid": 2.0},
    ],
)
@pytest.mark.parametrize("mirrored", [False, True])
def test_terms_are_those_of_the_maps(changes, mirrored):
    recipe = dataclasses.replace(SMALL, **changes)
    mirrored &= recipe.equivariant
    game, state = started(recipe)
    places = [jnp.arange(12) * 5, jnp.arange(12), jnp.arange(12)[::-1]]
    with (
        mock.patch.object(Contrast, "_mirrored", return_value=jnp.array(mirrored)),
        mock.patch.object(Contrast, "_places", side_effect=places * 2),
    ):
        samples, _ = apply(game.generator, state.g.params, {}, BATCH, jax.random.key(5))

    def net(x, *taps):
        return recipe.generator.apply({"params": state.g.params["g"]}, x, True, *taps)

    def turn(x):
        return x[:, :, ::-1] if mirrored else x

    fake = net(turn(BATCH["a"]))
    np.testing.assert_allclose(samples["fake_b"], fake, atol=1e-5)

    def compared(made, source, *adaptive):
        of = [[net(x, recipe.taps)[name] for name in recipe.taps] for x in (made, source)]
        q, k = (
            recipe.heads.apply({"params": state.g.params["heads"]}, maps, places)
            for maps in ([turn(x) for x in of[0]], of[1])
        )
        return np.mean([patch_nce(*pair, 0.07, *adaptive) for pair in zip(q, k, strict=True)])

    logits = {"d": jnp.full((2, 3, 3, 1), 0.25)}
    terms = game.g_objective(BATCH, samples, logits, None)
    wanted = {"gan": 0.75**2}
    if recipe.nce:
        share = 0.5 if recipe.identity else 1.0
        wanted["nce"] = share * recipe.nce * compared(fake, BATCH["a"])
    if recipe.nce and recipe.identity:
        wanted["nce_identity"] = 0.5 * recipe.nce * compared(net(BATCH["b"]), BATCH["b"])
    if recipe.supervised:
        wanted["supervised"] = 3 * compared(fake, BATCH["b"], 0.5)
        # the partner is not mirrored
        wanted["pyramid"] = 2 * pyramid_l1(turn(fake), BATCH["b"])
    assert terms.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(terms[name], value, rtol=1e-4, err_msg=name)


def test_nothing_is_learned_through_the_keys_and_the_heads_learn():
    game, state = started(SMALL)

    def loss(params, key):
        samples, _ = apply(game.generator, params, {}, BATCH, jax.random.key(5))
        return sum(jnp.sum(x) for name, x in samples.items() if name.startswith(f"{key}_"))

    slopes = jax.grad(loss)(state.g.params, "k")
    assert all(not np.any(x) for x in jax.tree.leaves(slopes))
    after, terms = jax.jit(lambda s: gan_step(game, TX, s, BATCH, None, jax.random.key(2)))(state)
    assert set(terms) > {"gan", "nce", "nce_identity", "d_real", "d_fake"}
    moved = jax.tree.map(lambda x, y: float(jnp.abs(x - y).max()), after.g.params, state.g.params)
    assert min(jax.tree.leaves(moved["heads"])) > 0
    assert moved["g"]["head"]["kernel"] > 0
    assert after.g.params["g"]["tail"]["kernel"].shape == (7, 7, 2, 3)


def test_places_are_the_same_for_all_pictures_and_others_in_every_map_and_step():
    game, state = started(dataclasses.replace(SMALL, identity=False))
    both = {name: jnp.concatenate([x[:1], x[:1]]) for name, x in BATCH.items()}
    drawn = [
        apply(game.generator, state.g.params, {}, both, jax.random.key(i))[0]["k_a_0"]
        for i in range(2)
    ]
    np.testing.assert_allclose(drawn[0][0], drawn[0][1], atol=1e-6)
    assert float(jnp.abs(drawn[0] - drawn[1]).max()) > 1e-2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"nce": -1.0}, "must not be negative"),
        ({"nce": 0.0, "adversarial": 0.0}, "all be 0"),
        ({"temperature": 0.0}, "temperature"),
        ({"adaptive": 1.5}, "adaptive"),
        ({"patches": 1}, "2 patches"),
        ({"taps": ()}, "a layer in taps"),
        ({"taps": ("block_7",)}, "no layer 'block_7'"),
        ({"generator": UNet()}, "a UNet has no"),
    ],
)
def test_numbers_that_make_no_training_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(SMALL, **changes).game()


@pytest.mark.parametrize("data", [Unpaired(), Mixed()])
@pytest.mark.parametrize("changes", [{"supervised": 1.0}, {"pyramid": 1.0}])
def test_partners_are_not_compared_where_there_are_none(data, changes):
    recipe = dataclasses.replace(SMALL, **changes)
    with pytest.raises(UserError, match="not all pictures have one; take Paired"):
        check_config(Experiment(data=data, recipe=recipe))
    check_config(Experiment(data=Paired(), recipe=recipe))
    check_config(Experiment(data=data, recipe=SMALL))


@pytest.mark.parametrize("recipe", [SMALL, SimGAN(SMALL.generator, SMALL.critic)])
def test_some_rows_are_compared_with_their_partners(recipe):
    weighted = dataclasses.replace(recipe, paired=3.0)
    b, made = (
        jax.random.normal(key, (2, 16, 16, 3)) for key in jax.random.split(jax.random.key(7))
    )
    batch, samples = {"a": b, "b": b}, {"fake_b": made, "aligned_b": made}
    some = batch | {"paired": jnp.array([0.0, 1.0])}
    found = weighted._partner(some, samples, {}, None)["paired"]
    np.testing.assert_allclose(found, 3 * np.abs(made[1] - b[1]).mean() / 2, rtol=1e-5)
    assert recipe._partner(batch, samples, {}, None) == {}
    with pytest.raises(ValueError, match=r"config\.data must be Mixed"):
        weighted._partner(batch, samples, {}, None)
    with pytest.raises(ValueError, match="negative"):
        dataclasses.replace(recipe, paired=-1.0).game()
