"""Pictures to learn a look from."""

import numpy as np
import pytest
from PIL import Image

from imgtrans_jax.data.looks import DRAWN, SIZE, read_look, scene
from imgtrans_jax.types import UserError


@pytest.fixture(scope="module")
def drawn():
    return {name: draw() for name, draw in DRAWN.items()}


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawn_look_has_light_and_strokes(drawn, name):
    picture = drawn[name]
    assert (picture.shape, picture.dtype) == ((SIZE, SIZE, 3), np.uint8)
    gray = picture.mean(axis=2)
    assert gray.std() > 25  # light and shade
    assert np.abs(np.diff(gray, axis=1)).mean() > 1  # strokes, not a wash alone


def test_a_drawn_look_is_the_same_every_time(drawn):
    np.testing.assert_array_equal(drawn["woodcut"], DRAWN["woodcut"]())


def test_no_two_drawn_looks_are_alike(drawn):
    small = [np.asarray(Image.fromarray(one).resize((8, 8)), float) for one in drawn.values()]
    for number, one in enumerate(small):
        assert all(np.abs(one - other).mean() > 20 for other in small[:number])


def test_a_scene_has_every_tone_alike_and_angles_along_its_contours():
    tone, angle = scene(3, size=96)
    assert np.histogram(tone, 4, (0, 1))[0].tolist() == [96**2 // 4] * 4
    down, across = np.gradient(tone)
    along = np.abs(across * np.cos(angle) + down * np.sin(angle))
    assert np.median(along) < 0.3 * np.median(np.hypot(across, down))


def test_a_painting_is_read_at_its_size_and_missing_ones_get_a_sentence(tmp_path):
    Image.new("RGB", (60, 40), (255, 0, 0)).save(tmp_path / "red.png")
    picture = read_look(str(tmp_path / "red.png"), "red", 20)
    assert (picture.shape, picture.dtype) == ((1, 20, 30, 3), np.float32)
    np.testing.assert_allclose(picture[0, 10, 10], [1, 0, 0], atol=1e-6)
    with pytest.raises(UserError, match="There is no drawn look 'wave'"):
        read_look("", "wave", 64)
    with pytest.raises(UserError, match=r"nowhere\.jpg"):
        read_look(str(tmp_path / "nowhere.jpg"), "wave", 64)
