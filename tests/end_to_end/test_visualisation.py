"""The four experiments, small: grids with the right pictures in the right places, and exact
patches.
"""

import dataclasses
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imgtrans_jax.data import sample_pictures
from imgtrans_jax.io import images
from imgtrans_jax.models.vgg import MEAN, VGG
from imgtrans_jax.optim import GradientDescent
from imgtrans_jax.style import top_patches, workspace
from imgtrans_jax.style.experiments import BrushStrokes, ContentReconstruction, WeightRatios
from imgtrans_jax.style.gatys import apply
from imgtrans_jax.style.top_patches import TopPatches, field
from imgtrans_jax.types import UserError
from imgtrans_jax.weights.vgg import load_vgg

pytestmark = pytest.mark.usefixtures("plain_convolutions")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    images.write_picture(folder / "photo.png", images.resize(sample_pictures.photograph(), 48, 72))
    images.write_picture(
        folder / "painting.png", images.resize(sample_pictures.painting(96, 800), 64, 64)
    )
    many = folder / "many"
    many.mkdir()
    photograph = sample_pictures.photograph()
    for number in range(10):
        images.write_picture(
            many / f"{number}.png",
            photograph[20 * number : 20 * number + 120, 40 * number : 40 * number + 150],
        )
    return folder


@pytest.fixture
def shown(monkeypatch):
    """What a grid is made of, instead of the grid alone."""
    kept = {}
    labelled = images.captioned_grid

    def keep(rows, captions, title):
        kept.update(rows=rows, captions=captions, title=title)
        return labelled(rows, captions, title)

    monkeypatch.setattr(images, "captioned_grid", keep)
    return kept


def test_shallow_layers_give_the_pixels_back(pictures, tmp_path, shown):
    recipe = ContentReconstruction(layers=("conv1_1", "conv3_2"), side=48, steps=40)
    (out,) = recipe.run(pictures / "photo.png", tmp_path / "grid.png")
    assert images.read_picture(out).shape[1] >= 3 * 48 + 4 * 8
    assert shown["captions"] == [["the picture", "conv1_1", "conv3_2"]]
    photo, shallow, deep = (picture.astype(int) for picture in shown["rows"][0])
    assert np.abs(photo - shallow).mean() < 12
    assert np.abs(photo - deep).mean() > np.abs(photo - shallow).mean()


def test_brush_strokes_say_what_stood_in(pictures, tmp_path, shown):
    recipe = BrushStrokes(
        layers=("conv1_2", "conv3_3", "conv3_4"), side=48, steps=(3, 2), columns=2
    )
    recipe.run(pictures / "painting.png", tmp_path / "x.png")
    # conv3_4 is conv3_3 here, once
    assert shown["captions"] == [["the painting", "conv1_2"], ["conv3_3"]]
    assert "VGG-16 (conv3_4 of VGG-19: the deepest layer of the block stands in)" in shown["title"]


@pytest.mark.slow  # the faster of two ways to one picture
def test_ratios_side_by_side_are_those_one_after_the_other(pictures, tmp_path, capsys):
    recipe = WeightRatios(
        ratios=(1.0, 1e6),
        style_layers=("relu1_1", "relu2_1"),
        content_layer="relu2_2",
        side=48,
        steps=15,
    )
    tables = []
    for together in (True, False):
        changed = dataclasses.replace(recipe, side_by_side=together)
        (out,) = changed.run(
            pictures / "photo.png", pictures / "painting.png", tmp_path / f"{together}.png"
        )
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        tables.append(
            np.array(
                [
                    [float(x) for x in line]
                    for line in lines
                    if len(line) == 3 and line[0] in ("1", "1e+06")
                ]
            )
        )
    assert tables[0].shape == (2, 3)
    np.testing.assert_allclose(tables[0], tables[1], rtol=0.05)
    assert tables[0][0, 1] < tables[0][1, 1]  # more style, less content
    assert tables[0][0, 2] / 1 > tables[0][1, 2] / 1e6
    with pytest.raises(UserError, match="above 0"):
        dataclasses.replace(recipe, ratios=(0.0,)).run(
            pictures / "photo.png", pictures / "painting.png", out
        )


