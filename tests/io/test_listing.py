"""Folders of pictures: what is found there, in which order, under which names."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import RGB
from PIL import Image

from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Unpaired
from imgtrans_jax.data.labelled import ClassFolders
from imgtrans_jax.data.sources import FilePictures, Folder
from imgtrans_jax.evaluation.compare import _readable
from imgtrans_jax.io import images, listing, results
from imgtrans_jax.io.files import fitting, whole
from imgtrans_jax.types import UserError


def test_frames_are_in_natural_order(tmp_path):
    names = [
        "1.png",
        "2.png",
        "3.png",
        "10.png",
        "11.png",
        "a/frame2.png",
        "a/frame10.png",
        "a10/1.png",
        "b2/1.png",
        "b10/1.png",
    ]
    for name in reversed(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [p.relative_to(tmp_path).as_posix() for p in images.list_pictures(tmp_path)] == names


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("a1٣².-_/9", min_size=1, max_size=8), min_size=2, max_size=8))
def test_any_names_have_an_order(names):
    paths = [Path(name) for name in names]
    ordered = sorted(paths, key=listing.natural)
    ordered.reverse()
    assert sorted(ordered, key=listing.natural) == ordered[::-1]


def test_classes_are_in_natural_order(tmp_path):
    for name in ("1", "2", "10"):
        (tmp_path / name).mkdir()
        Image.fromarray(RGB).save(tmp_path / name / "x.png")
    assert ClassFolders(str(tmp_path)).open(16, 3)[2] == ("1", "2", "10")


def test_links_to_folders_are_followed_once_and_never_for_ever(tmp_path, capsys):
    (tmp_path / "in" / "real").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for place in ("in/real/1.png", "elsewhere/2.png"):
        Image.fromarray(RGB).save(tmp_path / place)
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in" / "real")
    (tmp_path / "in" / "real" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "real" / "up").symlink_to(tmp_path)
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "in" / "real")
    (tmp_path / "in" / "gone.png").symlink_to(tmp_path / "nowhere")
    found = [
        p.relative_to(tmp_path / "in").as_posix() for p in images.list_pictures(tmp_path / "in")
    ]
    assert found == ["gone.png", "linked/2.png", "real/1.png"]
    said = capsys.readouterr().out
    assert "1 links to a folder that holds this one" in said
    assert "3 links to a folder that is here already" in said
    assert len(FilePictures(tmp_path / "in", 3)) == 2
    assert "gone.png does not exist" in capsys.readouterr().out


def test_what_is_not_read_is_said_with_its_number(tmp_path, capsys):
    for name in ("a.png", "b.heic", "c.heic", "d.psd", "notes", ".hidden", "e.HEIC"):
        (tmp_path / name).write_bytes(b"")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for _ in range(2):
        assert [p.name for p in images.list_pictures(tmp_path)] == ["a.png"]
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    for words in ("3 .heic", "1 .psd", "1 without a suffix"):
        assert words in said


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_or_device_is_no_picture(tmp_path):
    for name in ("x.png", "x.npy"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(UserError, match="is no file"):
            images.read_picture(tmp_path / name)


def test_a_folder_that_may_not_be_listed_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "sub").mkdir()
    Image.fromarray(RGB).save(tmp_path / "x.png")
    scandir = os.scandir

    def refused(path):
        if Path(path).name == "sub":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert len(images.list_pictures(tmp_path)) == 1
    assert "sub (Permission denied)" in capsys.readouterr().out


def test_18000_frames_are_sorted_and_named():
    """In no more than moments: it was minutes."""
    paths = [Path(f"{number}.png") for number in range(18_000)] + [Path("7.jpg")]
    ordered = sorted(paths, key=listing.natural)
    assert [path.name for path in ordered[7:12]] == ["7.jpg", "7.png", "8.png", "9.png", "10.png"]
    named = results.named(ordered, Path(), Path("out"), [".png"] * len(paths))
    assert len(set(named)) == len(paths)


LONG = "x" * 247 + ".png"


@pytest.mark.parametrize(
    "name",
    [LONG, os.fsdecode(b"caf\xe9.png"), "näïve ☕.png", "a\nb.png", "-x.png", "<!--<script>.png"],
)
def test_names_of_any_kind(name, tmp_path, capsys):
    try:
        images.write_picture(tmp_path / name, RGB)
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system has no such names")
    assert [p.name for p in tmp_path.iterdir()] == [name]
    np.testing.assert_array_equal(images.read_picture(images.list_pictures(tmp_path)[0]), RGB)
    (tmp_path / name).write_bytes(b"no picture")
    with pytest.raises(UserError, match="no picture"):
        images.read_picture(tmp_path / name)


def test_a_partial_file_is_no_longer_than_its_file(tmp_path):
    with whole(tmp_path / LONG) as partial:
        assert len(os.fsencode(partial.name)) <= 255
        assert partial.name.startswith(".")
        with whole(tmp_path / "another") as other:
            assert other != partial
            for path in (partial, other):
                path.write_bytes(b"")


def test_names_beside_a_long_one(tmp_path):
    for name in (LONG, "ä" * 123 + ".png", "x.png"):
        path = tmp_path / fitting(Path(name).stem, ".preview.png")
        path.write_bytes(b"")
        assert path.name.endswith(".preview.png")
    assert path.name == "x.preview.png"


def test_names_that_are_no_utf_8_are_printed(tmp_path):
    """As a program says them, whose console takes UTF-8 only."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system has no such names")
    program = (
        "from imgtrans_jax.commands import app; import sys\n"
        "from imgtrans_jax.data.sources import FilePictures; from pathlib import Path\n"
        "FLAGS = app.Flags(); FOLDER = FLAGS.path('folder', None, ''); POSITIONAL = (FOLDER,)\n"
        "def main(overrides): FilePictures(Path(FOLDER.value), 3)\n"
        "app.main(sys.modules['__main__'])"
    )
    Image.fromarray(RGB).save(folder / "good.png")
    (folder / os.fsdecode(b"\xff.png")).write_bytes(b"")
    environment = os.environ | {"PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, folder], capture_output=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"Left out: " in done.stdout
    assert b"caf\\udce9" in done.stdout


@pytest.mark.parametrize("given", [".", "..", "sub/..", "./"])
def test_the_folder_one_is_in(given, tmp_path, monkeypatch):
    (tmp_path / "trainA" / "sub").mkdir(parents=True)
    (tmp_path / "testA").mkdir()
    Image.fromarray(RGB).save(tmp_path / "trainA" / "x.png")
    Image.fromarray(RGB).save(tmp_path / "testA" / "y.png")
    monkeypatch.chdir(tmp_path / "trainA" / ("sub" if given == ".." else "."))
    train, test = Folder(given).open("a", 16, 3)
    assert [p.name for p in train.paths] == ["x.png"]
    assert [p.name for p in test.paths] == ["y.png"]
    ClassFolders(given).open(16, 3)


@pytest.mark.parametrize(
    ("given", "words"),
    [("/", "whole file system"), ("", "no name"), ("~nobody/x", "does not exist")],
)
def test_folders_that_are_none(given, words):
    for source in (Folder(given), ClassFolders(given)):
        with pytest.raises(UserError, match=words):
            source.open("a", 16, 3) if isinstance(source, Folder) else source.open(16, 3)
    with pytest.raises(UserError, match=words):
        Unpaired(given, given, Preprocess(16, 16)).open()


def test_a_comparison_leaves_out_what_cannot_be_read(tmp_path, capsys):
    (tmp_path / "1.png").write_bytes(b"")
    with pytest.raises(UserError, match="No picture of"):
        _readable(tmp_path, 2, tmp_path / "page.html")
    for number in (2, 3, 10):
        Image.fromarray(RGB).save(tmp_path / f"{number}.png")
    paths, pictures = _readable(tmp_path, 2, tmp_path / "page.html")
    assert [p.name for p in paths] == ["2.png", "3.png"]
    assert len(pictures) == 2
    assert "1.png" in capsys.readouterr().out
