"""The networks' exact sizes and fields of view, and what they refuse; test_parity.py has them
against PyTorch.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from imgtrans_jax.models.alexnet import AlexNet
from imgtrans_jax.models.dcgan import DCGANCritic, DCGANGenerator
from imgtrans_jax.models.dncnn import DnCNN
from imgtrans_jax.models.inception import Inception
from imgtrans_jax.models.layers import Kaiming, Normal, Orthogonal, Xavier
from imgtrans_jax.models.patchgan import PatchGAN, StrideOneCritic
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.models.srgan import SRGANCritic, SRResNet
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.models.vgg import VGG


def size(net: nn.Module, side: int = 64) -> int:
    variables = jax.eval_shape(
        lambda: net.init(jax.random.key(0), jnp.zeros((1, side, side, 3)), train=True)
    )
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(variables["params"]))


def test_parameter_counts_are_exact():
    assert size(ResNetGenerator(blocks=9)) == 11_378_179
    assert size(ResNetGenerator(blocks=6)) == 7_837_699
    assert size(PatchGAN()) == 2_764_737


@pytest.mark.parametrize(
    ("layers", "field"),
    [(0, 1), (1, 16), (2, 34), (3, 70), pytest.param(4, 142, marks=pytest.mark.slow), (5, 286)],
)
def test_the_field_of_view_of_one_logit_is_exact(layers: int, field: int):
    # Without norms: instance norm's statistics let every logit see a little of everything.
    critic = PatchGAN(width=1, layers=layers, norm="none", kernel_init=Normal(0.0, mean=1.0))
    side = max(2 * field, 8)
    x = jnp.ones((1, side, side, 3))
    variables = jax.jit(lambda: critic.init(jax.random.key(0), x, train=False))()
    logits = jax.eval_shape(lambda: critic.apply(variables, x, train=False))
    middle = logits.shape[1] // 2
    grad = jax.jit(
        jax.grad(lambda x: critic.apply(variables, x, train=False)[0, middle, middle, 0])
    )(x)
    rows, columns = np.nonzero(np.abs(np.asarray(grad[0])).sum(-1))
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (field, field)


FORMS = [
    (u, n) for u in ("transposed", "nearest", "bilinear") for n in ("instance", "batch", "none")
]


@pytest.mark.parametrize(
    ("upsample", "norm"),
    [
        *FORMS[::4],
        *(pytest.param(*form, marks=pytest.mark.slow) for form in FORMS if form not in FORMS[::4]),
    ],
)
def test_every_form_of_the_generator_keeps_the_size_and_the_range(upsample, norm):
    net = ResNetGenerator(width=2, blocks=1, upsample=upsample, norm=norm, dropout=0.5)
    x = jax.random.uniform(jax.random.key(0), (2, 12, 20, 3), minval=-1)
    keys = {"params": jax.random.key(1), "dropout": jax.random.key(2)}
    variables = jax.jit(lambda: net.init(keys, x, train=True))()
    y = np.asarray(jax.jit(lambda: net.apply(variables, x, train=False))())
    assert y.shape == x.shape
    assert y.dtype == np.float32
    assert np.abs(y).max() <= 1


@pytest.mark.parametrize(
    "kernel_init", [Normal(0.5), Xavier(), Kaiming(), Orthogonal(), nn.initializers.ones]
)
def test_any_initialiser_draws_the_kernels(kernel_init):
    net = PatchGAN(width=4, layers=1, kernel_init=kernel_init)
    x = jnp.zeros((1, 16, 16, 3))
    params = jax.jit(lambda: net.init(jax.random.key(0), x, train=False)["params"])()
    kernel = np.asarray(params["conv_1"]["kernel"])
    if kernel_init is nn.initializers.ones:
        assert (kernel == 1).all()
    elif isinstance(kernel_init, Normal):
        assert abs(kernel.std() - 0.5) < 0.05
    else:
        assert 0.01 < kernel.std() < 1


def test_bfloat16_keeps_float32_parameters_and_outputs():
    net = ResNetGenerator(width=4, blocks=1, dtype="bfloat16")
    x = jax.random.uniform(jax.random.key(0), (1, 16, 16, 3), minval=-1)
    variables = jax.jit(lambda: net.init(jax.random.key(1), x, train=False))()
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    exact_net = ResNetGenerator(width=4, blocks=1)
    y, exact = jax.jit(lambda: [n.apply(variables, x, train=False) for n in (net, exact_net)])()
    assert y.dtype == jnp.float32
    assert 0 < np.abs(y - exact).max() < 0.1


def test_sizes_that_do_not_fit_are_refused_with_a_sentence():
    with pytest.raises(ValueError, match="multiples of 4"):
        jax.eval_shape(
            lambda: ResNetGenerator().init(jax.random.key(0), jnp.zeros((1, 30, 32, 3)), train=True)
        )
    with pytest.raises(ValueError, match="24 pixels a side"):
        jax.eval_shape(
            lambda: PatchGAN().init(jax.random.key(0), jnp.zeros((1, 16, 64, 3)), train=True)
        )


def test_remat_keeps_less_and_changes_no_gradient():
    x = jax.random.uniform(jax.random.key(0), (1, 16, 16, 3), minval=-1)
    plain, remat = (
        ResNetGenerator(width=4, blocks=2, dropout=0.5, remat=flag) for flag in (False, True)
    )
    params = jax.jit(
        lambda: plain.init(
            {"params": jax.random.key(1), "dropout": jax.random.key(2)}, x, train=True
        )["params"]
    )()

    def gradient(module):
        def loss(params):
            return jnp.sum(
                jnp.sin(
                    module.apply(
                        {"params": params}, x, train=True, rngs={"dropout": jax.random.key(3)}
                    )
                )
            )

        kept = jax.tree.leaves(jax.eval_shape(lambda params: jax.vjp(loss, params)[1], params))
        return jax.jit(jax.grad(loss))(params), sum(x.size * x.dtype.itemsize for x in kept)

    (wanted, all_kept), (found, kept) = gradient(plain), gradient(remat)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), wanted, found)
    assert kept < 0.7 * all_kept


@pytest.mark.parametrize(
    "network",
    [
        ResNetGenerator(),
        UNet(),
        SRResNet(),
        DnCNN(),
        PatchGAN(),
        StrideOneCritic(),
        SRGANCritic(),
        VGG(),
        AlexNet(),
        Inception(),
    ],
    ids=lambda network: type(network).__name__,
)
@pytest.mark.usefixtures("unchecked")
def test_one_picture_without_the_axis_of_a_batch_is_told_so(network):
    picture = jnp.zeros((64, 64, 3))
    training = () if isinstance(network, (VGG, AlexNet, Inception)) else (True,)
    with pytest.raises(ValueError, match=r"shape \(64, 64, 3\): of one picture make a batch"):
        jax.eval_shape(lambda key: network.init(key, picture, *training), jax.random.key(0))


@pytest.mark.usefixtures("unchecked")
def test_latents_and_conditional_critics_are_told_so_too():
    for network, given in (
        (DCGANGenerator(), (jnp.zeros((100,)), True)),
        (DCGANCritic(), (jnp.zeros((64, 64, 3)), None, True)),
    ):
        with pytest.raises(ValueError, match=r"take.* \(N, .* shape \("):
            network.init(jax.random.key(0), *given)
    with pytest.raises(ValueError, match="1 or 3 channels; these have 4"):
        VGG().init(jax.random.key(0), jnp.zeros((1, 64, 64, 4)))
