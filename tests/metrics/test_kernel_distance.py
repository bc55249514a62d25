"""The kernel distance against its definition, and the four numbers on what must pass and what must
fail.
"""

import numpy as np
import pytest

from imgtrans_jax.data.openmoji import TEST, TRAIN_B, load_openmoji
from imgtrans_jax.io.images import to_signed
from imgtrans_jax.metrics.colouring import hue_groups, score_coloring
from imgtrans_jax.metrics.fidelity import luma_bytes, psnr, ssim, super_resolution_scores
from imgtrans_jax.metrics.kernel_distance import kernel_distance, polynomial_mmd, random_features


def test_the_kernel_distance_is_its_definition():
    x, y = np.random.default_rng(0).normal(size=(2, 4, 3))

    def kernel(u, v):
        return (u @ v / 3 + 1) ** 3

    n = range(4)
    within = sum(kernel(x[i], x[j]) + kernel(y[i], y[j]) for i in n for j in n if i != j) / 12
    across = sum(kernel(x[i], y[j]) for i in n for j in n) / 16
    np.testing.assert_allclose(polynomial_mmd(x, y), within - 2 * across, rtol=1e-12)


def test_it_is_unbiased():
    rng = np.random.default_rng(0)
    values = [polynomial_mmd(rng.normal(size=(8, 4)), rng.normal(size=(8, 4))) for _ in range(400)]
    assert abs(np.mean(values)) < 4 * np.std(values) / 20
    assert min(values) < 0


@pytest.fixture(scope="module")
def drawings():
    drawn = load_openmoji(64)
    held_out = drawn["split"] == TEST
    others = drawn["colour"][drawn["split"] == TRAIN_B]
    return (
        to_signed(drawn["sketch"][held_out]),
        to_signed(drawn["colour"][held_out]),
        to_signed(others),
    )


def test_real_drawings_are_near_and_sketches_far(drawings):
    sketches, coloured, others = drawings
    assert random_features(sketches[:3]).shape == (3, 2 * (3 + 32 + 64 + 128))
    assert kernel_distance(others, coloured) < 0.1 * kernel_distance(sketches, coloured)


def test_true_colours_pass(drawings):
    sketches, coloured, _ = drawings
    score = score_coloring(sketches, coloured, coloured)
    assert score.passes()
    assert score.background_change < 0.001


def test_what_is_not_coloured_fails(drawings):
    sketches, coloured, _ = drawings
    tint = np.clip(sketches + np.array([0.0, -0.1, -0.7]), -1, 1).astype(np.float32)
    inside = np.where(
        (coloured.min(-1, keepdims=True) < 0.9) & (sketches > 0.9),
        np.array([0.9, 0.6, -0.8]),
        sketches,
    )
    for fake, wrong in (
        (sketches, "distance_ratio"),
        (tint, "background_change"),
        (inside.astype(np.float32), "hue_groups"),
        (np.clip(coloured + 0.8, -1, 1), "line_luminance"),
    ):
        score = score_coloring(sketches, fake, coloured)
        assert not score.passes(), wrong
    assert score_coloring(sketches, tint, coloured).hue_groups == 1
    assert score_coloring(sketches, inside, coloured).hue_groups == 1


def test_hue_groups_are_counted():
    colors = np.array(
        [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1], [1, 1, 1]], float
    )
    assert hue_groups(colors) == 6
    assert hue_groups(colors[:2]) == 2
    assert hue_groups(np.ones((10, 3))) == 0


# ------------------------------------------------------------------ PSNR and SSIM


def test_psnr_by_hand():
    x = np.zeros((4, 4))
    np.testing.assert_allclose(psnr(x, x + 255), 0, atol=1e-12)
    np.testing.assert_allclose(psnr(x, x + 25.5), 20, atol=1e-12)
    assert psnr(x, x) == np.inf


def test_ssim_is_its_equation_window_by_window():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 255, (16, 18))
    y = np.clip(x + rng.normal(0, 30, x.shape), 0, 255)
    window = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.outer(window, window) / np.outer(window, window).sum()
    values = []
    for top in range(6):
        for left in range(8):
            p, q = (z[top : top + 11, left : left + 11] for z in (x, y))
            mean_p, mean_q = (window * p).sum(), (window * q).sum()
            var_p, var_q = (window * (p - mean_p) ** 2).sum(), (window * (q - mean_q) ** 2).sum()
            both = (window * (p - mean_p) * (q - mean_q)).sum()
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            values.append(
                (2 * mean_p * mean_q + c1)
                * (2 * both + c2)
                / ((mean_p**2 + mean_q**2 + c1) * (var_p + var_q + c2))
            )
    np.testing.assert_allclose(ssim(x, y), np.mean(values), rtol=1e-10)
    np.testing.assert_allclose(ssim(x, x), 1)
    with pytest.raises(ValueError, match="11 pixels"):
        ssim(x[:10], y[:10])


def test_super_resolution_is_scored_on_luma_without_its_border():
    rng = np.random.default_rng(1)
    truth = rng.uniform(-1, 1, (32, 32, 3)).astype(np.float32)
    spoilt = truth.copy()
    spoilt[:4] = 0
    spoilt[:, -4:] = 0
    assert super_resolution_scores(spoilt, truth) == (np.inf, 1.0)
    white, black = np.ones((1, 1, 3)), -np.ones((1, 1, 3))
    np.testing.assert_allclose(
        [luma_bytes(white)[0, 0], luma_bytes(black)[0, 0]], [235, 16], atol=1e-4
    )
