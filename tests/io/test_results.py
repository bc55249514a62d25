"""What is read is never written over, what is there only when asked for, and a result is known
again.
"""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgtrans_jax.inference.load import check_place
from imgtrans_jax.io import images, results
from imgtrans_jax.io.files import fitting, refuse_existing, refuse_inputs, whole
from imgtrans_jax.types import UserError

PICTURE = np.random.default_rng(0).integers(0, 256, (24, 30, 3)).astype(np.uint8)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with an input, reached in several ways, and which is the current one."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    Path("in/a.png").write_bytes(b"input")
    Path("other").symlink_to("in")
    Path("soft.png").symlink_to("in/a.png")
    os.link("in/a.png", "hard.png")
    Path("dangling.png").symlink_to("nowhere.png")
    return tmp_path


@pytest.mark.parametrize(
    "written",
    ["in/a.png", "./in/../in/a.png", "other/a.png", "soft.png", "hard.png", "{place}/in/a.png"],
)
def test_an_input_is_refused_by_any_name(place, written):
    with pytest.raises(UserError, match=r"is the input in/a\.png, which would be overwritten"):
        refuse_inputs([Path("new.png"), Path(written.format(place=place))], [Path("in/a.png")])


def test_an_input_that_is_a_link_is_refused_as_a_file(place):
    for link in ("soft.png", "hard.png"):
        with pytest.raises(UserError, match="would be overwritten"):
            refuse_inputs([Path("in/a.png")], [Path(link)])
    refuse_inputs(
        [Path("b.png"), Path("in/b.png")], [Path("in/a.png"), Path("soft.png"), Path("a.png")]
    )


@pytest.mark.parametrize("path", ["in/a.png", "soft.png", "dangling.png"])
def test_what_is_there_is_refused_unless_it_may_be_replaced(place, path):
    with pytest.raises(UserError, match=f"{path} is there already; add `overwrite`"):
        refuse_existing(Path("new.png"), Path(path), overwrite=False)
    refuse_existing(Path("new.png"), Path(path), overwrite=True)
    refuse_existing(Path("new.png"), overwrite=False)
    for overwrite in (False, True):
        with pytest.raises(UserError, match="in is there already, and is a folder"):
            refuse_existing(Path("in"), overwrite=overwrite)


@pytest.mark.parametrize(
    "name",
    ["x" * 251 + ".png", "é" * 125 + ".png", os.fsdecode(b"caf\xe9" * 40 + b".png"), "a.png"],
)
def test_any_name_that_a_file_system_takes_can_be_written(tmp_path, name):
    with whole(tmp_path / name) as partial:
        partial.write_text("new")
    assert [p.name for p in tmp_path.iterdir()] == [name]


@given(
    st.text(
        st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=300
    ),
    st.sampled_from([".png", "_2.preview.png"]),
)
def test_a_fitted_name_is_short_enough_and_ends_as_it_should(stem, end):
    name = fitting(stem, end)
    assert len(os.fsencode(name)) <= 255
    assert name.endswith(end)
    assert name == stem + end or len(os.fsencode(stem + end)) > 255


# -------------------------------------------------------------------------------------------- names

ENDS = [".png", ".jpg", ".PNG", ".png.jpg", ".webp"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "deep/"]),
            st.sampled_from(["a", "A", "b", "a_2", "x" * 250]),
            st.sampled_from(ENDS),
        )
    ),
    st.sampled_from([".png", ".webp"]),
)
def test_no_result_takes_anothers_place(parts, suffix):
    sources = sorted(
        {Path("in") / f"{folder}{stem[: 255 - len(end)]}{end}" for folder, stem, end in parts}
    )
    found = results.named(sources, Path("in"), Path("out"), [suffix] * len(sources))
    assert len({str(path).casefold() for path in found}) == len(sources)
    for source, path in zip(sources, found, strict=True):
        assert path.suffix == suffix
        assert path.parent == Path("out") / source.parent.relative_to("in")
        assert len(os.fsencode(path.name)) <= 255


def test_results_are_named_after_their_inputs():
    sources = [
        Path("in") / name
        for name in ("1.jpg", "2.png", "deep/1.jpg", "same.jpg", "same.png", "same.jpg.jpg")
    ]
    found = results.named(sources, Path("in"), Path("out"), [".png"] * len(sources))
    names = ["1.png", "2.png", "deep/1.png", "same.jpg_2.png", "same.png.png", "same.jpg.png"]
    assert [str(path.relative_to("out")) for path in found] == names


