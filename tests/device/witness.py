"""Numbers that must be the same on every platform: python tests/device/witness.py FILE.npz

Training steps of three methods, a style transfer, a picture in tiles, and a state that was saved
and read.
"""

import sys
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.engine.checkpoint import Checkpoints
from imgtrans_jax.engine.sharding import device_mesh, to_devices
from imgtrans_jax.inference.tiling import TiledNetwork
from imgtrans_jax.losses.adversarial import wgan
from imgtrans_jax.losses.style import content_relative, gram
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.methods.gan import GAN
from imgtrans_jax.methods.pix2pix import Pix2Pix
from imgtrans_jax.models.dcgan import DCGANCritic, DCGANGenerator
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.models.vgg import VGG
from imgtrans_jax.optim import LBFGS
from imgtrans_jax.style.optimize import optimize_image
from imgtrans_jax.training.program import Program

STEPS = 3
RECIPES = {
    "cyclegan": CycleGAN(
        ResNetGenerator(width=16, blocks=2), PatchGAN(width=16, layers=2), pool_size=4
    ),
    "pix2pix": Pix2Pix(UNet(width=16, levels=5), PatchGAN(width=16, layers=2, norm="batch")),
    "wgan_gp": GAN(
        DCGANGenerator(size=32, width=8, channels=3),
        DCGANCritic(width=8, norm="none"),
        wgan,
        latent=8,
        penalty=10.0,
        critic_steps=1,
    ),
}


def picture(seed: int, *shape: int) -> np.ndarray:
    """In [-1, 1], smooth enough that no value hangs on a rounding."""
    coarse = np.random.default_rng(seed).uniform(
        -1, 1, (shape[0], shape[1] // 8, shape[2] // 8, shape[3])
    )
    return np.asarray(jax.image.resize(coarse.astype(np.float32), shape, "bilinear"))


def training(name: str) -> dict[str, np.ndarray]:
    """Every metric of the first steps."""
    recipe, side = RECIPES[name], 32 if name == "wgan_gp" else 64
    a, b = (picture(seed, 4 if name == "wgan_gp" else 2, side, side, 3) for seed in (0, 1))
    batch = {"x": a, "y": np.ones((4, 1), np.float32)} if name == "wgan_gp" else {"a": a, "b": b}
    experiment = Experiment(recipe=recipe, batch_size=2, matmul_precision="highest")
    mesh = device_mesh((1, 1), 2)
    program = Program(experiment, mesh, batch, per_epoch=100)
    state, step = program.initial_state(), program.compile()[0]
    found: dict[str, list[float]] = {}
    for _ in range(STEPS):
        state, metrics = step(state, to_devices(batch, mesh))
        for term, value in metrics.items():
            found.setdefault(f"{name}/{term}", []).append(float(value))
    if name == "pix2pix":
        check_a_saved_state(state)
    return {term: np.array(values) for term, values in found.items()}


def check_a_saved_state(state) -> None:
    """It comes back bit by bit."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Path(folder), keep=1)
        checkpoints.save(STEPS, state, {"config": {}, "data": None, "versions": {}})
        checkpoints.finish()
        restored = checkpoints.restore(jax.eval_shape(lambda x: x, state))
        assert restored is not None
        jax.tree.map(
            np.testing.assert_array_equal, jax.device_get(restored[0]), jax.device_get(state)
        )


def style() -> dict[str, np.ndarray]:
    """The losses of a style transfer with a network of random weights."""
    network = VGG(16, ("relu1_1", "relu2_1", "relu3_1"))
    content, painting = (jnp.asarray(picture(seed, 1, 64, 64, 3) / 2 + 0.5) for seed in (2, 3))
    params = jax.jit(network.init)(jax.random.key(0), content)
    wanted, styled = (jax.jit(network.apply)(params, x) for x in (content, painting))

    def objective(image, frozen, key):
        found = network.apply(frozen["params"], image)
        textures = [
            jnp.mean(jnp.square(gram(found[k]) - gram(frozen["style"][k]))) for k in sorted(found)
        ]
        near = content_relative(found["relu3_1"], frozen["content"]["relu3_1"])
        return {"content": near, "style": 100 * sum(textures)}

    frozen = {"params": params, "content": wanted, "style": styled}
    result = optimize_image(objective, content, frozen, LBFGS(), steps=8)
    return {"style/total": np.asarray(result.history["total"])}


def tiles() -> dict[str, np.ndarray]:
    """A generator's result of a picture, from tiles."""
    module = ResNetGenerator(width=16, blocks=2)
    x = picture(4, 1, 72, 104, 3)
    weights = jax.jit(lambda: module.init(jax.random.key(0), jnp.asarray(x), train=False))()

    def apply(weights, x):
        return module.apply(weights, x, train=False)

    whole = np.asarray(jax.jit(apply)(weights, x))
    tiled = TiledNetwork(apply, weights, x.shape[1:], 32, 4)(weights, x)
    np.testing.assert_allclose(tiled, whole, atol=1e-4 * np.abs(whole).max())
    return {"tiles": np.asarray(tiled)}


if __name__ == "__main__":
    jax.config.update("jax_default_matmul_precision", "highest")
    numbers = style() | tiles()
    for name in RECIPES:
        numbers |= training(name)
    np.savez(sys.argv[1], **numbers)
    print(f"{len(numbers)} arrays on {jax.devices()[0].device_kind}")
