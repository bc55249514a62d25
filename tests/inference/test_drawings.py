"""Line drawings: paper made white, lines kept, and who asks for it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from imgtrans_jax.data.datasets import Paired, SelfPaired, Unpaired
from imgtrans_jax.data.derived import Edges, Gray
from imgtrans_jax.data.sources import OpenMoji
from imgtrans_jax.inference.drawings import (
    LineDrawings,
    clean_paper,
    has_white_paper,
    with_flat_fills,
    with_ink,
)


def house(side: int = 300) -> np.ndarray:
    """A line drawing, (side, side, 3) uint8, black on white."""
    picture = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(picture)
    a, b, c = side // 4, side // 2, 3 * side // 4
    draw.line([(a, c), (a, b), (b, a), (c, b), (c, c), (a, c)], "black", width=max(2, side // 60))
    return np.asarray(picture)


def photographed(drawing: np.ndarray, tint, slope: float, seed: int) -> np.ndarray:
    """On tinted paper, with light from one side, grey ink and a sensor's noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: drawing.shape[0], : drawing.shape[1]] / drawing.shape[0]
    light = 0.9 - slope * x - 0.15 * y
    unit = (0.25 + 0.75 * drawing / 255) * light[..., None] * np.array(tint)
    return (255 * unit + rng.normal(0, 3, drawing.shape)).clip(0, 255).astype(np.uint8)


@settings(deadline=None, max_examples=12)
@given(
    st.sampled_from([(1.0, 0.96, 0.85), (0.9, 0.97, 1.0), (1.0, 1.0, 1.0)]),
    st.floats(0, 0.5),
    st.integers(0, 9),
)
def test_a_photographed_drawing_is_black_on_white_again(tint, slope, seed):
    drawing = house()
    photo = photographed(drawing, tint, slope, seed)
    assert not has_white_paper(photo)
    clean = clean_paper(photo)
    assert clean.dtype == np.uint8
    ink = drawing[..., 0] < 50
    assert (clean[~ink] > 245).mean() > 0.995
    assert np.median(clean[ink]) < 60
    assert has_white_paper(clean)
    # the same of floats, to a grey level
    unit = clean_paper(photo.astype(np.float32) / 255)
    assert unit.dtype == np.float32
    np.testing.assert_allclose(255 * unit, clean, atol=1)


@pytest.mark.parametrize("value", [0, 40, 128, 230, 255])
def test_a_sheet_without_ink_is_white(value):
    blank = np.full((40, 60, 3), value, np.uint8)
    assert (clean_paper(blank) == 255).all() or value == 0


def test_a_clean_drawing_stays():
    drawing = house()
    assert has_white_paper(drawing)
    assert np.abs(clean_paper(drawing).astype(int) - drawing).mean() < 1


def test_white_lines_on_black_are_turned():
    drawing = house()
    turned = clean_paper(255 - drawing)
    assert np.abs(turned.astype(int) - drawing).mean() < 3


def test_shapes_that_lines_close_have_one_color():
    drawing = house(120)
    result = np.full((120, 120, 3), 255, np.uint8)
    result[35:90, 30:90] = (200, 40, 30)
    result[70:80, 40:60] = (250, 240, 230)  # a patch
    result[5:15, 5:15] = (255, 250, 225)  # a stain on the background
    result[100:110, 5:25] = (10, 60, 200)  # and what is no stain
    result[105:115, 100:112] = (250, 200, 0)  # a small one
    lowest = np.argwhere(drawing[..., 0] == 0)[:, 0].max()
    result[lowest : lowest + 9, 40:60] = (10, 60, 200)  # that touches a line is none
    flat = with_flat_fills(result, drawing)
    inside = flat[66:84, 40:80].reshape(-1, 3)
    assert (inside == inside[0]).all()
    assert tuple(inside[0]) == (200, 40, 30)
    assert (flat[5:15, 5:15] == 255).all()
    assert tuple(flat[105, 10]) == (10, 60, 200)
    assert (flat[105:115, 100:112] == 255).all()
    assert tuple(flat[lowest + 6, 50]) == (10, 60, 200)
    unit = with_flat_fills(result.astype(np.float32) / 255, drawing)
    np.testing.assert_allclose(255 * unit, flat, atol=0.51)
    blank = np.full((40, 40, 3), 255, np.uint8)
    assert (with_flat_fills(result[:40, :40], blank) == 255).all()


def test_a_shape_of_two_colors_has_that_of_most_of_it_and_no_third_one():
    drawing = house(120)
    ground = np.full((120, 120, 3), 255, np.uint8)
    ground[35:90, 30:90] = (200, 40, 30)
    ground[35:90, 30:62][:, ::2] = (40, 40, 200)  # blue stripes, and red ones
    ground[35:90, 30:62][:, ::3] = (40, 200, 40)  # and green ones: a median of each channel is none
    inside = with_flat_fills(ground, drawing)[66:84, 40:80].reshape(-1, 3)
    assert (inside == (200, 40, 30)).all()


def test_thin_lines_of_a_large_drawing_are_still_seen():
    drawing = np.full((1200, 1200, 3), 255, np.uint8)
    drawing[600:603] = 0
    seen = LineDrawings(expected=True).resize(drawing, 100, 100)
    assert seen.min() < 140
    assert LineDrawings().resize(drawing, 100, 100).min() > 160


def test_ink_keeps_its_color():
    drawing, gray = house(64), np.full((64, 64, 3), 40, np.uint8)
    blue = np.where(drawing == 0, np.array([20, 40, 180], np.uint8), drawing)
    red, green, most = with_ink(gray, blue)[drawing[..., 0] == 0].mean(axis=0)
    assert most > 150 > 60 > max(red, green)


def test_lines_lie_over_colors_at_any_type():
    drawing, color = house(64), np.full((64, 64, 3), (250, 120, 10), np.uint8)
    made = with_ink(color, drawing)
    assert (made[drawing[..., 0] == 255] == (250, 120, 10)).all()
    assert (made[drawing[..., 0] == 0] == 0).all()
    unit = with_ink(color.astype(np.float32) / 255, drawing)
    np.testing.assert_allclose(255 * unit, made, atol=0.51)


def test_who_learns_from_line_drawings():
    assert Unpaired().takes_line_drawings("a2b")
    assert not Unpaired().takes_line_drawings("b2a")
    assert Unpaired(a=OpenMoji("colour"), b=OpenMoji("sketch")).takes_line_drawings("b2a")
    assert Paired().takes_line_drawings("a2b")
    assert not Paired(direction="b2a").takes_line_drawings("a2b")
    assert not Paired(a="x", b="y").takes_line_drawings("a2b")
    assert not Paired("folder").takes_line_drawings("a2b")
    assert Paired("folder", line_drawings=True).takes_line_drawings("a2b")
    assert not Paired("folder", direction="b2a", line_drawings=True).takes_line_drawings("a2b")
    assert not SelfPaired(by=Edges()).takes_line_drawings("a2b")  # photographs come of them
    assert not SelfPaired(by=Gray()).takes_line_drawings("a2b")
