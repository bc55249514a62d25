"""Losses on features against float64 NumPy written from the papers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads
from scipy import linalg, signal

from imgtrans_jax.losses import gaussians, style
from imgtrans_jax.style.gatys import by_depth, equal

RNG = np.random.default_rng(0)
F, P = RNG.normal(size=(2, 1, 5, 6, 4))  # generated and target features


def numpy_gram(f: np.ndarray) -> np.ndarray:
    flat = f.reshape(-1, f.shape[-1])
    return np.array(
        [[sum(flat[:, i] * flat[:, j]) for j in range(flat.shape[1])] for i in range(flat.shape[1])]
    )


G, A = numpy_gram(F), numpy_gram(P)
N, M = 4, 30  # channels and positions


def single(*arrays: np.ndarray) -> list[jax.Array]:
    return [jnp.asarray(x, jnp.float32) for x in arrays]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (style.content_sum, np.sum((F - P) ** 2)),
        (style.content_half, 0.5 * np.sum((F - P) ** 2)),
        (style.content_mean, np.mean((F - P) ** 2)),
        (style.content_relative, np.sum((F - P) ** 2) / np.sum(P**2)),
    ],
)
def test_content_losses(loss, expected):
    np.testing.assert_allclose(loss(*single(F, P)), expected, rtol=1e-6)


def unlike(x: np.ndarray) -> np.ndarray:
    flat = x.reshape(-1, x.shape[-1])
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    apart = 1 - flat @ flat.T
    return apart / apart.sum(axis=0)


def test_self_similarity_is_of_places_whatever_their_colors():
    similar = np.mean(np.sum(np.abs(unlike(F[0]) - unlike(P[0])), axis=0))
    relative = np.sum((F - P) ** 2) / np.sum(P**2)
    np.testing.assert_allclose(style.content_similar(*single(F, P)), relative + similar, rtol=1e-4)
    # turned alike, places are as like each other as they were
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(N, N)))[0]
    turned = style.content_similar(*single(P @ turn, P)) - style.content_relative(
        *single(P @ turn, P)
    )
    assert abs(turned) < 1e-4
    # of many places some are looked at
    many = np.random.default_rng(2).normal(size=(2, 1, 130, 120, 3))
    some = np.mean(np.sum(np.abs(unlike(many[0, 0, ::3, ::3]) - unlike(many[1, 0, ::3, ::3])), 0))
    found = style.content_similar(*single(*many)) - style.content_relative(*single(*many))
    np.testing.assert_allclose(found, some, rtol=1e-4)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (style.style_raw, np.sum((G - A) ** 2)),
        (style.style_normalized, np.sum((G - A) ** 2) / (4 * N**2 * M**2)),
        (style.style_mean, np.mean((G / (N * M) - A / (N * M)) ** 2)),
        (style.style_relative, np.sum((G - A) ** 2) / np.sum(A**2)),
    ],
)
def test_style_losses(loss, expected):
    value = loss(style.gram(single(F)[0]), style.gram(single(P)[0]), M)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def scipy_wasserstein(f: np.ndarray, g: np.ndarray) -> float:
    """By SciPy's square root, in float64."""
    f, g = (x.reshape(-1, x.shape[-1]) for x in (f, g))
    (m, s), (n, t) = ((x.mean(0), np.cov(x.T, bias=True)) for x in (f, g))
    ridge = (1e-4 + 1e-3 * np.trace(t) / len(t)) * np.eye(len(t))
    s, t = s + ridge, t + ridge
    root = np.real(linalg.sqrtm(t))
    apart = np.sum((m - n) ** 2) + np.trace(s + t - 2 * np.real(linalg.sqrtm(root @ s @ root)))
    return float(apart / (np.sum(n**2) + np.trace(t)))


def test_the_wasserstein_distance_is_scipy_s():
    several = np.maximum(RNG.normal(size=(3, 7, 8, 4)) @ RNG.normal(size=(4, 4)), 0)
    with jax.enable_x64(True):
        value = gaussians.style_wasserstein(
            gaussians.gaussian(jnp.asarray(several)),
            gaussians.rooted(gaussians.gaussian(jnp.asarray(P))),
            M,
        )
        expected = np.mean([scipy_wasserstein(f, P) for f in several])
        np.testing.assert_allclose(value, expected, rtol=1e-6)
        same = gaussians.style_wasserstein(
            gaussians.gaussian(jnp.asarray(P)),
            9 * gaussians.rooted(gaussians.gaussian(jnp.asarray(P))),
            M,
        )
        np.testing.assert_allclose(same, 0, atol=1e-9)


def test_the_gradient_of_the_wasserstein_distance_is_its_difference():
    with jax.enable_x64(True):
        wanted = gaussians.rooted(gaussians.gaussian(jnp.asarray(P)))

        def loss(f):
            return gaussians.style_wasserstein(gaussians.gaussian(f), wanted, M)

        along, tiny = RNG.normal(size=F.shape), 1e-5
        slope = np.sum(jax.grad(loss)(jnp.asarray(F)) * along)
        up, down = (loss(jnp.asarray(F + sign * tiny * along)) for sign in (1, -1))
        np.testing.assert_allclose(slope, (up - down) / (2 * tiny), rtol=1e-5)


