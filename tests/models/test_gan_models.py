"""The networks of pix2pix, GAN, SRGAN and the van Gogh CycleGAN: against PyTorch, and their exact
sizes and fields of view.
"""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imgtrans_jax.losses.adversarial import gradient_penalty
from imgtrans_jax.models.dcgan import DCGANCritic, DCGANGenerator
from imgtrans_jax.models.dncnn import DnCNN
from imgtrans_jax.models.layers import Normal
from imgtrans_jax.models.patchgan import PatchGAN, StrideOneCritic
from imgtrans_jax.models.srgan import SRGANCritic, SRResNet, enlarged, pixel_shuffle
from imgtrans_jax.models.unet import UNet

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "gan.npz", allow_pickle=False)
KEYS = {"params": jax.random.key(0), "dropout": jax.random.key(1)}


def started(net, *inputs):
    """The network's variables, drawn for these inputs."""
    return jax.jit(lambda: net.init(KEYS, *inputs, True))()


def golden(name: str, kind: str) -> dict:
    """The golden weights (`params`) or their gradients (`grads`) as a tree."""
    tree: dict = {}
    for key in GOLDEN:
        if key.startswith(f"{name}/{kind}/"):
            *path, leaf = key.split("/")[2:]
            here = tree
            for part in path:
                here = here.setdefault(part, {})
            here[leaf] = jnp.asarray(GOLDEN[key])
    return tree


@pytest.mark.parametrize(
    ("name", "net"),
    [
        ("unet", UNet(width=2, levels=5, dropout=0.0)),
        ("dncnn", DnCNN(width=4, depth=2)),
        ("stride_one", StrideOneCritic(widths=(3, 4))),
        ("srresnet", SRResNet(width=4, blocks=2)),
    ],
)
def test_networks_and_their_gradients_are_pytorch_s(name, net):
    x, params = jnp.asarray(GOLDEN[f"{name}/input"]), golden(name, "params")
    shapes = jax.eval_shape(lambda: net.init(KEYS, x, True))
    assert jax.tree.map(lambda p: p.shape, shapes["params"]) == jax.tree.map(
        lambda p: p.shape, params
    )

    def loss(params, x):
        y, _ = net.apply(
            {"params": params, "batch_stats": zeros}, x, True, rngs=KEYS, mutable=["batch_stats"]
        )
        return jnp.sum(y**2), y

    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape), shapes.get("batch_stats", {}))
    (_, y), (of_params, of_x) = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))(
        params, x
    )
    np.testing.assert_allclose(y, GOLDEN[f"{name}/output"], atol=2e-5)
    np.testing.assert_allclose(
        of_x, GOLDEN[f"{name}/input_grad"], atol=3e-4 * np.abs(GOLDEN[f"{name}/input_grad"]).max()
    )
    wanted = golden(name, "grads")
    for where, got in jax.tree.leaves_with_path(of_params):
        want = wanted
        for key in where:
            want = want[key.key]
        # A bias before a norm has no gradient but rounding.
        np.testing.assert_allclose(
            got, want, atol=3e-4 * max(np.abs(want).max(), 1.0), err_msg=str(where)
        )


def test_dcgan_s_critic_is_pytorch_s():
    net, x = DCGANCritic(width=4, norm="none"), jnp.asarray(GOLDEN["dcgan_critic/input"])
    y = net.apply({"params": golden("dcgan_critic", "params")}, x, None, True)
    np.testing.assert_allclose(y, GOLDEN["dcgan_critic/output"], atol=1e-5)


