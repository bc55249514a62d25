"""Pairs from files, folders, archives and plain pictures; pictures with classes."""

import http.server
import io
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgtrans_jax.data import archives
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Labelled, Mixed, Paired, SelfPaired, Unpaired
from imgtrans_jax.data.derived import Downscale, Edges, Gray, Inpaint, Lab
from imgtrans_jax.data.labelled import GROUPS, OpenMojiGroups
from imgtrans_jax.data.pairs import (
    OneSide,
    OpenMojiPairs,
    Pix2PixPairs,
    ShiftedPairs,
    SideBySide,
    TwoFolders,
    partners,
)
from imgtrans_jax.data.sources import FilePictures, OpenMoji
from imgtrans_jax.io.color import from_lab, luma, to_lab
from imgtrans_jax.types import UserError

SMALL = Preprocess(20, 16)


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def side_by_side(tmp_path):
    """A folder in pix2pix's form; the right half is the negative of the left one."""
    for split, count in (("train", 5), ("val", 2)):
        (tmp_path / "pairs" / split).mkdir(parents=True)
        for number in range(count):
            left = noise(number, 24, 24, 3)
            Image.fromarray(np.concatenate([left, 255 - left], axis=1)).save(
                tmp_path / "pairs" / split / f"{number}.png"
            )
    return tmp_path / "pairs"


# ------------------------------------------------------------------ pairs


@pytest.mark.parametrize(
    "cut",
    [
        SMALL,
        Preprocess(24, 16, "none"),
        Preprocess(20, 0, "short"),
        Preprocess(30, 16, "width", flip=False),
    ],
)
def test_one_draw_cuts_both_pictures_of_a_pair(side_by_side, cut):
    opened = Paired(str(side_by_side), cut=cut).open()
    batches = opened.batches(4, seed=0)
    seen = set()
    for number in range(4):
        batch = batches[number]
        # whatever was cut, flipped and resized
        np.testing.assert_allclose(batch["a"], -batch["b"], atol=0.02)
        seen |= {picture.tobytes() for picture in batch["a"]}
    assert len(seen) > (10 if cut.crop_size else 5)


