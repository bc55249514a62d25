"""Layers, blocks, losses, Adam, networks: what PyTorch makes of the same numbers
(tests/golden/make_with_torch.py).
"""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from draws import drawn
from flax import linen as nn

from imgtrans_jax.losses import adversarial, pixel, style
from imgtrans_jax.models.layers import BatchNorm, Conv, Upsample, blur_pool, instance_norm
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResidualBlock, ResNetGenerator
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.optim import Adam, LinearDecay
from imgtrans_jax.weights.pth import read_torch, write_torch
from imgtrans_jax.weights.pytorch_layouts import Layer, Network, layout, state_dict
from imgtrans_jax.weights.pytorch_recognition import recognized

FOLDER = Path(__file__).parents[1] / "golden"
GOLDEN = np.load(FOLDER / "parity.npz", allow_pickle=False)
NETWORKS = np.load(FOLDER / "networks.npz", allow_pickle=False)
FULL_SIZE = np.load(FOLDER / "full_size.npz", allow_pickle=False)


def part(golden, name: str, kind: str) -> dict[str, np.ndarray]:
    """Golden tensors of one kind (weights, grads, after) by PyTorch's names."""
    start = f"{name}/{kind}/"
    return {key.removeprefix(start): golden[key] for key in golden if key.startswith(start)}


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


# ------------------------------------------------------------------------------------------- layers


def hwio(weight: np.ndarray, transposed: bool = False) -> np.ndarray:
    """Conv2d stores OIHW, ConvTranspose2d IOHW."""
    return (
        weight.transpose((2, 3, 0, 1) if transposed else (2, 3, 1, 0))
        if weight.ndim == 4
        else weight
    )


def convolution(weights: dict[str, np.ndarray], transposed: bool = False) -> dict[str, np.ndarray]:
    """`0.weight` and the like -> kernel and bias."""
    names = {"weight": "kernel", "bias": "bias"}
    found = {key.rpartition(".")[2]: x for key, x in weights.items() if not key.endswith("filt")}
    return {names[key]: hwio(x, transposed) for key, x in found.items()}


@functools.partial(jax.jit, static_argnums=0)
def passes(f, params, x, seed):
    """f(params, x), and its gradients by both."""
    y, pull = jax.vjp(f, params, x)
    return y, *pull(seed)


def assert_same(name: str, f, params) -> dict:
    """f(params, x) and its gradients are PyTorch's to 1e-10; returns the gradients by the
    parameters.
    """
    x, seed = jnp.asarray(GOLDEN[f"{name}/input_0"]), GOLDEN[f"{name}/seed"]
    y, of_params, of_x = passes(f, params, x, seed)
    np.testing.assert_allclose(y, GOLDEN[f"{name}/output"], atol=1e-10)
    np.testing.assert_allclose(of_x, GOLDEN[f"{name}/input_grad_0"], atol=1e-10)
    return of_params


CONVOLUTIONS = {f"conv/{k}_{s}_{p}": Conv(4, k, s, p, bias=b) for k, s, p, b in [
    (1, 1, 0, True), (3, 1, 1, True), (3, 2, 1, False), (4, 2, 1, True), (4, 1, 1, True)
]}  # fmt: skip
MIRRORED = {f"reflect/{k}": Conv(4, k, padding=p, reflect=True) for k, p in [(3, 1), (7, 3)]}
LARGER = {"transposed/3": Upsample(4, kernel=3), "transposed/4": Upsample(4, kernel=4)}
RESIZED = {f"upsample/{how}": Upsample(4, how) for how in ("nearest", "bilinear", "blurred")}


@pytest.mark.parametrize(("name", "layer"), (CONVOLUTIONS | MIRRORED | LARGER | RESIZED).items())
def test_convolutions_and_resampling(name: str, layer: nn.Module, double):
    transposed = name.startswith("transposed")

    def tree(weights):
        plain = convolution(weights, transposed)
        return {"conv": plain} if name in RESIZED else plain

    params = tree(part(GOLDEN, name, "weights"))
    grads = assert_same(name, lambda p, x: layer.apply({"params": p}, x), params)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-10),
        grads,
        tree(part(GOLDEN, name, "grads")),
    )


