"""The figures of a style transfer."""

import jax
import numpy as np
import pytest

from imgtrans_jax.data.sample_pictures import painting, photograph
from imgtrans_jax.io import images
from imgtrans_jax.metrics import transfer
from imgtrans_jax.metrics.transfer import patch_distance, transfer_figures
from imgtrans_jax.weights.vgg import load_vgg


@pytest.mark.usefixtures("plain_convolutions")
def test_patches_are_far_from_another_picture_s_and_near_those_of_the_same(monkeypatch):
    monkeypatch.setattr(transfer, "PATCH_LAYERS", ("relu1_2", "relu2_2"))
    network = load_vgg()
    one, other = (
        images.resize(picture, 96, 96).astype(np.float32) / 255
        for picture in (painting(128, 600), photograph())
    )
    turned = np.ascontiguousarray(one[::-1, ::-1])  # the same patches, nearly, at other places
    assert patch_distance(*network, one, one) == pytest.approx(0, abs=1e-6)
    near, far = (patch_distance(*network, x, one) for x in (turned, other))
    assert near < 0.1 * far
    # and it is by the style's own spread: of the mean alone it is about 1
    flat = np.broadcast_to(one.mean((0, 1)), one.shape).astype(np.float32)
    assert 0.3 < patch_distance(*network, flat, one) < 3


def test_the_figures_favor_neither_border(monkeypatch):
    of = {"zero": (4.0, 0.5), "edge": (9.0, 0.7)}
    monkeypatch.setattr(transfer, "_figures", lambda depth, params, pictures, border: of[border])
    picture = np.zeros((8, 8, 3), np.float32)
    found = transfer_figures(16, {}, picture, picture, picture)
    assert found == pytest.approx((6.0, 0.6))


def test_the_sliced_distance_of_two_gaussians_is_that_of_their_projections(monkeypatch):
    """Sorted projections against NumPy's, for maps that stand for those of a network."""
    rng = np.random.default_rng(0)
    maps = [rng.normal(mean, 1, (1, 16, 16, 4)).astype(np.float32) for mean in (0.0, 0.5)]

    class Network:
        def __init__(self, *_):
            self.apply = lambda params, picture: {
                layer: maps[int(picture[0, 0, 0, 0])] for layer in transfer.PATCH_LAYERS
            }

    monkeypatch.setattr(transfer, "VGG", Network)
    monkeypatch.setattr(jax, "jit", lambda function: function)
    picture, style = (np.full((16, 16, 3), value, np.float32) for value in (0, 1))
    found = patch_distance(16, {}, picture, style)
    # for one direction u: (mean of u . 0.5)^2 = 0.25 |sum u|^2, 0.25 on average, by a variance of 1
    assert found == pytest.approx(0.25, rel=0.25)
