"""PatchNCE and the pyramid's L1 against float64 NumPy, written from the papers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import convolve1d

from imgtrans_jax.losses import patch_nce, pyramid_l1
from imgtrans_jax.losses.pixel import PYRAMID

RNG = np.random.default_rng(0)


def unit(shape):
    x = RNG.normal(size=shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def by_hand(q, k, temperature, weights):
    """Equation 2 of Park et al. 2020, patch by patch."""
    lost = []
    for picture in range(len(q)):
        for s, query in enumerate(q[picture]):
            likeness = np.array([query @ key for key in k[picture]]) / temperature
            lost.append(-likeness[s] + np.log(np.exp(likeness).sum()))
    return np.mean(np.array(lost) * weights.ravel())


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_patch_nce_is_the_cross_entropy_of_the_own_patch(temperature):
    q, k = unit((3, 11, 7)), unit((3, 11, 7))
    expected = by_hand(q, k, temperature, np.ones((3, 11)))
    found = patch_nce(jnp.float32(q), jnp.float32(k), temperature)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_adaptive_weights_follow_the_likeness_and_are_1_in_the_mean():
    k = unit((2, 9, 5))
    q = unit((2, 9, 5)) + 0.7 * k
    q /= np.linalg.norm(q, axis=-1, keepdims=True)
    own = np.maximum((q * k).sum(-1), 0)
    weights = 0.25 + 0.75 * own
    weights = weights / weights.mean(1, keepdims=True)
    found = patch_nce(jnp.float32(q), jnp.float32(k), 0.07, 0.75)
    np.testing.assert_allclose(found, by_hand(q, k, 0.07, weights), rtol=1e-5)

    # the weights are constants
    def scaled(s):
        return patch_nce(jnp.float32(q) * s, jnp.float32(k), 0.07, 0.75)

    slope = (by_hand(1.001 * q, k, 0.07, weights) - by_hand(0.999 * q, k, 0.07, weights)) / 0.002
    np.testing.assert_allclose(jax.grad(scaled)(1.0), slope, rtol=1e-3)


def test_weights_of_patches_that_are_all_unlike_are_1():
    k = jnp.float32(unit((2, 9, 5)))
    np.testing.assert_allclose(patch_nce(-k, k, 0.07, 1.0), patch_nce(-k, k), rtol=1e-5)


def test_patches_that_are_all_alike_cannot_be_told_apart():
    same = jnp.ones((2, 16, 4)) / 2
    np.testing.assert_allclose(patch_nce(same, same), np.log(16), rtol=1e-5)
    apart = jnp.eye(16)[None]
    assert float(patch_nce(apart, apart)) < 1e-4


def test_a_query_has_one_key():
    with pytest.raises(ValueError, match="one key"):
        patch_nce(jnp.ones((1, 4, 3)), jnp.ones((1, 5, 3)))


@pytest.mark.parametrize("side", [64, 20])
def test_the_pyramid_s_levels_are_compared(side):
    x, y = RNG.uniform(-1, 1, (2, 2, side, side + 4, 3))
    taps, terms, levels = np.array([1, 4, 6, 4, 1]) / 16, [], (x - y)
    for weight in PYRAMID[:-1]:
        if min(levels.shape[1:3]) < 3:
            break
        for axis in (1, 2):
            levels = convolve1d(levels, taps, axis, mode="mirror")
        terms.append(weight * np.abs(levels).mean())
        levels = levels[:, ::2, ::2]
    terms.append(PYRAMID[-1] * np.abs(levels).mean())
    assert len(terms) == {64: 6, 20: 5}[side]
    np.testing.assert_allclose(
        pyramid_l1(jnp.float32(x), jnp.float32(y)), np.mean(terms), rtol=1e-5
    )