def test_the_gradient_penalty_and_its_gradients_are_pytorch_s():
    net, x = DCGANCritic(width=4, norm="none"), jnp.asarray(GOLDEN["penalty/input"])

    def penalty(params):
        def judge(views):
            return {"d": net.apply({"params": params}, views["d"], None, True)}

        # Real and fake are the same, so that every point between them is that image.
        return gradient_penalty(judge, {"d": x}, {"d": x}, jax.random.key(0))

    params = golden("penalty", "params")
    value, grads = jax.jit(jax.value_and_grad(penalty))(params)
    np.testing.assert_allclose(value, GOLDEN["penalty/output"], rtol=1e-5)
    for got, want in zip(
        jax.tree.leaves(grads), jax.tree.leaves(golden("penalty", "grads")), strict=True
    ):
        np.testing.assert_allclose(got, want, atol=1e-5)


# ------------------------------------------------------------------ sizes


def count(net, *inputs) -> int:
    shapes = jax.eval_shape(lambda: net.init(KEYS, *inputs, True))["params"]
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


@pytest.mark.parametrize(
    ("net", "shape", "parameters"),
    [
        (UNet(), (1, 256, 256, 3), 54_413_955),
        (UNet(levels=7), (1, 128, 128, 3), 41_828_995),
        (PatchGAN(norm="batch"), (1, 256, 256, 6), 2_768_705),
        (DnCNN(), (1, 64, 64, 3), 225_859),
        (StrideOneCritic(), (1, 64, 64, 3), 749_824),
        (SRResNet(), (1, 24, 24, 3), 1_548_547),
    ],
)
def test_parameters_are_counted(net, shape, parameters):
    assert count(net, jnp.zeros(shape)) == parameters


def test_the_u_net_has_the_paper_s_channels():
    shapes = jax.eval_shape(lambda: UNet().init(KEYS, jnp.zeros((1, 256, 256, 3)), True))["params"]
    assert [shapes[f"down_{i}"]["kernel"].shape[3] for i in range(8)] == [
        64,
        128,
        256,
        512,
        512,
        512,
        512,
        512,
    ]
    # Counted after the skip connection, as the paper does: what the next layer up takes.
    assert [shapes[f"up_{i}"]["kernel"].shape[2] for i in range(6, -1, -1)] == [
        1024,
        1024,
        1024,
        1024,
        512,
        256,
        128,
    ]


def test_dropout_is_in_the_paper_s_three_levels_and_is_the_noise():
    net, x = UNet(width=1), jax.random.normal(jax.random.key(0), (1, 256, 256, 3))
    variables = started(net, x)
    text = str(
        jax.make_jaxpr(
            lambda v, key: net.apply(v, x, True, rngs={"dropout": key}, mutable=["batch_stats"])
        )(variables, jax.random.key(0))
    )
    assert text.count("random_bits") == 3

    @functools.partial(jax.jit, static_argnums=1)
    def run(seed, train):
        return net.apply(
            variables, x, train, rngs={"dropout": jax.random.key(seed)}, mutable=["batch_stats"]
        )[0]

    assert np.abs(run(0, True) - run(1, True)).max() > 1e-4
    np.testing.assert_array_equal(run(0, False), run(1, False))


# ------------------------------------------------------------------ fields of view


