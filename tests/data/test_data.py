"""Sources, cuts and the stream of batches."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import OneDomain, Unpaired
from imgtrans_jax.data.openmoji import TEST, TRAIN_A, TRAIN_B, load_openmoji
from imgtrans_jax.data.sources import FilePictures, Folder, OpenMoji
from imgtrans_jax.io import images
from imgtrans_jax.types import UserError

# ------------------------------------------------------------------ cuts


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(8, 60),
    width=st.integers(8, 60),
    load=st.integers(8, 40),
    crop=st.sampled_from([0, 8, 16, 36]),
    resize=st.sampled_from(["square", "width", "short", "none"]),
    kind=st.sampled_from([np.uint8, np.float32]),
    seed=st.integers(0, 10),
)
def test_every_cut_gives_its_size_and_range(height, width, load, crop, resize, kind, seed):
    cut = Preprocess(load, crop, resize)
    rng = np.random.default_rng(seed)
    picture = (
        rng.integers(0, 256, (height, width, 3)).astype(kind)
        if kind == np.uint8
        else rng.random((height, width, 3))
    )
    for result in (cut.train(picture, rng), cut.test(picture)):
        assert result.dtype == np.float32
        assert np.abs(result).max() <= 1
        if crop:
            assert result.shape == (crop, crop, 3)
        else:
            assert result.shape[0] % 4 == result.shape[1] % 4 == 0
    np.testing.assert_array_equal(cut.test(picture), cut.test(picture))


def test_modes_of_resizing():
    wide = np.zeros((20, 40, 3), np.uint8)
    none = Preprocess(16, 0, "none", flip=False)
    assert none.test(wide).shape == (20, 40, 3)
    assert dataclasses.replace(none, resize="width").test(wide).shape == (8, 16, 3)
    assert dataclasses.replace(none, resize="short").test(wide).shape == (16, 32, 3)
    assert dataclasses.replace(none, resize="square").test(wide).shape == (16, 16, 3)
    assert Preprocess(286, 256).test(wide).shape == (256, 256, 3)


def test_flips_are_half_and_crops_are_everywhere():
    picture = np.zeros((20, 20, 1), np.uint8)
    picture[:, 0], picture[0, :] = 255, 255
    rng = np.random.default_rng(0)
    flips = [Preprocess(20, 20).train(picture, rng)[5, 0, 0] > 0 for _ in range(400)]
    assert 0.4 < np.mean(flips) < 0.6
    tops = [Preprocess(20, 16, flip=False).train(picture, rng)[0, 8, 0] > 0 for _ in range(400)]
    assert 0.13 < np.mean(tops) < 0.28  # one of five offsets has the first row


def test_sizes_that_do_not_go_together_are_refused():
    for cut, words in (
        (Preprocess(64, 66), "multiple of 4"),
        (Preprocess(64, 128), "larger than"),
        (Preprocess(4, 0), "under 8"),
    ):
        with pytest.raises(UserError, match=words):
            cut.check()


# ------------------------------------------------------------------ the embedded drawings


@pytest.fixture(scope="module")
def drawings():
    return load_openmoji(64)


def test_the_embedded_drawings_are_aligned_pairs(drawings):
    sketch, color = drawings["sketch"].astype(float), drawings["colour"].astype(float)
    lines = sketch.max(-1) < 30
    assert len(drawings["name"]) > 1500
    assert color[lines].mean() < 60  # the lines are in the coloured drawing, at the same pixels
    spread = sketch.max(-1) - sketch.min(-1)
    assert (spread > 60).mean() < 0.01  # a sketch has (nearly) no colour
    assert (color.max(-1) - color.min(-1) > 60).mean() > 0.1


def test_no_subject_is_on_two_sides(drawings):
    split = drawings["split"]
    for side in (TRAIN_A, TRAIN_B, TEST):
        assert (split == side).sum() > 100
    seen = {
        side: {d.tobytes() for d in drawings["sketch"][split == side]}
        for side in (TRAIN_A, TRAIN_B, TEST)
    }
    assert not seen[TEST] & (seen[TRAIN_A] | seen[TRAIN_B])
    assert not seen[TRAIN_A] & seen[TRAIN_B]
    side_of = dict(zip(drawings["name"].tolist(), split.tolist(), strict=True))
    man, woman, person = (
        side_of["1F468-200D-1F4BB"],
        side_of["1F469-200D-1F4BB"],
        side_of["1F9D1-200D-1F4BB"],
    )
    assert man == woman == person  # technologists
    assert not any("1F3FB" in name or name.startswith("1F1") for name in side_of)


def test_a_damaged_cache_is_drawn_anew(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("IMGTRANS_CACHE", str(tmp_path))
    monkeypatch.setattr("imgtrans_jax.data.openmoji._drawings", lambda: [("1F600", SVG)])
    assert len(load_openmoji(16)["name"]) == 1
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert load_openmoji(16)["sketch"].shape == (1, 16, 16, 3)


SVG = (
    '<svg viewBox="0 0 72 72" xmlns="http://www.w3.org/2000/svg">'
    '<g id="color"><circle cx="36" cy="36" r="23" fill="#FCEA2B"/></g>'
    '<g id="line"><circle cx="36" cy="36" r="23" fill="none" stroke="#000" stroke-width="6"/></g>'
    "</svg>"
)

# ------------------------------------------------------------------ folders


def test_a_folder_of_folders_finds_its_test_pictures(pictures):
    train, test = Folder(str(pictures)).open("a", 20, 3)
    assert (len(train), len(test)) == (6, 2)
    train, test = Folder(str(pictures / "trainB")).open("b", 20, 3)
    assert (len(train), len(test)) == (5, 2)
    train, test = Folder(str(pictures / "testB")).open("b", 20, 3)
    assert test is train
    opened = OneDomain(str(pictures / "testB")).open()
    assert opened.counts() == f"{len(train)} training and no others to test"
    assert not opened.holds_out
    assert OneDomain(str(pictures)).open().holds_out


def test_bad_pictures_among_good_are_named_and_left_out(pictures, capsys):
    whole = (pictures / "good.jpg",)[0]
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(
        whole
    )
    folder = pictures / "trainA"
    (folder / "cut.jpg").write_bytes(whole.read_bytes()[:900])
    (folder / "text.png").write_text("no")
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(folder / "tiny.png")
    (folder / "notes.txt").write_text("passed over")
    found = FilePictures(folder, 3)
    said = capsys.readouterr().out
    assert len(found) == 6
    for words in (
        "cut.jpg is damaged",
        "text.png is no picture",
        "tiny.png is 2x2",
        "3 of 9 pictures",
    ):
        assert words in said
    assert "notes.txt" not in said


def test_a_folder_without_a_good_picture_is_refused(tmp_path):
    (tmp_path / "a.png").write_text("no")
    with pytest.raises(UserError, match=r"None of the 1 pictures .* can be used"):
        FilePictures(tmp_path, 3)


def test_mixed_kinds_of_pictures_make_batches(tmp_path):
    rng = np.random.default_rng(0)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name, shape in (("rgba", (20, 30, 4)), ("grey", (25, 20)), ("rgb", (40, 20, 3))):
            Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(
                tmp_path / folder / f"{name}.png"
            )
        Image.fromarray(rng.integers(0, 65536, (20, 20), dtype=np.uint16)).save(
            tmp_path / folder / "deep.png"
        )
    opened = Unpaired(str(tmp_path / "a"), str(tmp_path / "b"), Preprocess(20, 16)).open()
    batch = opened.batches(4, seed=0)[0]
    assert batch["a"].shape == batch["b"].shape == (4, 16, 16, 3)
    gray = Unpaired(str(tmp_path / "a"), str(tmp_path / "b"), Preprocess(20, 16), channels=1).open()
    assert gray.batches(4, seed=0)[0]["a"].shape == (4, 16, 16, 1)


def test_one_style_picture_against_many_contents(pictures):
    style = pictures / "testB" / "0.png"
    opened = Unpaired(str(pictures / "trainA"), str(style), Preprocess(20, 16, "none")).open()
    assert opened.steps_per_epoch(2) == 3
    crops = [opened.batches(2, seed=0)[n]["b"] for n in range(6)]
    assert len({crop.tobytes() for crop in crops}) > 3


def test_wrong_channels_for_the_embedded_drawings():
    with pytest.raises(UserError, match="RGB"):
        OpenMoji().open("a", 64, 1)


# ------------------------------------------------------------------ the stream


def opened(pictures):
    return Unpaired(str(pictures), str(pictures), Preprocess(20, 16)).open()


def test_batches_follow_from_seed_and_number_alone(pictures):
    batches, again = opened(pictures).batches(3, seed=5), opened(pictures).batches(3, seed=5)
    for number in (7, 0, 3):
        for side in "ab":
            np.testing.assert_array_equal(batches[number][side], again[number][side])
    assert not np.array_equal(batches[0]["a"], opened(pictures).batches(3, seed=6)[0]["a"])


def test_an_epoch_shows_every_picture_once(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for number in range(6):
            Image.fromarray(np.full((16, 16, 3), 40 * number, np.uint8)).save(
                tmp_path / folder / f"{number}.png"
            )
    batches = (
        Unpaired(str(tmp_path / "a"), str(tmp_path / "b"), Preprocess(16, 16))
        .open()
        .batches(2, seed=0)
    )
    orders = {}
    for side in "ab":
        shown = np.concatenate([batches[n][side][:, 0, 0, 0] for n in range(6)])
        epochs = np.rint((shown + 1) * 127.5 / 40).astype(int).reshape(2, 6).tolist()
        assert [sorted(epoch) for epoch in epochs] == [[0, 1, 2, 3, 4, 5]] * 2
        assert epochs[0] != epochs[1]
        orders[side] = epochs
    assert orders["a"] != orders["b"]


def test_the_iterators_position_is_restored(pictures):
    batches = opened(pictures).batches(2, seed=1)
    iterator = batches.iterator()
    for _ in range(5):
        next(iterator)
    state = iterator.get_state()
    expected = [next(iterator) for _ in range(3)]
    fresh = opened(pictures).batches(2, seed=1).iterator()
    fresh.set_state(state)
    for want in expected:
        got = next(fresh)
        np.testing.assert_array_equal(got["a"], want["a"])
        np.testing.assert_array_equal(got["b"], want["b"])
    np.testing.assert_array_equal(expected[0]["a"], batches[5]["a"])


def test_processes_share_the_rows_of_one_batch(pictures):
    whole = opened(pictures).batches(4, seed=2)[3]
    parts = [opened(pictures).batches(4, seed=2, process=p, processes=2)[3] for p in range(2)]
    for side in "ab":
        np.testing.assert_array_equal(np.concatenate([part[side] for part in parts]), whole[side])


def test_pictures_of_different_sizes_need_a_crop(tmp_path):
    for folder, sizes in (("a", (20, 24)), ("b", (20, 20))):
        (tmp_path / folder).mkdir()
        for i, side in enumerate(sizes):
            Image.fromarray(np.zeros((side, side, 3), np.uint8)).save(
                tmp_path / folder / f"{i}.png"
            )
    batches = (
        Unpaired(str(tmp_path / "a"), str(tmp_path / "b"), Preprocess(20, 0, "none"))
        .open()
        .batches(2, seed=0)
    )
    with pytest.raises(UserError, match="different sizes"):
        batches[0]


def test_the_samples_are_fixed_and_without_chance(pictures):
    first, second = opened(pictures).samples(8), opened(pictures).samples(8)
    assert first["a"].shape == first["b"].shape == (2, 16, 16, 3)
    np.testing.assert_array_equal(first["a"], second["a"])


def test_drawings_that_do_not_fit_into_memory_are_refused():
    with pytest.raises(UserError, match=r"at 30000 pixels take .* of memory"):
        load_openmoji(30_000)


def test_a_single_picture_is_read_once(tmp_path, monkeypatch):
    Image.fromarray(np.arange(48 * 40 * 3, dtype=np.uint8).reshape(48, 40, 3)).save(
        tmp_path / "painting.png"
    )
    cut = Preprocess(load_size=40, crop_size=16)
    opened = Unpaired(str(tmp_path / "painting.png"), str(tmp_path), cut).open()
    reads = []
    read = images.read_picture
    monkeypatch.setattr(images, "read_picture", lambda *a: reads.append(a) or read(*a))
    crops = [opened.batches(2, seed=0)[number]["a"] for number in range(4)]
    assert len(reads) == 2  # one a side
    assert not np.array_equal(crops[0], crops[1])