@pytest.mark.parametrize("name", ["halved/even", "halved/odd", "instance_norm"])
def test_layers_without_weights(name: str, double):
    assert_same(name, lambda _, x: (instance_norm if name == "instance_norm" else blur_pool)(x), {})


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_batch_norm_and_its_running_statistics(mode: str, double):
    name = f"batch_norm/{mode}"
    weights = part(GOLDEN, name, "weights")
    after = part(GOLDEN, name, "after") if mode == "train" else weights
    params = {"scale": weights["weight"], "bias": weights["bias"]}
    stats = {"mean": weights["running_mean"], "var": weights["running_var"]}
    if mode == "train":  # what is recorded is the state before the step
        assert not np.allclose(after["running_var"], stats["var"])

    def normed(params, x):
        return BatchNorm().apply(
            {"params": params, "batch_stats": stats}, x, mode == "train", mutable=["batch_stats"]
        )

    grads = assert_same(name, lambda p, x: normed(p, x)[0], params)
    for ours, theirs in (("scale", "weight"), ("bias", "bias")):
        np.testing.assert_allclose(grads[ours], part(GOLDEN, name, "grads")[theirs], atol=1e-10)
    updated = normed(params, jnp.asarray(GOLDEN[f"{name}/input_0"]))[1]["batch_stats"]
    np.testing.assert_allclose(updated["mean"], after["running_mean"], atol=1e-12)
    np.testing.assert_allclose(updated["var"], after["running_var"], atol=1e-12)


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_a_residual_block(norm, double):
    block = ResidualBlock(norm, 0.0, nn.initializers.zeros, "float32")
    stats = {f"norm_{i}": {"batch": {"mean": jnp.zeros(4), "var": jnp.ones(4)}} for i in range(2)}

    def tree(weights):
        found: dict = {}
        for i, at in enumerate((1, 5)):
            found[f"conv_{i}"] = convolution(
                {k: x for k, x in weights.items() if k.startswith(f"conv_block.{at}.")}
            )
            if norm == "batch":
                start = f"conv_block.{at + 1}."
                found[f"norm_{i}"] = {
                    "batch": {"scale": weights[f"{start}weight"], "bias": weights[f"{start}bias"]}
                }
        return found

    def run(params, x):
        return block.apply(
            {"params": params, "batch_stats": stats}, x, True, mutable=["batch_stats"]
        )[0]

    grads = assert_same(f"block/{norm}", run, tree(part(GOLDEN, f"block/{norm}", "weights")))
    wanted = tree(part(GOLDEN, f"block/{norm}", "grads"))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-10), grads, wanted)


# ---------------------------------------------------------------------------------- losses and Adam

DISTANCES = {
    "l1": pixel.l1,
    "l1_sum": pixel.l1_sum,
    "l2": pixel.l2,
    "content_half": style.content_half,
    "content_mean": style.content_mean,
    "style_normalised": lambda x, y: style.style_normalized(style.gram(x), style.gram(y), 20),
    "style_mean": lambda x, y: style.style_mean(style.gram(x), style.gram(y), 20),
}


@pytest.mark.parametrize(
    "name", sorted({"/".join(key.split("/")[:3]) for key in GOLDEN if key.startswith("gan/")})
)
def test_adversarial_losses(name: str, double):
    _, loss, piece = name.split("/")
    f = getattr(getattr(adversarial, loss), "generator" if piece == "fool" else piece)
    z = GOLDEN[f"{name}/input_0"]
    value, grad = jax.value_and_grad(f)(z)
    np.testing.assert_allclose(value, GOLDEN[f"{name}/output"], rtol=1e-12)
    np.testing.assert_allclose(
        grad * GOLDEN[f"{name}/seed"], GOLDEN[f"{name}/input_grad_0"], atol=1e-12
    )


@pytest.mark.parametrize("name", DISTANCES)
def test_distances(name: str, double):
    x, y = (GOLDEN[f"distance/{name}/input_{i}"] for i in range(2))
    value, grads = jax.value_and_grad(DISTANCES[name], (0, 1))(x, y)
    np.testing.assert_allclose(value, GOLDEN[f"distance/{name}/output"], rtol=1e-12)
    for i in range(2):
        wanted = GOLDEN[f"distance/{name}/input_grad_{i}"]
        np.testing.assert_allclose(grads[i] * GOLDEN[f"distance/{name}/seed"], wanted, atol=1e-12)


def test_total_variation(double):
    value, grad = jax.value_and_grad(style.total_variation)(GOLDEN["total_variation/input_0"])
    np.testing.assert_allclose(value, GOLDEN["total_variation/output"], rtol=1e-12)
    np.testing.assert_allclose(
        grad * GOLDEN["total_variation/seed"], GOLDEN["total_variation/input_grad_0"], atol=1e-11
    )


def test_adam_and_its_schedule(double):
    adam = Adam(LinearDecay(0.05, constant_epochs=2, decay_epochs=3))
    tx = adam.transformation(3)
    x = jnp.asarray(GOLDEN["adam/params"][0])
    opt = tx.init(x)

    @jax.jit
    def moved(x, opt):
        slope = jax.grad(lambda x: jnp.sum(jnp.cos(3 * x) + x**2))(x)
        updates, opt = tx.update(slope, opt, x)
        return optax.apply_updates(x, updates), opt

    for step in range(15):
        np.testing.assert_allclose(adam.rate(step, 3), GOLDEN["adam/rates"][step], rtol=1e-6)
        x, opt = moved(x, opt)
        np.testing.assert_allclose(x, GOLDEN["adam/params"][step + 1], rtol=1e-5, atol=1e-6)


# ----------------------------------------------------------------------------------------- networks