def test_ratios_say_when_one_explodes(pictures, tmp_path, capsys):
    recipe = WeightRatios(
        ratios=(1.0, 1e12),
        style_layers=("relu1_1",),
        content_layer="relu1_2",
        side=48,
        steps=60,
        side_by_side=False,
        optimizer=GradientDescent(0.5),
    )
    recipe.run(pictures / "photo.png", pictures / "painting.png", tmp_path / "x.png")
    assert "Ratio 1e+12: the loss exploded by step" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("layer", "y", "x"),
    [("relu1_2", 0, 0), ("relu2_2", 3, 5), ("relu3_3", 5, 2), ("relu3_3", 11, 11)],
)
def test_a_patch_is_all_that_a_unit_sees(layer, y, x):
    """Whatever is changed outside the patch leaves the unit as it is; within, beyond the picture,
    is the mean colour.
    """
    picture = np.random.default_rng(0).integers(0, 256, (48, 48, 3)).astype(np.uint8)
    patch = field(picture, layer, 16, y, x)
    network, params = VGG(16, (layer,)), load_vgg()[1]

    def unit(image: np.ndarray) -> np.ndarray:
        return np.asarray(
            jax.jit(lambda i: apply(network, params, i)[layer])(jnp.float32(image)[None] / 255)
        )[0, y, x]

    marked = np.stack(np.meshgrid(np.arange(1, 49), np.arange(1, 49), [7], indexing="ij"), axis=-1)[
        :, :, 0
    ].astype(np.uint8)
    seen = field(marked, layer, 16, y, x)
    inside = np.zeros((48, 48), bool)
    real = seen[..., 2] == 7
    inside[seen[real][:, 0] - 1, seen[real][:, 1] - 1] = True
    other = np.where(inside[..., None], picture, 255 - picture)
    np.testing.assert_allclose(unit(picture), unit(other.astype(np.uint8)), atol=1e-4)
    edge = np.argwhere(inside)[0]
    changed = picture.copy()
    changed[tuple(edge)] = 255 - changed[tuple(edge)]
    assert np.abs(unit(changed) - unit(picture)).max() > 0
    np.testing.assert_array_equal(patch[real], picture[inside])
    if not real.all():
        np.testing.assert_array_equal(
            patch[~real], np.broadcast_to(images.unit_to_uint8(np.array(MEAN)), patch[~real].shape)
        )


def test_top_patches_are_the_strongest_of_nine_pictures(pictures, tmp_path, shown):
    TopPatches(layers=("relu1_2", "relu3_4"), units=3, side=96, patch=16).run(
        pictures / "many", tmp_path / "grid.png"
    )
    # three by three, 1 px apart
    assert [[sheet.shape for sheet in row] for row in shown["rows"]] == [[(50, 50, 3)] * 3] * 2
    assert all(caption.startswith("relu3_3 unit ") for caption in shown["captions"][1])
    network, params = VGG(16, ("relu2_1",)), load_vgg()[1]
    seen, strongest = top_patches._responses(
        network, params, images.list_pictures(pictures / "many"), 96
    )
    values, places, width = strongest["relu2_1"]
    whole = np.asarray(apply(network, params, jnp.float32(np.stack(seen)) / 255)["relu2_1"])
    assert values.shape == (10, 128)
    np.testing.assert_allclose(values, whole.max(axis=(1, 2)), rtol=1e-4, atol=1e-4)
    y, x = divmod(int(places[4, 7]), width)
    np.testing.assert_allclose(whole[4, y, x, 7], values[4, 7], rtol=1e-4)


def test_nine_pictures_are_needed(pictures, tmp_path):
    (tmp_path / "few").mkdir()
    images.write_picture(tmp_path / "few" / "a.png", images.read_picture(pictures / "photo.png"))
    with pytest.raises(UserError, match="need nine"):
        TopPatches(layers=("relu1_1",), side=32).run(tmp_path / "few", tmp_path / "x.png")


def test_a_picture_too_narrow_is_said(tmp_path):
    images.write_picture(tmp_path / "x.png", np.zeros((10, 900, 3), np.uint8))
    with pytest.raises(UserError, match="too narrow"):
        ContentReconstruction(side=256).run(tmp_path / "x.png", tmp_path / "y.png")
    assert workspace.preview_beside(tmp_path / "x.png").name == "x.preview.png"


EXPERIMENTS = [
    (ContentReconstruction(), ("photo.png",)),
    (BrushStrokes(), ("painting.png",)),
    (TopPatches(), ("many",)),
]
EXPERIMENTS += [(WeightRatios(), ("photo.png", "painting.png"))]


@pytest.mark.parametrize(("experiment", "inputs"), EXPERIMENTS, ids=lambda x: type(x).__name__)
def test_no_grid_takes_the_place_of_a_file_or_an_input(experiment, inputs, pictures, tmp_path):
    given = [pictures / name for name in inputs]
    (tmp_path / "grid.png").write_text("mine")
    for out in (tmp_path, tmp_path / "grid.png"):
        with pytest.raises(UserError, match=r"grid\.png is there already; add `overwrite`"):
            experiment.run(*given, out)
    assert (tmp_path / "grid.png").read_text() == "mine"
    if given[0].is_file():
        (tmp_path / "link.png").symlink_to(given[-1])
        with pytest.raises(UserError, match="which would be overwritten"):
            experiment.run(*given, tmp_path / "link.png", overwrite=True)


def test_a_grid_in_its_folder_is_none_of_the_pictures(pictures, tmp_path, capsys):
    shutil.copytree(pictures / "many", tmp_path / "many")
    experiment = TopPatches(layers=("relu1_1",), units=1, side=32)
    experiment.run(tmp_path / "many", tmp_path / "many" / "grid.png")
    experiment.run(tmp_path / "many", tmp_path / "many" / "grid.png", overwrite=True)
    experiment.run(tmp_path / "many", tmp_path / "other.png")
    with pytest.raises(UserError, match="which would be overwritten"):
        experiment.run(
            tmp_path / "many", min((tmp_path / "many").glob("[0-9]*.png")), overwrite=True
        )
    assert capsys.readouterr().out.count("1 of 11 pictures") == 2
