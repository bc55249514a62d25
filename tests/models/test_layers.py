"""Convolutions and norms against float64 NumPy written from their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imgtrans_jax.convolution.dispatch import convolve, convolve_transposed
from imgtrans_jax.convolution.plain import pad
from imgtrans_jax.models.layers import instance_norm, moments, normalize
from imgtrans_jax.models.resnet import ResNetGenerator


def convolve_by_hand(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """VALID, stride 1, by the definition, in float64."""
    k = kernel.shape[0]
    height, width = x.shape[1] - k + 1, x.shape[2] - k + 1
    y = np.zeros((x.shape[0], height, width, kernel.shape[3]))
    for u in range(k):
        for v in range(k):
            y += np.einsum(
                "nhwi,io->nhwo",
                x[:, u : u + height, v : v + width].astype(np.float64),
                kernel[u, v],
            )
    return y


def transpose_by_hand(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Every input pixel adds its kernel to the output; padding 1 cuts the first row and column."""
    n, height, width, _ = x.shape
    y = np.zeros((n, 2 * height + 2, 2 * width + 2, kernel.shape[3]))
    for u in range(3):
        for v in range(3):
            y[:, u : u + 2 * height : 2, v : v + 2 * width : 2] += np.einsum(
                "nhwi,io->nhwo", x.astype(np.float64), kernel[u, v]
            )
    return y[:, 1 : 2 * height + 1, 1 : 2 * width + 1]


def arrays(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("k", [3, 7])
def test_valid_convolution(k: int):
    x, kernel = arrays((2, 12, 9, 3), (k, k, 3, 5))
    np.testing.assert_allclose(convolve(x, kernel), convolve_by_hand(x, kernel), atol=1e-4)


def test_transposed_convolution():
    x, kernel = arrays((2, 5, 6, 4), (3, 3, 4, 3))
    np.testing.assert_allclose(
        convolve_transposed(x, kernel), transpose_by_hand(x, kernel), atol=1e-5
    )


@pytest.mark.parametrize(
    ("convolve", "channels"), [(convolve, (3, 5)), (convolve_transposed, (4, 3))]
)
def test_the_written_gradients_are_those_of_finite_differences(convolve, channels):
    jax.config.update("jax_enable_x64", True)
    try:
        rng = np.random.default_rng(1)
        x, kernel = rng.normal(size=(1, 8, 7, channels[0])), rng.normal(size=(3, 3, *channels))
        dx, dk = rng.normal(size=x.shape), rng.normal(size=kernel.shape)

        def energy(x, kernel):
            return jnp.sum(jnp.sin(convolve(x, kernel)))

        grad_x, grad_k = jax.grad(energy, (0, 1))(x, kernel)
        step = 1e-6
        slope = (
            energy(x + step * dx, kernel + step * dk) - energy(x - step * dx, kernel - step * dk)
        ) / (2 * step)
        np.testing.assert_allclose(np.sum(grad_x * dx) + np.sum(grad_k * dk), slope, rtol=1e-7)
        # a gradient penalty needs it
        second = jax.grad(lambda x: jnp.sum(jax.grad(energy)(x, kernel) ** 2))(x)
        assert np.isfinite(second).all()
    finally:
        jax.config.update("jax_enable_x64", False)


def test_reflection_does_not_repeat_the_edge():
    row = jnp.arange(4.0).reshape(1, 1, 4, 1) * jnp.ones((1, 4, 1, 1))
    np.testing.assert_array_equal(pad(row, 2, "reflect")[0, 0, :, 0], [2, 1, 0, 1, 2, 3, 2, 1])
    with pytest.raises(ValueError, match="more than 2 pixels"):
        pad(row[:, :2], 2, "reflect")


def test_instance_norm_far_from_zero_keeps_its_digits():
    x = (100 + 0.01 * np.random.default_rng(0).normal(size=(2, 16, 16, 3))).astype(np.float32)
    wide = x.astype(np.float64)
    mean = wide.mean((1, 2), keepdims=True)
    exact = (wide - mean) / np.sqrt(((wide - mean) ** 2).mean((1, 2), keepdims=True) + 1e-5)
    # The one-pass variance is off by 8.6 here; what is left is the rounding of the mean, half a
    # unit in 100.
    assert np.abs(instance_norm(jnp.asarray(x)) - exact).max() < 1e-2


def test_instance_norm_of_a_flat_image_is_zero_with_a_finite_gradient():
    x = jnp.full((1, 8, 8, 2), 0.7)
    assert np.abs(instance_norm(x)).max() < 1e-3  # the mean is rounded
    assert np.isfinite(
        jax.grad(lambda x: jnp.sum(instance_norm(x) ** 2 + instance_norm(x)))(x)
    ).all()


def test_instance_norm_refuses_a_single_pixel():
    with pytest.raises(ValueError, match="1x1"):
        instance_norm(jnp.ones((1, 1, 1, 4)))


@pytest.mark.parametrize("platform", ["cpu", "gpu"])  # where a mean is taken in two steps
@pytest.mark.parametrize("axes", [(1, 2), (0, 1, 2)])
def test_standardised_has_the_gradients_of_its_definition(
    monkeypatch, axes: tuple[int, ...], platform: str
):
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    x, seed = (jax.random.normal(jax.random.key(i), (2, 5, 4, 3)) + i for i in range(2))

    def by_definition(x):
        mean, variance = moments(x, axes)
        return (x - mean) * jax.lax.rsqrt(variance + 1e-5)

    def fast(x):
        return normalize(x, *moments(x, axes), axes)

    def penalty(function):
        """A gradient penalty's second derivative."""
        return jax.grad(lambda x: jnp.sum(jnp.square(jax.vjp(function, x)[1](seed)[0])))(x)

    np.testing.assert_allclose(fast(x), by_definition(x), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        jax.vjp(fast, x)[1](seed)[0], jax.vjp(by_definition, x)[1](seed)[0], rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(penalty(fast), penalty(by_definition), rtol=1e-4, atol=1e-5)


def test_a_bias_before_instance_norm_is_kept_and_does_nothing():
    module = ResNetGenerator(width=4, blocks=1)
    x = jax.random.normal(jax.random.key(0), (1, 16, 16, 3))
    params = module.init(jax.random.key(1), x, False)["params"]
    moved = {**params, "head": {**params["head"], "bias": params["head"]["bias"] + 3}}
    assert "bias" in params["block_0"]["conv_0"]
    np.testing.assert_array_equal(
        module.apply({"params": moved}, x, False), module.apply({"params": params}, x, False)
    )
    tail = {**params, "tail": {**params["tail"], "bias": params["tail"]["bias"] + 3}}
    assert not np.array_equal(
        module.apply({"params": tail}, x, False), module.apply({"params": params}, x, False)
    )