MODULES = {
    "resnet": ResNetGenerator(width=2, blocks=2, channels=2),
    "resnet_batch": ResNetGenerator(width=2, blocks=1, norm="batch"),
    "resnet_none": ResNetGenerator(width=2, blocks=0, norm="none"),
    "cut": ResNetGenerator(width=2, blocks=1, downsample="blurred", upsample="blurred"),
    "unet": UNet(width=1, levels=5, channels=1),
    "unet_instance": UNet(width=1, levels=5, norm="instance"),
    "patchgan": PatchGAN(width=2),
    "patchgan_batch": PatchGAN(width=2, layers=2, norm="batch"),
    "cut_critic": PatchGAN(width=2, downsample="blurred"),
    "pixelgan": PatchGAN(width=2, layers=0),
    "pixelgan_batch": PatchGAN(width=2, layers=0, norm="batch"),
}


def unknown_biases(layers: list[Layer], tree: dict) -> None:
    """The common code has no bias where it has no norm; ours has, and its gradient is not to be
    compared.
    """
    for layer in layers:
        if not layer.norm and not layer.bias:
            branch = tree
            for name in layer.ours.split("/"):
                branch = branch[name]
            branch.pop("bias", None)


@pytest.mark.parametrize("name", MODULES)
def test_networks_are_recognised_and_equal_with_their_gradients(name: str):
    network = recognized(part(NETWORKS, name, "weights"), name)
    assert network.module == MODULES[name]
    x, seed = NETWORKS[f"{name}/input_0"], NETWORKS[f"{name}/seed"]
    module = (
        network.module.clone(dropout=0.0) if hasattr(network.module, "dropout") else network.module
    )

    def run(params, x):
        return module.apply(
            {"params": params, "batch_stats": network.stats}, x, train=True, mutable=["batch_stats"]
        )

    @jax.jit
    def passes(params, x, seed):
        y, pull, updated = jax.vjp(run, params, x, has_aux=True)
        return y, updated, *pull(seed)

    y, updated, of_params, of_x = passes(network.params, x, seed)
    np.testing.assert_allclose(y, NETWORKS[f"{name}/output"], atol=2e-5)
    wanted = NETWORKS[f"{name}/input_grad_0"]
    np.testing.assert_allclose(of_x, wanted, atol=3e-4 * np.abs(wanted).max())
    unknown_biases(list(layout(module)), of_params)
    ours = state_dict(Network(module, of_params, updated.get("batch_stats", {})))
    for key, wanted in part(NETWORKS, name, "grads").items():
        # A bias before a norm has no gradient but rounding.
        np.testing.assert_allclose(
            ours[key], wanted, atol=3e-4 * max(1, np.abs(wanted).max()), err_msg=key
        )
    for key, wanted in part(NETWORKS, name, "after").items():
        np.testing.assert_allclose(ours[key], wanted, atol=1e-5, err_msg=key)


def with_draws(module: nn.Module, seed: int) -> dict[str, np.ndarray]:
    """The weights of make_with_torch.py's `with_draws`, by PyTorch's names."""
    side = 256 if isinstance(module, UNet) else 64
    shapes = jax.eval_shape(
        lambda: module.init(jax.random.key(0), jnp.zeros((1, side, side, 3)), train=False)
    )
    zeros = jax.tree.map(lambda s: np.broadcast_to(np.float32(0), s.shape), shapes)
    state = state_dict(Network(module, zeros["params"], zeros.get("batch_stats", {})))
    values = drawn({name: x.shape for name, x in state.items()}, seed)
    return state | {name: x.astype(np.float32) for name, x in values.items()}


@pytest.mark.parametrize(
    ("name", "module", "sizes"),
    [
        ("resnet", ResNetGenerator(), [(256, 256), (200, 264)]),
        ("unet", UNet(), [(256, 256)]),
        ("patchgan", PatchGAN(), [(256, 256), (200, 264)]),
    ],
)
def test_the_networks_as_they_are_used(name: str, module: nn.Module, sizes, tmp_path):
    # Through a .pth file, as a user has it.
    weights = with_draws(module, 1)
    write_torch(tmp_path / "x.pth", weights)
    network = recognized(read_torch(tmp_path / "x.pth"), "x.pth")
    assert network.module == module
    back = state_dict(network)
    assert back.keys() == weights.keys()
    for key in weights:
        np.testing.assert_array_equal(back[key], weights[key])
    variables = {"params": network.params, "batch_stats": network.stats}
    run = jax.jit(lambda variables, x: module.apply(variables, x, train=False))
    for height, width in sizes:
        x = np.random.RandomState(2).uniform(-1, 1, (1, height, width, 3)).astype(np.float32)
        step = 1 if name == "patchgan" else 4
        golden = FULL_SIZE[f"{name}/{height}x{width}"]
        np.testing.assert_allclose(run(variables, x)[:, ::step, ::step], golden, atol=1e-4)