@pytest.mark.parametrize(("share", "count"), [(0.25, 0), (0.5, 2), (0.0, 0)])
def test_some_rows_are_pairs_and_the_others_not(side_by_side, pictures, share, count):
    data = Mixed(
        str(side_by_side), a=str(pictures), b=str(pictures), share=share, count=count, cut=SMALL
    )
    opened = data.open()
    assert len(opened.streams) == 1
    alone = len(Unpaired(str(pictures), str(pictures)).open().streams[0].train)
    pairs = round(share / (1 - share) * alone)
    assert opened.largest() == alone + pairs
    batches = opened.batches(4, seed=0)
    rows = [
        {name: x[i] for name, x in batches[n].items()}
        for n in range(-(-(alone + pairs) // 4))
        for i in range(4)
    ][: alone + pairs]  # an epoch
    assert sum(row["paired"] for row in rows) == pairs
    for row in rows:
        assert row["paired"].dtype == np.float32
        fits = np.abs(row["a"] + row["b"]).max() < 0.02  # a pair's half is the other's negative
        assert fits == bool(row["paired"])
    held_out = opened.samples(2)
    np.testing.assert_array_equal(held_out["paired"], [1, 1])
    np.testing.assert_allclose(held_out["a"], -held_out["b"], atol=0.02)
    again = data.open().batches(4, seed=0)[1]
    np.testing.assert_array_equal(again["b"], batches[1]["b"])
    if share:  # however few rows are pairs, each comes
        train = opened.streams[0].train
        drawn = [train[0](np.random.default_rng(i))[0].tobytes() for i in range(60)]
        assert len(set(drawn)) == (count or 5)


def test_of_few_pairs_those_are_taken_that_are_asked_for(side_by_side, pictures):
    opened = Mixed(str(side_by_side), a=str(pictures), b=str(pictures), count=2, cut=SMALL).open()
    np.testing.assert_array_equal(opened.streams[0].train.chosen, [0, 4])
    for wrong in ({"share": 1.0}, {"share": -0.1}, {"count": -1}):
        with pytest.raises(UserError, match="must be from 0"):
            Mixed(str(side_by_side), a=str(pictures), b=str(pictures), **wrong).open()


def test_side_by_side_finds_its_splits_and_directions(side_by_side):
    opened = Paired(str(side_by_side), cut=Preprocess(24, 24)).open()
    assert opened.counts() == "5 training and 2 test"
    forward = opened.samples(2)
    backward = Paired(str(side_by_side), direction="b2a", cut=Preprocess(24, 24)).open().samples(2)
    np.testing.assert_array_equal(forward["a"], backward["b"])
    np.testing.assert_array_equal(forward["b"], backward["a"])
    train, test = SideBySide(str(side_by_side / "val")).open(24, 3)
    assert test is train


def test_pictures_that_hold_no_pair_are_refused_and_the_cut_is_said(side_by_side, tmp_path, capsys):
    Paired(str(side_by_side)).open()
    assert "cut in the middle, a left and b right (0.png: 24x24 each)" in capsys.readouterr().out
    (tmp_path / "single").mkdir()
    Image.fromarray(noise(0, 24, 24, 3)).save(tmp_path / "single" / "x.png")
    with pytest.raises(UserError, match=r"x\.png is 24x24, which is no pair side by side"):
        Paired(str(tmp_path / "single")).open()


def test_two_folders_match_by_name(tmp_path, capsys):
    for folder, names in (
        ("a", ("one.png", "two.jpg", "alone.png")),
        ("b", ("one.png", "two.png")),
    ):
        (tmp_path / folder).mkdir()
        for name in names:
            Image.fromarray(noise(len(name), 20, 26, 3)).save(tmp_path / folder / name)
    opened = Paired(a=str(tmp_path / "a"), b=str(tmp_path / "b"), cut=SMALL).open()
    assert opened.counts().startswith("2 training")
    assert "1 pictures of" in capsys.readouterr().out
    assert opened.batches(2, 0)[0]["a"].shape == (2, 16, 16, 3)
    with pytest.raises(UserError, match="give both"):
        Paired(a=str(tmp_path / "a")).open()
    (tmp_path / "b" / "one.png").rename(tmp_path / "b" / "x.png")
    (tmp_path / "b" / "two.png").rename(tmp_path / "b" / "y.png")
    with pytest.raises(UserError, match="match by name"):
        Paired(a=str(tmp_path / "a"), b=str(tmp_path / "b")).open()


# ------------------------------------------------------------------ partners of two folders


def put(folder, name, size=(20, 16), value=0):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path)


def found_partners(tmp_path, a, b):
    for side, names in (("a", a), ("b", b)):
        for name in names:
            put(tmp_path / side, name)
    found = partners(*(FilePictures(tmp_path / side, 3) for side in "ab"))
    return {
        str(x.relative_to(tmp_path / "a")): str(y.relative_to(tmp_path / "b"))
        for x, y in found.items()
    }


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        (["1/x.png", "2/x.png"], ["2/x.jpg", "1/x.png"],
         {"1/x.png": "1/x.png", "2/x.png": "2/x.jpg"}),
        (["x.png", "y.png"], ["deep/er/x.png", "y.png"],
         {"x.png": "deep/er/x.png", "y.png": "y.png"}),
        (["1/x.png", "9/x.png"], ["1/x.png", "8/x.png"], {"1/x.png": "1/x.png"}),
        (["1/x.png", "2/x.png"], ["1/x.png"], {"1/x.png": "1/x.png"}),
        (["a.b.png", "a.png"], ["a.b.jpg", "a.jpg"], {"a.b.png": "a.b.jpg", "a.png": "a.jpg"}),
        (["x.png", "x.jpg", "y.png"], ["y.png"], {"y.png": "y.png"}),
    ],
)  # fmt: skip
def test_partners_have_the_same_path_or_a_name_that_is_unique(a, b, wanted, tmp_path):
    assert found_partners(tmp_path, a, b) == wanted


