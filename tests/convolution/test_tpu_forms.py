"""A TPU's forms against the plain ones, with their gradients: they compute the same anywhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imgtrans_jax.config.experiment import Experiment
from imgtrans_jax.convolution.dispatch import convolve
from imgtrans_jax.convolution.forms import form
from imgtrans_jax.convolution.tpu import by_blocks, pad_by_products
from imgtrans_jax.engine.sharding import device_mesh
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.runtime.target import target
from imgtrans_jax.training.program import Program

KEY = jax.random.key(0)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_mirrored_border_by_products(size):
    x = jax.random.normal(KEY, (2, 6, 5, 3))
    width = ((0, 0), (size, size), (size, size), (0, 0))
    wanted, pull = jax.vjp(lambda x: jnp.pad(x, width, mode="reflect"), x)
    found, pull_found = jax.vjp(lambda x: pad_by_products(x, size), x)
    np.testing.assert_array_equal(found, wanted)
    g = jax.random.normal(KEY, wanted.shape)
    np.testing.assert_allclose(pull_found(g)[0], pull(g)[0], atol=1e-6)
    with pytest.raises(ValueError, match="needs more than 6 pixels"):
        pad_by_products(x, 6)


@pytest.mark.parametrize("border", ["zero", "reflect"])
@pytest.mark.parametrize(("side", "channels"), [(7, (3, 8)), (7, (8, 3)), (9, (3, 4)), (5, (1, 6))])
def test_blocks_of_pixels_as_channels(border, side, channels):
    x = jax.random.normal(KEY, (2, 12, 16, channels[0]))
    kernel = jax.random.normal(KEY, (side, side, *channels))

    def passes(f):
        result, pull = jax.vjp(f, x, kernel)
        return result, *pull(jnp.cos(result))

    with form("plain"):
        wanted = passes(lambda x, k: convolve(x, k, 1, side // 2, border))
    blocks = passes(lambda x, k: by_blocks(x, k, side // 2, border))
    with target("tpu"):
        chosen = passes(lambda x, k: convolve(x, k, 1, side // 2, border))
    for found in (blocks, chosen):
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4 * float(jnp.abs(other).max()))


@pytest.mark.parametrize("remat", [True, False])
def test_a_step_of_cyclegan_is_the_same_in_a_tpus_forms(remat):
    """Residual blocks in a loop, blocks of pixels as channels, borders as products."""
    rng = np.random.default_rng(0)
    batch = {side: rng.uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32) for side in "ab"}
    generator = ResNetGenerator(width=4, blocks=2, remat=remat)
    recipe = CycleGAN(generator, PatchGAN(width=4, layers=1), pool_size=0, identity=0)
    program = Program(Experiment(recipe=recipe, batch_size=2), device_mesh((1, 1), 2), batch, 10)
    state, found = program.initial_state(), {}
    for platform in ("cpu", "tpu"):
        step = program.traced(None, platform).lower().compile()
        found[platform] = step(jax.tree.map(jnp.copy, state), batch, None)
    text = str(program.traced(None, "tpu").jaxpr)
    assert text.count("scan[") >= 4  # the loops are there, forwards and backwards
    for one, other in zip(*map(jax.tree.leaves, found.values()), strict=True):
        if jnp.issubdtype(one.dtype, jnp.floating):
            np.testing.assert_allclose(one, other, atol=1e-4, rtol=1e-4)