def test_features_of_very_unequal_strength_are_as_far_apart_as_scipy_says():
    """As those of VGG are: the iteration must come to its end for the faint directions too."""
    decaying = np.exp(-np.arange(48) / 5) * np.linalg.qr(RNG.normal(size=(48, 48)))[0]
    several = [np.abs(RNG.normal(size=(1, 16, 16, 48))) @ decaying for _ in range(2)]
    several[1] *= 1.3
    for f, g in (several, several[::-1], [several[0]] * 2):
        of, wanted = (gaussians.gaussian(jnp.asarray(x, jnp.float32)) for x in (f, g))
        value, gradient = jax.value_and_grad(gaussians.style_wasserstein)(
            of, gaussians.rooted(wanted), 1
        )
        np.testing.assert_allclose(value, scipy_wasserstein(f, g), rtol=0.02, atol=1e-3)
        if f is g:
            assert np.abs(gradient).max() < 0.02


@pytest.mark.parametrize("noise", [0.0, 1e-6, 1e-3])
def test_flat_features_have_a_finite_distance_and_gradient(noise):
    """Whose covariance is rounding alone: as a difference of products it came out negative."""
    flat = 100 * np.abs(RNG.normal(size=(1, 1, 1, 64))) + noise * RNG.normal(size=(1, 16, 16, 64))
    wanted = gaussians.gaussian(jnp.asarray(np.abs(RNG.normal(size=(1, 16, 16, 64))), jnp.float32))
    wanted = gaussians.rooted(wanted)
    value, gradient = jax.value_and_grad(
        lambda f: gaussians.style_wasserstein(gaussians.gaussian(f), wanted, 1)
    )(jnp.asarray(np.broadcast_to(flat, (1, 16, 16, 64)), jnp.float32))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_a_gaussian_is_summed_and_masked_as_a_gram_matrix_is():
    """Two halves of a picture, weighted by a mask, and its mean and covariance by NumPy."""
    mask = np.zeros((5, 6, 1))
    mask[:3] = 1
    found = gaussians.gaussian(*single(F, mask))[0]
    inside = F[0, :3].reshape(-1, 4)
    np.testing.assert_allclose(found[-1, -1], 18)
    np.testing.assert_allclose(found[-1, :-1] / 18, inside.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        found[:-1, :-1] / 18, np.cov(inside.T, bias=True), rtol=1e-4, atol=1e-6
    )


def test_the_trace_of_a_root_and_its_gradient_are_scipy_s():
    a = RNG.normal(size=(2, 6, 9))
    a = a @ a.transpose(0, 2, 1)
    with jax.enable_x64(True):
        traces, pull = jax.vjp(gaussians.trace_of_root, jnp.asarray(a))
        (gradient,) = pull(jnp.array([1.0, 3.0]))
    for matrix, trace, found, weight in zip(a, traces, gradient, (1, 3), strict=True):
        root = linalg.sqrtm(matrix)
        np.testing.assert_allclose(trace, np.trace(root), rtol=1e-6)
        np.testing.assert_allclose(found, weight * np.linalg.inv(root) / 2, rtol=1e-4, atol=1e-6)


def test_moments_are_the_distance_and_the_grams_and_with_few_positions_the_grams_alone():
    of, wanted = gaussians.gaussian(jnp.asarray(F)), gaussians.gaussian(jnp.asarray(P))
    target = gaussians.rooted(wanted)
    grams = style.style_relative(style.gram(jnp.asarray(F)), style.gram(jnp.asarray(P)), M)
    distance = gaussians.style_wasserstein(of, target, M)
    np.testing.assert_allclose(
        gaussians.style_moments(of, target, M), distance + grams, rtol=5e-3, atol=1e-4
    )
    np.testing.assert_allclose(gaussians.style_moments(of, target, 3), grams, rtol=5e-3)


def test_lines_are_compared_by_their_laplacians():
    """By SciPy's convolution, of what is averaged by hand."""
    x, y = (RNG.uniform(size=(13, 18, 3)) for _ in range(2))

    def laplacians(picture: np.ndarray, pool: int) -> np.ndarray:
        h, w = 13 // pool, 18 // pool
        small = picture[: h * pool, : w * pool].reshape(h, pool, w, pool, 3).mean((1, 3))
        cross = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]])
        return np.stack(
            [signal.convolve2d(small[..., c], cross, "valid") for c in range(3)], axis=2
        )

    expected = [
        np.sum((laplacians(x, pool) - laplacians(y, pool)) ** 2) / np.sum(laplacians(y, pool) ** 2)
        for pool in (1, 4)
    ]
    # 13 pixels have not three times 5
    found = style.laplacian(jnp.asarray(x)[None], jnp.asarray(y)[None], (1, 4, 5))
    np.testing.assert_allclose(found, np.mean(expected), rtol=1e-4)
    assert style.laplacian(jnp.asarray(y)[None], jnp.asarray(y)[None], (1, 4)) == 0
    with pytest.raises(ValueError, match=r"No pool of \(5,\) fits"):
        style.laplacian(jnp.asarray(x)[None], jnp.asarray(y)[None], (5,))


