"""Networks against arrays made by PyTorch (tests/golden/make_torch_golden.py), and their exact sizes and fields of view."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from imgtrans_jax.models.layers import Kaiming, Normal, Orthogonal, Xavier
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "torch.npz", allow_pickle=False)
RESNET_ORDER = ["head", "down_0", "down_1", "block_0", "block_1", "up_0", "up_1", "tail"]


def golden_params(name: str, net: nn.Module, suffix: str = "") -> dict:
    """The golden weights (or, with `_grad`, their gradients) in the form of the net's own parameters."""
    shapes = jax.eval_shape(lambda: net.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=True))["params"]
    names = ordered(shapes, net)
    layers = sorted({int(key.split("/")[1]) for key in GOLDEN if key.startswith(f"{name}/") and key.split("/")[1].isdigit()})
    assert len(layers) == len(names)
    params: dict = {}
    for number, path in zip(layers, names, strict=True):
        here = params
        for part in path[:-1]:
            here = here.setdefault(part, {})
        wanted = shapes
        for part in path:
            wanted = wanted[part]
        kernel = {"scale": "weight"} if "scale" in wanted else {"kernel": "weight"}
        here[path[-1]] = {field: jnp.asarray(GOLDEN[f"{name}/{number}/{kernel.get(field, field)}{suffix}"]) for field in wanted}
        for field, value in here[path[-1]].items():
            assert value.shape == wanted[field].shape
    return params


def ordered(shapes: dict, net: nn.Module) -> list[tuple[str, ...]]:
    """The paths of the layers with parameters, from input to output."""
    if isinstance(net, PatchGAN):
        return [(name,) for name in ["conv_0", "conv_1", "conv_2", "conv_3", "logits"]]
    paths = []
    for name in RESNET_ORDER:
        if name.startswith("block"):
            for part in ("conv_0", "norm_0", "conv_1", "norm_1"):
                if part in shapes.get(name, {}):
                    paths.append((name, part, "batch") if part.startswith("norm") else (name, part))
        elif name in shapes:
            paths.append((name,))
            if f"{name}_norm" in shapes:
                paths.append((f"{name}_norm", "batch"))
    return paths


@pytest.mark.parametrize(
    ("name", "net"),
    [
        ("resnet", ResNetGenerator(width=4, blocks=2)),
        ("resnet_batch", ResNetGenerator(width=4, blocks=1, norm="batch")),
        ("patchgan", PatchGAN(width=4)),
    ],
)
def test_outputs_and_gradients_are_those_of_pytorch(name: str, net: nn.Module):
    params = golden_params(name, net)
    x = jnp.asarray(GOLDEN[f"{name}/input"])
    stats = net.init(jax.random.key(0), x, train=True).get("batch_stats", {})

    def energy(params, x):
        y, updated = net.apply({"params": params, "batch_stats": stats}, x, train=True, mutable=["batch_stats"])
        return jnp.sum(jnp.asarray(y) ** 2), (y, updated)

    (_, (y, updated)), (params_grad, x_grad) = jax.value_and_grad(energy, (0, 1), has_aux=True)(params, x)
    np.testing.assert_allclose(y, GOLDEN[f"{name}/output"], atol=2e-5)
    scale = np.abs(GOLDEN[f"{name}/input_grad"]).max()
    np.testing.assert_allclose(x_grad / scale, GOLDEN[f"{name}/input_grad"] / scale, atol=2e-4)
    wanted = golden_params(name, net, "_grad")
    for got, want in zip(jax.tree.leaves(params_grad), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(got, want, atol=2e-4 * max(1, float(jnp.abs(want).max())))
    if name == "resnet_batch":
        np.testing.assert_allclose(updated["batch_stats"]["head_norm"]["batch"]["mean"], GOLDEN[f"{name}/1/mean"], atol=1e-5)


def size(net: nn.Module, side: int = 64) -> int:
    variables = jax.eval_shape(lambda: net.init(jax.random.key(0), jnp.zeros((1, side, side, 3)), train=True))
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(variables["params"]))


def test_parameter_counts_are_exact():
    assert size(ResNetGenerator(blocks=9)) == 11_378_179
    assert size(ResNetGenerator(blocks=6)) == 7_837_699
    assert size(PatchGAN()) == 2_764_737


@pytest.mark.parametrize(("layers", "field"), [(0, 1), (1, 16), (2, 34), (3, 70), (4, 142), (5, 286)])
def test_the_field_of_view_of_one_logit_is_exact(layers: int, field: int):
    # Without norms: instance norm's statistics let every logit see a little of everything.
    critic = PatchGAN(width=1, layers=layers, norm="none", kernel_init=Normal(0.0, mean=1.0))
    side = max(2 * field, 8)
    x = jnp.ones((1, side, side, 3))
    variables = critic.init(jax.random.key(0), x, train=False)
    logits = critic.apply(variables, x, train=False)
    middle = logits.shape[1] // 2
    grad = jax.grad(lambda x: critic.apply(variables, x, train=False)[0, middle, middle, 0])(x)
    rows, columns = np.nonzero(np.abs(np.asarray(grad[0])).sum(-1))
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (field, field)


@pytest.mark.parametrize("upsample", ["transposed", "nearest", "bilinear"])
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_every_form_of_the_generator_keeps_the_size_and_the_range(upsample, norm):
    net = ResNetGenerator(width=2, blocks=1, upsample=upsample, norm=norm, dropout=0.5)
    x = jax.random.uniform(jax.random.key(0), (2, 12, 20, 3), minval=-1)
    variables = net.init({"params": jax.random.key(1), "dropout": jax.random.key(2)}, x, train=True)
    y = np.asarray(net.apply(variables, x, train=False))
    assert y.shape == x.shape
    assert y.dtype == np.float32
    assert np.abs(y).max() <= 1


@pytest.mark.parametrize("kernel_init", [Normal(0.5), Xavier(), Kaiming(), Orthogonal(), nn.initializers.ones])
def test_any_initialiser_draws_the_kernels(kernel_init):
    net = PatchGAN(width=4, layers=1, kernel_init=kernel_init)
    params = net.init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)), train=False)["params"]
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
    variables = net.init(jax.random.key(1), x, train=False)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    y = net.apply(variables, x, train=False)
    assert y.dtype == jnp.float32
    exact = ResNetGenerator(width=4, blocks=1).apply(variables, x, train=False)
    assert 0 < np.abs(y - exact).max() < 0.1


def test_sizes_that_do_not_fit_are_refused_with_a_sentence():
    with pytest.raises(ValueError, match="multiples of 4"):
        jax.eval_shape(lambda: ResNetGenerator().init(jax.random.key(0), jnp.zeros((1, 30, 32, 3)), train=True))
    with pytest.raises(ValueError, match="24 pixels a side"):
        jax.eval_shape(lambda: PatchGAN().init(jax.random.key(0), jnp.zeros((1, 16, 64, 3)), train=True))