def test_many_frames_are_named_at_once():
    sources = [Path("in") / f"{i}.{'png' if i % 2 else 'jpg'}" for i in range(18_000)]
    began = time.process_time()
    assert (
        len(set(results.named(sources, Path("in"), Path("out"), [".png"] * len(sources)))) == 18_000
    )
    refuse_inputs([Path("out") / path.name for path in sources], sources)
    assert time.process_time() - began < 5


# -------------------------------------------------------------------------------- results of before

FORMS = [
    *((f"x{suffix}", PICTURE) for suffix in images.WRITABLE),
    *((f"x{suffix}", PICTURE[..., :1]) for suffix in images.WRITABLE),
    *(
        (f"x{suffix}", np.dstack([PICTURE, PICTURE[..., :1]]))
        for suffix in (".png", ".webp", ".tif")
    ),
    *((f"x{suffix}", PICTURE[..., :1].astype(np.uint16) * 257) for suffix in (".png", ".tif")),
    ("large.tif", np.zeros((1500, 1500, 3), np.uint8)),
    ("large.webp", np.random.default_rng(1).integers(0, 256, (300, 300, 3)).astype(np.uint8)),
]


def written(path: Path, picture: np.ndarray = PICTURE, of: Path | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write_picture(path, picture, results.mark(of) if of else "")
    return path


@pytest.mark.parametrize(
    ("name", "picture"), FORMS, ids=lambda x: x if isinstance(x, str) else f"{x.shape}{x.dtype}"
)
def test_a_result_of_any_form_says_what_it_was_made_of(tmp_path, name, picture):
    source = written(tmp_path / "source.png")
    result = written(tmp_path / name, picture, source)
    assert results._mark_in(result) == results.mark(source)
    assert results._mark_in(written(tmp_path / f"un{name}", picture)) == ""
    read = images.read_picture(result, 1 if picture.shape[2] == 1 else 3)
    assert read.shape[:2] == picture.shape[:2]


def test_results_are_no_inputs_of_a_second_run(tmp_path, capsys):
    folder = tmp_path / "in"
    sources = [
        written(folder / name, PICTURE + i)
        for i, name in enumerate(["a.png", "b.png", "deep/a.png"])
    ]
    for source in sources:
        written(folder / "first" / source.relative_to(folder), of=source)
    written(folder / "a_painting.jpg", of=sources[0])
    written(folder / "again.png", of=folder / "a_painting.jpg")
    written(folder / "out" / "mine.png")
    assert sorted(results.inputs_of(folder, folder / "out")) == sorted(sources)
    said = capsys.readouterr().out
    assert (
        f"6 of 9 pictures in {folder} are results ({folder / 'a_painting.jpg'} …) and left out."
        in said
    )
    assert sorted(results.inputs_of(folder, tmp_path / "elsewhere")) == sorted(
        [*sources, folder / "out" / "mine.png"]
    )


def test_a_folder_of_results_is_a_folder_of_pictures(tmp_path, capsys):
    sources = [written(tmp_path / "in" / f"{i}.png", PICTURE + i) for i in range(3)]
    made = [
        written(tmp_path / "out" / f"{i}.png", PICTURE + 9 + i, source)
        for i, source in enumerate(sources)
    ]
    assert results.inputs_of(tmp_path / "out", tmp_path / "again") == made
    # results go above the inputs, not among them
    assert results.inputs_of(tmp_path / "in", tmp_path) == sources
    assert capsys.readouterr().out == ""


def test_results_alone_in_a_folder_are_said(tmp_path):
    written(tmp_path / "in" / "out" / "a.png")
    with pytest.raises(UserError, match="are results in"):
        results.inputs_of(tmp_path / "in", tmp_path / "in" / "out")
    written(tmp_path / "in" / "b.png")
    (tmp_path / "link").symlink_to(tmp_path / "in" / "out")
    assert results.inputs_of(tmp_path / "in", tmp_path / "link") == [tmp_path / "in" / "b.png"]


@pytest.mark.parametrize("name", ["index.html", "config.json", "metrics.jsonl"])
def test_a_folder_with_files_of_the_user_is_no_place_for_a_run(tmp_path, name):
    check_place(tmp_path / "new")
    check_place(tmp_path)
    (tmp_path / name).write_text('{"mine": 1}')
    with pytest.raises(UserError, match=f"{name} is there already and is no run's"):
        check_place(tmp_path)
    # its checkpoints were taken away
    (tmp_path / "config.json").write_text('{"type": "imgtrans_jax.config:Experiment"}')
    check_place(tmp_path)