def test_the_lecture_slides_letters_say_the_same_as_the_paper():
    height, width, channels = 5, 6, 4
    slides = np.linalg.norm(G - A, "fro") ** 2 / (2 * height * width * channels) ** 2
    np.testing.assert_allclose(
        style.style_normalized(*single(G[None], A[None]), M), slides, rtol=1e-5
    )


def test_the_content_gradient_before_the_rectification_is_the_papers():
    """F - P where F > 0, else 0 (equation 2)."""
    before, target = single(RNG.normal(size=(1, 3, 4, 5)), np.abs(RNG.normal(size=(1, 3, 4, 5))))
    grad = jax.grad(lambda x: style.content_half(nn.relu(x), target))(before)
    np.testing.assert_allclose(grad, np.where(before > 0, before - target, 0), atol=1e-6)
    assert np.sum(np.asarray(grad) == 0) > 10


def test_gram_is_its_definition_and_its_diagonal_the_activity():
    found = np.asarray(style.gram(single(F)[0]))
    np.testing.assert_allclose(found[0], G, rtol=1e-5)
    np.testing.assert_allclose(np.diagonal(found[0]), np.sum(F**2, axis=(0, 1, 2)), rtol=1e-5)


def test_gram_of_bfloat16_features_is_summed_in_float32():
    ones = jnp.full((1, 64, 64, 2), 1.0, jnp.bfloat16)
    found = style.gram(ones)
    assert found.dtype == jnp.float32
    # bfloat16 sums would stop at 256
    np.testing.assert_array_equal(found, np.full((1, 2, 2), 4096.0))


def test_gram_under_a_mask_counts_its_places_alone():
    mask = np.zeros((5, 6, 1), np.float32)
    mask[:2, 1:4] = 1
    mask[4, 5] = 0.5
    expected = numpy_gram(F[:, :2, 1:4]) + 0.5 * numpy_gram(F[:, 4:, 5:])
    np.testing.assert_allclose(style.gram(single(F)[0], jnp.asarray(mask))[0], expected, rtol=1e-5)


def test_the_gradient_through_gram_is_its_definition():
    """sum D_ij G_ij, G = sum m f f', has m (D + D') f; also twice, and for any D."""
    weights, mask = RNG.normal(size=(4, 4)), RNG.uniform(size=(5, 6, 1))
    at, wide, where = single(F, weights, mask)

    def weighed(f: jax.Array) -> jax.Array:
        return jnp.sum(wide * style.gram(jnp.asarray(f), where))

    found = jax.grad(weighed)(at)
    np.testing.assert_allclose(found, mask * (F @ (weights + weights.T)), rtol=1e-4, atol=1e-5)
    check_grads(weighed, (at,), order=2, modes=("fwd", "rev"), rtol=1e-2)
    half = jax.grad(weighed)(at.astype(jnp.bfloat16))
    assert half.dtype == jnp.bfloat16
    np.testing.assert_allclose(half.astype(jnp.float32), found, rtol=0.05, atol=0.1)


def test_several_images_are_averaged():
    many = single(RNG.normal(size=(3, 2, 2, 4)), RNG.normal(size=(3, 2, 2, 4)))
    each = [style.content_half(many[0][i : i + 1], many[1][i : i + 1]) for i in range(3)]
    np.testing.assert_allclose(style.content_half(*many), np.mean(each), rtol=1e-6)


@settings(max_examples=8, deadline=None)  # each size is compiled
@given(st.integers(1, 9), st.integers(1, 9))
def test_total_variation_of_a_checkerboard_is_exact(height, width):
    board = (np.indices((height, width)).sum(axis=0) % 2).astype(np.float32)
    images = jnp.asarray(np.repeat(board[None, ..., None], 3, axis=3))
    assert style.total_variation(images) == 3 * (height * (width - 1) + width * (height - 1))
    np.testing.assert_allclose(
        style.mean_variation(images), style.total_variation(images) / images.size, rtol=1e-6
    )


@pytest.mark.usefixtures("unchecked")
def test_features_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        style.content_sum(jnp.zeros((1, 4, 4, 3)), jnp.zeros((1, 4, 5, 3)))


def test_black_pictures_have_finite_gradients():
    zeros = jnp.zeros((1, 4, 4, 3))
    for loss in (
        style.content_relative,
        style.content_similar,
        lambda x, y: style.style_relative(style.gram(x), style.gram(y), 16),
    ):
        assert np.isfinite(jax.grad(loss)(zeros, zeros)).all()


def test_layer_weights():
    assert equal(4) == (0.25,) * 4
    assert by_depth(3) == (4 / 7, 2 / 7, 1 / 7)
    assert sum(by_depth(5)) == pytest.approx(1)