@pytest.mark.parametrize(
    ("a", "b", "named"),
    [
        (["x.png", "x.jpg"], ["x.png"], ("x.png", "x.jpg")),
        (["x.png"], ["x.png", "x.jpg"], ("x.png", "x.jpg")),
        (["x.png"], ["1/x.png", "2/x.png"], ("1/x.png", "2/x.png")),
        (["1/x.png", "2/x.png", "y.png"], ["x.png", "y.png"], ("1/x.png", "2/x.png")),
    ],
)
def test_two_partners_for_one_picture_are_refused_by_name(a, b, named, tmp_path):
    with pytest.raises(UserError, match="has two partners of its name") as error:
        found_partners(tmp_path, a, b)
    assert all(name in str(error.value) for name in named)


NAMES_OF_FILES = st.lists(
    st.tuples(
        st.sampled_from(["", "1/", "2/", "1/2/"]),
        st.sampled_from("xyz"),
        st.sampled_from([".png", ".jpg"]),
    ),
    min_size=1,
    max_size=8,
    unique=True,
).map(lambda parts: ["".join(part) for part in parts])


class Listed:
    """What `partners` needs of a folder's pictures."""

    def __init__(self, root, names):
        self.root, self.paths = root, [root / name for name in names]


@settings(max_examples=300, deadline=None)
@given(NAMES_OF_FILES, NAMES_OF_FILES)
def test_no_picture_ever_gets_a_partner_that_may_be_anothers(a, b):
    roots = Path("a"), Path("b")
    sides = [Listed(root, names) for root, names in zip(roots, (a, b), strict=True)]
    try:
        found = partners(*sides)
    except UserError:
        stems = [[path.stem for path in side.paths] for side in sides]
        assert any(len(names) > len(set(names)) for names in stems)
        return
    assert len(set(found.values())) == len(found)
    for x, y in found.items():
        of_a, of_b = (
            p.relative_to(root).with_suffix("") for p, root in ((x, roots[0]), (y, roots[1]))
        )
        unique = all([p.stem for p in side.paths].count(x.stem) == 1 for side in sides)
        assert of_a == of_b or (x.stem == y.stem and unique)
    for x in sides[0].paths:  # and whoever has one and one only gets it
        same = [
            y
            for y in sides[1].paths
            if x.relative_to("a").with_suffix("") == y.relative_to("b").with_suffix("")
        ]
        assert not same or found[x] in same


def test_the_pairs_that_are_trained_on_belong_together(tmp_path):
    """Twelve pairs in subfolders whose file names repeat; each pair has a value of its own."""
    for number in range(12):
        name = f"{'abc'[number % 3]}/{number // 3}.png"
        put(tmp_path / "A", name, (16, 16), 20 * number)
        put(tmp_path / "B", name, (16, 16), 20 * number)
    train, _ = TwoFolders(str(tmp_path / "A"), str(tmp_path / "B")).open(16, 3)
    assert len(train) == 12
    for number in range(12):
        a, b = train[number]
        np.testing.assert_array_equal(a, b)


def test_what_is_resized_or_stretched_to_its_partner_is_said(tmp_path, capsys):
    put(tmp_path / "a", "x.png", (40, 32))
    put(tmp_path / "b", "x.png", (20, 16))
    TwoFolders(str(tmp_path / "a"), str(tmp_path / "b")).open(16, 3)
    assert (
        "1 of 1 pairs have two sizes, and the first picture is resized" in capsys.readouterr().out
    )
    put(tmp_path / "a", "y.png", (40, 20))
    put(tmp_path / "b", "y.png", (20, 40))
    TwoFolders(str(tmp_path / "a"), str(tmp_path / "b")).open(16, 3)
    said = capsys.readouterr().out
    assert "1 of 2 pairs have two sizes, and the first picture is stretched" in said
    assert "(40x20) to that of" in said


def test_a_portrait_among_pairs_side_by_side_is_named_and_left_out(side_by_side, capsys):
    Image.fromarray(noise(9, 40, 24, 3)).save(side_by_side / "train" / "portrait.png")
    Image.fromarray(noise(9, 40, 40, 3)).save(side_by_side / "val" / "a_square.png")
    train, test = SideBySide(str(side_by_side)).open(16, 3)
    assert (len(train), len(test)) == (5, 2)
    said = capsys.readouterr().out
    assert "portrait.png is 24x40, which is no pair side by side" in said
    assert "a_square.png is 40x40, which is no pair side by side" in said