# test_models.py has the fields of all depths
@pytest.mark.parametrize(("layers", "field"), [(1, 16), (3, 70)])
def test_a_patch_of_the_conditional_critic_sees_its_field(layers, field):
    side = max(2 * field // 32 * 32, 32) + 64
    net = PatchGAN(width=1, layers=layers, norm="none", kernel_init=Normal(0.1, mean=0.3))
    x = jnp.ones((1, side, side, 6))
    params = started(net, x)
    rows = jax.eval_shape(lambda: net.apply(params, x, True)).shape[1]
    seen = jax.jit(jax.grad(lambda x: net.apply(params, x, True)[0, rows // 2, rows // 2, 0]))(x)[0]
    across = np.flatnonzero(np.abs(seen).sum((0, 2)))
    assert across[-1] - across[0] + 1 == field
    assert np.abs(seen).sum((0, 1)).min() > 0  # both pictures of the pair


def test_a_logit_of_the_stride_one_critic_sees_eleven_pixels():
    # Instance norm reaches the whole map, so that the field is that of the convolutions, where the
    # gradient jumps.
    net, x = (
        StrideOneCritic(widths=(2, 2, 2, 2)),
        jax.random.normal(jax.random.key(0), (1, 31, 31, 3)),
    )
    params = started(net, x)
    assert jax.eval_shape(lambda: net.apply(params, x, True)).shape == (1, 31 * 31)
    middle = 31 * 15 + 15
    slope = jax.jit(jax.grad(lambda x: net.apply(params, x, True)[0, middle]))(x)
    seen = np.abs(slope[0]).sum(2)
    inside = seen[10:21, 10:21]
    outside = seen.copy()
    outside[10:21, 10:21] = 0
    assert min(inside[0].max(), inside[-1].max(), inside[:, 0].max(), inside[:, -1].max()) > 0
    assert outside.mean() < 0.05 * inside.mean()


# ------------------------------------------------------------------ pieces


def test_pixel_shuffle_by_hand():
    x = jnp.arange(2 * 3 * 8.0).reshape(1, 2, 3, 8)
    y = np.zeros((1, 4, 6, 2))
    for h in range(2):
        for w in range(3):
            for c in range(2):
                for i in range(2):
                    for j in range(2):
                        y[0, 2 * h + i, 2 * w + j, c] = x[0, h, w, 4 * c + 2 * i + j]
    np.testing.assert_array_equal(pixel_shuffle(x, 2), y)


def test_srresnet_starts_as_the_filter_that_it_is_added_to():
    x = jax.random.uniform(jax.random.key(0), (1, 8, 9, 3), minval=-1)
    net = SRResNet(width=4, blocks=1, norm="none", skip=True)
    y = jax.jit(lambda: net.apply(net.init(KEYS, x, True), x, False))()
    assert y.shape == (1, 32, 36, 3)
    assert np.abs(y - enlarged(x, 4)).mean() < 0.02


@pytest.mark.parametrize("size", [8, 16, 64])
def test_dcgan_makes_its_size_and_a_condition_reaches_both(size):
    net, z = (
        DCGANGenerator(size=size, width=2, channels=1),
        jax.random.normal(jax.random.key(0), (3, 5)),
    )
    pictures, _ = jax.jit(lambda: net.init_with_output(KEYS, z, True))()
    assert pictures.shape == (3, size, size, 1)
    assert np.abs(pictures).max() < 1
    critic = DCGANCritic(width=2)
    params = started(critic, pictures, jnp.eye(3))
    judge = jax.jit(lambda classes: critic.apply(params, pictures, classes, False))
    logits = [judge(jnp.roll(jnp.eye(3), n, 0)) for n in (0, 1)]
    assert logits[0].shape == (3, 1, 1, 1)
    assert np.abs(logits[0] - logits[1]).max() > 0


def test_sizes_that_cannot_be_are_refused():
    for net, inputs, words in (
        (UNet(), (jnp.zeros((1, 200, 256, 3)),), "multiples of 256; this is 200x256"),
        (UNet(levels=1), (jnp.zeros((1, 64, 64, 3)),), "cannot be built"),
        (DCGANGenerator(size=20), (jnp.zeros((1, 4)),), "20 is none of them"),
        (DCGANCritic(), (jnp.zeros((1, 8, 16, 1)), None), "square pictures"),
        (UNet(levels=3, norm="instance"), (jnp.zeros((1, 8, 8, 3)),), None),
        (SRGANCritic(width=1, units=2), (jnp.zeros((2, 32, 32, 3)),), None),
    ):
        if words is None:
            jax.eval_shape(lambda net=net, inputs=inputs: net.init(KEYS, *inputs, True))
        else:
            with pytest.raises(ValueError, match=words):
                jax.eval_shape(lambda net=net, inputs=inputs: net.init(KEYS, *inputs, True))
