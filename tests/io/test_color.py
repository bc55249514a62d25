"""Colours: statistics are met exactly, luminance and chroma are what they are called."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from imgtrans_jax.io import color


def picture(seed: int, shape: tuple[int, int] = (20, 30)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixing = np.linalg.qr(rng.normal(size=(3, 3)))[0] * rng.uniform(0.03, 0.2, 3)
    return (rng.normal(size=(*shape, 3)) @ mixing + rng.uniform(0.3, 0.7, 3)).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1001, 2000))
def test_a_matched_picture_has_the_others_mean_and_covariance(a, b):
    target = color.statistics(picture(b))
    matched = color.match(picture(a), color.statistics(picture(a)), target)
    mean, covariance = color.statistics(matched)
    np.testing.assert_allclose(mean, target[0], atol=1e-4)
    np.testing.assert_allclose(covariance, target[1], atol=2e-3 * np.abs(target[1]).max() + 2e-4)


def test_to_match_itself_changes_nothing():
    own = color.statistics(picture(1))
    np.testing.assert_allclose(color.match(picture(1), own, own), picture(1), atol=1e-4)


def test_a_flat_picture_becomes_the_mean_colour():
    flat = np.full((8, 8, 3), 0.25, np.float32)
    target = color.statistics(picture(2))
    matched = color.match(flat, color.statistics(flat), target)
    np.testing.assert_allclose(matched, np.broadcast_to(target[0], matched.shape), atol=1e-4)


def test_statistics_under_a_mask_see_its_pixels_alone():
    whole = np.concatenate([picture(3), picture(4)])
    mask = np.zeros((40, 30, 1))
    mask[:20] = 1
    for masked, alone in zip(
        color.statistics(whole, mask), color.statistics(picture(3)), strict=True
    ):
        np.testing.assert_allclose(masked, alone, atol=1e-6)


def test_blends_lie_between():
    a, b = color.statistics(picture(5)), color.statistics(picture(6))
    mean, covariance = color.blend([a, b], [3, 1])
    np.testing.assert_allclose(mean, 0.75 * a[0] + 0.25 * b[0])
    np.testing.assert_allclose(covariance, 0.75 * a[1] + 0.25 * b[1])


def test_luminance_and_chroma():
    np.testing.assert_allclose(
        color.luminance(np.array([[[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]]))[0, :, 0],
        [0.299, 0.587, 0.114],
    )
    a, b = np.clip(picture(7), 0.3, 0.6), np.clip(picture(8), 0.3, 0.6)
    joined = color.with_luminance(a, b)
    np.testing.assert_allclose(color.luminance(joined), color.luminance(b), atol=1e-5)
    np.testing.assert_allclose(joined - color.luminance(joined), a - color.luminance(a), atol=1e-5)


def test_oklab_is_its_author_s():
    """The pairs of XYZ and OkLab that the author publishes, by sRGB: white, and pure red, green and
    blue, and back."""
    rgb = np.array([[[1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]], float)
    expected = [[1, 0, 0], [0.628, 0.225, 0.126], [0.866, -0.234, 0.179], [0.452, -0.032, -0.312]]
    np.testing.assert_allclose(color.to_oklab(rgb)[0], expected, atol=1e-3)
    some = np.random.default_rng(0).uniform(size=(5, 6, 3))
    np.testing.assert_allclose(color.from_oklab(color.to_oklab(some)), some, atol=1e-5)


def test_clean_chroma_has_no_specks_and_stops_at_the_forms_of_lightness():
    rng = np.random.default_rng(0)
    lab = np.zeros((24, 24, 3), np.float32)
    lab[:, :12] = 0.3, 0.1, 0.0
    lab[:, 12:] = 0.8, -0.1, 0.0
    speckled = lab + np.array([0, 1, 1]) * rng.normal(0, 0.02, lab.shape)
    pictures = [color.from_oklab(x) for x in (lab, speckled)]
    found = color.to_oklab(color.with_clean_chroma(pictures[1], pictures[1], passes=20))
    assert np.abs(found - lab)[..., 1:].mean() < 0.25 * np.abs(speckled - lab)[..., 1:].mean()
    assert np.abs(found[:, 11:13, 1] - lab[:, 11:13, 1]).mean() < 0.03  # 0.2 apart
    np.testing.assert_allclose(found[..., 0], color.to_oklab(pictures[1])[..., 0], atol=2e-2)