def test_pairs_with_transparency_are_cut_each_by_itself(tmp_path):
    """Four and four channels are two pictures, no data of eight."""
    disc = np.zeros((40, 40, 4), np.uint8)
    disc[10:30, 10:30] = (250, 120, 60, 255)
    for side in "ab":
        (tmp_path / side).mkdir()
        Image.fromarray(disc).save(tmp_path / side / "x.png")
    opened = Paired(
        a=str(tmp_path / "a"), b=str(tmp_path / "b"), cut=Preprocess(26, 24), channels=4
    ).open()
    batch = opened.batches(1, seed=0)[0]
    np.testing.assert_array_equal(batch["a"], batch["b"])
    levels = (batch["a"][0] + 1) * 127.5
    seen = levels[..., 3] > 20
    assert np.abs(levels[seen][:, :3] - [250, 120, 60]).max() < 5


def test_the_embedded_pairs_are_sketch_and_drawing_of_one_subject():
    opened = Paired(OpenMojiPairs(), cut=Preprocess(64, 64, flip=False)).open()
    shown = opened.samples(4)
    lines = shown["a"].max(-1) < -0.9
    assert shown["b"][lines].mean() < -0.5
    whole, test = OpenMoji("colour", whole=True).open("b", 64, 3)
    assert (len(whole), len(test)) == (len(opened.streams[0].train), len(opened.streams[0].test))


def test_pairs_serve_without_their_pairing(side_by_side):
    data = Unpaired(OneSide(str(side_by_side), "b"), OneSide(str(side_by_side), "a"), SMALL)
    batch = data.open().batches(5, seed=0)[0]
    assert not np.allclose(batch["a"], -batch["b"], atol=0.1)


# ------------------------------------------------------------------ archives


def archive_of(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("facades/train/link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return file.getvalue()


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A web server for files of tmp_path/www, the cache in tmp_path/cache, and no folder of the
    user's.
    """
    (tmp_path / "www").mkdir()
    monkeypatch.setenv("IMGTRANS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("IMGTRANS_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "www"))

        def log_message(self, format, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_an_archive_is_fetched_once_and_nothing_leads_outside(served, tmp_path):
    picture = io.BytesIO()
    Image.fromarray(noise(0, 16, 32, 3)).save(picture, "PNG")
    hostile = {
        "../../evil.png": b"x",
        "/tmp/evil2.png": b"x",
        "facades/train/../../../evil3.png": picture.getvalue(),
    }
    whole = archive_of(
        {
            "facades/train/1.png": picture.getvalue(),
            "facades/val/2.png": picture.getvalue(),
            **hostile,
        }
    )
    (tmp_path / "www" / "facades.tar.gz").write_bytes(whole)
    folder = archives.fetched("facades", served)
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*.*")) == [
        "train/1.png",
        "train/evil3.png",
        "val/2.png",
    ]
    assert not list(tmp_path.rglob("evil.png"))
    (tmp_path / "www" / "facades.tar.gz").unlink()
    assert archives.fetched("facades", served) == folder
    assert Pix2PixPairs("facades").open(16, 3)[1][0][0].shape == (16, 16, 3)


def test_archives_that_cannot_be_had_leave_nothing_and_say_what_to_do(
    served, tmp_path, monkeypatch
):
    with pytest.raises(UserError, match=r"could not be fetched .*IMGTRANS_DATA"):
        archives.fetched("maps", served)
    (tmp_path / "www" / "maps.tar.gz").write_bytes(
        archive_of({"maps/train/1.png": noise(0, 5000).tobytes()})[:3000]
    )
    with pytest.raises(UserError, match="could not be fetched"):
        archives.fetched("maps", served)
    assert not list((tmp_path / "cache" / "pix2pix").iterdir())
    with pytest.raises(UserError, match="choose one of facades"):
        Pix2PixPairs("facade").open(16, 3)
    (tmp_path / "own" / "maps" / "train").mkdir(parents=True)
    monkeypatch.setenv("IMGTRANS_DATA", str(tmp_path / "own"))
    assert archives.fetched("maps", served) == tmp_path / "own" / "maps"


# ------------------------------------------------------------------ derived pairs


@pytest.mark.parametrize(
    ("by", "channels"),
    [
        (Edges(), (3, 3)),
        (Gray(), (1, 3)),
        (Lab(), (1, 2)),
        (Inpaint(), (4, 3)),
        (Downscale(4), (3, 3)),
    ],
)
def test_every_derivation_has_its_shapes_and_is_the_same_for_a_test_picture(by, channels, pictures):
    opened = SelfPaired(str(pictures), by, SMALL).open()
    batch = opened.batches(3, seed=0)[0]
    side = 4 if isinstance(by, Downscale) else 16
    assert batch["a"].shape == (3, side, side, channels[0])
    assert batch["b"].shape == (3, 16, 16, channels[1])
    for x in batch.values():
        assert x.dtype == np.float32
        assert np.abs(x).max() <= 1.001
    first, second = opened.samples(2), opened.samples(2)
    np.testing.assert_array_equal(first["a"], second["a"])
    shown = by.decode_output(first["a"], first["b"])
    assert shown.shape == (2, 16, 16, 3)
    np.testing.assert_allclose(
        shown, SelfPaired(str(pictures), Gray(), SMALL).open().samples(2)["b"], atol=0.02
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=3, max_size=3))
def test_lab_and_back(colour):
    signed = np.array(colour, np.float32).reshape(1, 1, 3) / 127.5 - 1
    lab = to_lab(signed)
    assert np.abs(lab).max() <= 1 + 1e-6
    np.testing.assert_allclose(from_lab(lab), signed, atol=2e-3)


def test_lab_of_known_colours():
    # CIE Lab under D65 of sRGB red, green, blue, and of a middle grey.
    colors = np.array([[1, -1, -1], [-1, 1, -1], [-1, -1, 1], [0, 0, 0]], np.float32)
    known = [[53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86], [53.39, 0, 0]]
    np.testing.assert_allclose(to_lab(colors) * [50, 110, 110] + [50, 0, 0], known, atol=0.05)
    np.testing.assert_allclose(
        luma(colors)[:, 0], [2 * 0.299 - 1, 2 * 0.587 - 1, 2 * 0.114 - 1, 0], atol=1e-6
    )


def test_what_a_user_gives_stands_for_the_input():
    picture = noise(0, 12, 12, 4).astype(np.float32) / 127.5 - 1
    picture[..., 3] = 1
    picture[2:5, 3:7, 3] = -1  # transparent: to be filled
    filled = Inpaint().encode_input(picture)
    assert filled.shape == (12, 12, 4)
    assert (filled[2:5, 3:7, :3] == 0).all()
    assert (filled[..., 3] > 0).sum() == 12
    result = Inpaint().decode_output(filled[None], np.full((1, 12, 12, 3), 0.5, np.float32))[0]
    assert (result[2:5, 3:7] == 0.5).all()
    np.testing.assert_array_equal(result[6:], picture[6:, :, :3])
    gray = np.repeat(np.linspace(-1, 1, 12, dtype=np.float32)[:, None, None], 12, axis=1).repeat(
        3, axis=2
    )
    np.testing.assert_allclose(Gray().encode_input(gray)[..., 0], gray[..., 0], atol=1e-6)
    with_colour = Lab().decode_output(
        Lab().encode_input(gray)[None], np.zeros((1, 12, 12, 2), np.float32)
    )[0]
    np.testing.assert_allclose(with_colour, gray, atol=2e-3)


def test_edges_are_dark_where_the_picture_has_them():
    picture = np.full((32, 32, 3), 1, np.float32)
    picture[:, 16:] = -1
    lines, _ = Edges().pair(picture, np.random.default_rng(0))
    assert lines[:, 14:18].min() < -0.5
    assert lines[:, :10].min() > 0.99
    assert lines[:, 22:].min() > 0.99


# ------------------------------------------------------------------ classes


def test_digits_come_with_their_class():
    opened = Labelled().open()
    assert opened.classes == tuple("0123456789")
    batch = opened.batches(32, seed=0)[0]
    assert batch["x"].shape == (32, 16, 16, 1)
    assert batch["y"].shape == (32, 10)
    np.testing.assert_array_equal(batch["y"].sum(1), 1)
    # A nearest-mean classifier of real digits agrees with the labels, so that pictures and labels
    # belong together.
    many = opened.batches(1600, seed=1)[0]
    means = np.stack([many["x"][many["y"][:, i] > 0].mean(0).ravel() for i in range(10)])
    nearest = ((batch["x"].reshape(32, 1, -1) - means) ** 2).sum(-1).argmin(1)
    assert (nearest == batch["y"].argmax(1)).mean() > 0.8


def test_the_embedded_groups_hold_what_they_say():
    opened = Labelled(OpenMojiGroups(("faces", "animals")), Preprocess(64, 64), channels=3).open()
    assert opened.classes == ("faces", "animals")
    labels = np.array(
        [
            label
            for _, label in (
                opened.streams[0].train[i] for i in range(len(opened.streams[0].train))
            )
        ]
    )
    assert (np.bincount(labels) > 60).all()
    yellow = [
        np.mean(
            [
                (x[..., 2] < 100) & (x[..., 0] > 200)
                for x in (opened.streams[0].train[int(i)][0] for i in rows[:40])
            ]
        )
        for rows in (np.flatnonzero(labels == k) for k in (0, 1))
    ]
    assert yellow[0] > 2 * yellow[1]  # faces are yellow
    assert len(GROUPS) == 6
    with pytest.raises(UserError, match="no group 'cars'"):
        Labelled(OpenMojiGroups(("cars",)), channels=3).open()


def test_a_folder_of_classes(tmp_path):
    for split, count in (("train", 3), ("test", 1)):
        for kind in ("cat", "dog"):
            (tmp_path / split / kind).mkdir(parents=True)
            for number in range(count):
                Image.fromarray(noise(number, 20, 20, 3)).save(
                    tmp_path / split / kind / f"{number}.png"
                )
    opened = Labelled(str(tmp_path), SMALL, channels=3).open()
    assert opened.classes == ("cat", "dog")
    assert opened.counts() == "6 training and 2 test, classes cat, dog"
    assert Labelled(str(tmp_path / "train" / "cat"), SMALL, channels=3).open().classes == ("all",)
    (tmp_path / "test" / "bird").mkdir()
    Image.fromarray(noise(0, 20, 20, 3)).save(tmp_path / "test" / "bird" / "0.png")
    with pytest.raises(UserError, match=r"bird.* is in no class"):
        Labelled(str(tmp_path), SMALL, channels=3).open()


def test_shifted_pairs_are_moved_each_always_alike_and_test_pairs_are_not():
    plain, test = OpenMojiPairs().open(64, 3)
    moved, moved_test = ShiftedPairs(by=8).open(64, 3)
    assert len(moved) == len(plain)
    np.testing.assert_array_equal(moved_test[3][1], test[3][1])
    offsets = set()
    for index in range(12):
        (a, b), (same, shifted) = plain[index], moved[index]
        np.testing.assert_array_equal(a, same)
        np.testing.assert_array_equal(shifted, moved[index][1])
        around = np.pad(b, ((8, 8), (8, 8), (0, 0)), mode="edge")
        places = [
            (y, x)
            for y in range(17)
            for x in range(17)
            if np.array_equal(around[y : y + 64, x : x + 64], shifted)
        ]
        assert places
        offsets.add(places[0])
    assert len(offsets) > 8
    unmoved, _ = ShiftedPairs(by=0).open(64, 3)
    np.testing.assert_array_equal(unmoved[5][1], plain[5][1])
    with pytest.raises(UserError, match="must not be negative"):
        ShiftedPairs(by=-1).open(64, 3)


def test_shifted_pairs_of_a_folder_without_test_pairs_hold_none_out(tmp_path):
    Image.new("RGB", (32, 16), "red").save(tmp_path / "pair.png")
    train, test = ShiftedPairs(str(tmp_path)).open(16, 3)
    assert train is test
