"""JSON of unknown origin: within bounds, and harmless in a page."""

import json
import math
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgtrans_jax.data import archives
from imgtrans_jax.evaluation import compare, human_study, records
from imgtrans_jax.evaluation.human_study import Plan
from imgtrans_jax.io import json_files
from imgtrans_jax.io.files import check_fetched, refuse_existing
from imgtrans_jax.metrics.segmentation import colors_of
from imgtrans_jax.report import curves, run_page
from imgtrans_jax.report.comparison_page import Column, comparison_page
from imgtrans_jax.report.run_page import Report
from imgtrans_jax.training.diagnostics import Watch
from imgtrans_jax.types import UserError

TEXTS = {
    "deep lists": b"[" * 100_000,
    "deep lists, closed": b"[" * 900 + b"]" * 900,
    "deep objects": b'{"a":' * 900 + b"1" + b"}" * 900,
    "no UTF-8": b'{"a": "\xff\xfe"}',
    "half a character": b'{"a": "\\ud800"}',
    "half a character in a name": b'{"\\udfff": 1}',
    "a number of 5000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "a number of 100 digits": b'{"a": ' + b"9" * 100 + b"}",
    "a name twice": b'{"a": 1, "a": 2}',
    "a list": b"[1]",
    "a text": b'"a"',
    "nothing": b"",
    "null": b"null",
    "another encoding": '{"a": 1}'.encode("utf-16"),
    "zeros": bytes(1000),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_that_are_none(name, tmp_path):
    with pytest.raises(ValueError, match=r"."):
        json_files.parsed(TEXTS[name])
    (tmp_path / "x.json").write_bytes(TEXTS[name])
    assert json_files.read_or_none(tmp_path / "x.json") is None
    (tmp_path / "x.jsonl").write_bytes(b'{"a": 1}\n' + TEXTS[name] + b'\n{"b": NaN}\n')
    read = list(json_files.lines(tmp_path / "x.jsonl"))
    assert read[0] == {"a": 1}
    assert math.isnan(read[-1]["b"])


def test_a_mark_of_byte_order_is_no_damage():
    assert json_files.parsed(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_a_large_text_is_not_read(tmp_path):
    (tmp_path / "x.json").write_bytes(b"[" + b"[]," * (json_files.LARGEST // 3) + b"[]]")
    with pytest.raises(ValueError, match="larger"):
        json_files.read(tmp_path / "x.json", list)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=20,
)


@given(JSON)
@settings(deadline=None, max_examples=200)
def test_what_is_written_is_read_and_cannot_leave_its_element(value):
    assert json_files.parsed(json.dumps({"a": value}))["a"] == value
    text = json_files.embedded(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


# --------------------------------------------------------------------------------- whoever reads it


def rows(*lines: object) -> bytes:
    return (
        b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
        + b"\n"
    )


BAD = ["x", None, True, [1], {"a": 1}, {}, [], "NaN", [[]]]


def test_a_text_where_a_number_belongs_is_passed_over(tmp_path):
    (tmp_path / "samples").mkdir()
    (tmp_path / "metrics.jsonl").write_bytes(
        rows(
            {"step": 1, "loss": 0.5},
            *({"step": bad, "loss": 1} for bad in BAD),
            *({"step": 2, "loss": bad} for bad in BAD),
        )
        + rows(
            *TEXTS.values(),
            {"step": -1, "loss": 1},
            {"step": 3, "loss": float("nan"), "rate": float("inf")},
        )
    )
    read = run_page.read_metrics(tmp_path)
    assert [row["step"] for row in read] == [1] + [2] * len(BAD) + [3]
    assert "<svg" in curves.curves_svg("x", ["loss", "rate"], read)
    (tmp_path / "columns.json").write_text('{"a2b": 3, "b2a": [1, "<"]}')
    for name in (
        "mine.png",
        "x_1.png",
        "1e3_a.png",
        "٣_a.png",
        "99999999999999999999_a.png",
        '0000001_a"onerror="x.png',
    ):
        Image.new("RGB", (4, 4)).save(tmp_path / "samples" / name)
    (tmp_path / "watch.json").write_text(
        '{"seen": {"a": ["x"]}, "standing": [{"name": [], "text": {}, "since": "x"}]}'
    )
    shown = Report(tmp_path, {}, {}, step=3)
    shown.page("x", running=False)
    shown.close()
    Watch(tmp_path, None)
    page = (tmp_path / "index.html").read_text()
    assert '"onerror' not in page
    assert "mine.png" not in page
    assert (tmp_path / "samples" / "mine.png").exists()


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b"[]",
        b'{"a": [1, 2, 3]}',
        b'{"a": "abc", "b": "def"}',
        b'{"a": [1e999,0,0], "b": [0,0,0]}',
        b'{"a": [1,2,3], "b": [0,0,256], "c": [0,0,0]}',
        *TEXTS.values(),
    ],
)
def test_colours_that_are_none(text, tmp_path):
    (tmp_path / "colours.json").write_bytes(text)
    with pytest.raises(UserError, match="two classes or more"):
        colors_of(str(tmp_path / "colours.json"))


def test_scores_that_are_none(tmp_path):
    good = {
        "what": "a2b",
        "step": 2,
        "scores": {"kid": 0.5},
        "errors": {"kid": 0.1},
        "counts": {"fakes": 2},
        "protocol": {},
    }
    spoilt = [good | {key: bad} for key in good if key != "what" for bad in BAD]
    spoilt += [
        good
        | {"scores": {"kid": bad, "fid": 1.0}, "errors": {"fid": bad}, "counts": {"fakes": bad}}
        for bad in BAD
    ]
    spoilt += [good | {"protocol": {"features": bad, "pictures": bad}} for bad in BAD]
    picture = np.zeros((4, 4, 3), np.uint8)
    for record in spoilt:
        (tmp_path / records.FILE).write_bytes(rows(*TEXTS.values(), {"what": []}, record))
        column = compare._column(tmp_path, "x", [picture], 2, "a2b")
        assert "<table" in comparison_page(
            [Column("input", [picture], {}), column, column], "a2b", {}
        )


def test_answers_that_are_none(tmp_path):
    trial = {"method": "a", "fooled": True, "scored": True}
    good = {"format": human_study.FORMAT, "participant": "p", "study": "s", "trials": [trial]}
    (tmp_path / "good.json").write_text(json.dumps(good))
    spoilt = [rows(good | {"trials": bad}) for bad in BAD] + [
        rows(good | {"trials": [bad]}) for bad in BAD
    ]
    spoilt += [
        rows(good | {"trials": [trial | {key: bad}]}) for key in trial for bad in ([], {}, None, 3)
    ]
    spoilt += [rows(good | {"format": bad}) for bad in BAD] + [
        rows(good | {"participant": bad}) for bad in BAD[1:7]
    ]
    for number, text in enumerate([*spoilt, *TEXTS.values()]):
        (tmp_path / f"{number}.json").write_bytes(text)
    (tmp_path / "folder.json").mkdir()
    sessions, refused = human_study.read_sessions([tmp_path])
    assert sessions == [good]
    assert len(refused) == len(spoilt) + len(TEXTS) + 1
    assert "100.0%" in human_study.summary(sessions)


# -------------------------------------------------------------------------------------------- pages


class Scripts(HTMLParser):
    """As a browser tells scripts from the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "script":
            self.texts.append("")

    def handle_data(self, data):
        if self.tags and self.tags[-1] == "script":
            self.texts[-1] += data


NAMES = ["<!--<script>x.png", "<script>.png", "a\u2028b.png", "&lt;'\".png"]


def test_no_name_of_a_picture_or_folder_ends_the_study_page(tmp_path):
    for folder in ("real", "<img src=x onerror=alert(1)>"):
        (tmp_path / folder).mkdir()
        for name in NAMES:
            Image.new("RGB", (16, 16)).save(tmp_path / folder / name)
    (inner,) = [p for p in tmp_path.iterdir() if p.name.startswith("<")]
    human_study.make(tmp_path / "real", [inner], tmp_path / "s.html", Plan(size=16))
    page = (tmp_path / "s.html").read_text(encoding="utf-8")
    seen = Scripts()
    seen.feed(page)
    assert seen.tags.count("script") == 2
    assert "img" not in seen.tags
    assert "<!--" not in page
    data = json.loads(seen.texts[0])
    assert sorted(p["name"] for p in data["real"]) == sorted(NAMES)
    assert data["methods"][0]["name"] == inner.name


def test_no_name_of_a_run_or_text_of_a_config_is_markup(tmp_path):
    evil = "<script>alert(1)</script>"
    picture = np.zeros((4, 4, 3), np.uint8)
    column = Column(evil, [picture], {evil: 1.0}, evil, {evil: 1.0})
    folder = tmp_path / "<b>"
    shown = Report(folder, {"a": evil}, {evil: evil}, step=0, notes=evil)
    shown.metrics(1, {evil: 1.0})
    shown.samples(1, {"<i>": {evil: np.zeros((1, 8, 8, 3), np.float32)}})
    shown.page(evil, running=False)
    shown.close()
    for page in (
        comparison_page([Column("input", [picture], {}), column], "a2b", {}),
        (folder / "index.html").read_text(),
    ):
        seen = Scripts()
        seen.feed(page)
        assert not {"script", "b", "i"} & set(seen.tags)


# ----------------------------------------------------------------------------- files that are there


def test_what_is_there_is_refused_before_any_work(tmp_path):
    file, folder = tmp_path / "a.html", tmp_path / "b.html"
    refuse_existing(file, folder, overwrite=False)
    file.write_text("mine")
    folder.mkdir()
    with pytest.raises(UserError, match=r"a\.html is there already; add `overwrite`"):
        refuse_existing(folder / "new", file, overwrite=False)
    refuse_existing(file, overwrite=True)
    with pytest.raises(UserError, match=r"b\.html is there already, and is a folder"):
        refuse_existing(file, folder, overwrite=True)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="link is there already"):
        refuse_existing(tmp_path / "link", overwrite=False)


def test_the_page_of_runs_lies_beside_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (
        compare.page_beside([Path("runs/a"), Path("runs/b")])
        == tmp_path / "runs" / "comparison.html"
    )
    assert (
        compare.page_beside([Path("runs/a"), Path("x/runs/b")])
        == tmp_path / "runs" / "comparison.html"
    )
    assert (
        compare.page_beside([Path("runs/a"), Path("/nowhere/b")])
        == tmp_path / "runs" / "comparison.html"
    )


def test_what_was_fetched_is_known_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("IMGTRANS_CACHE", str(tmp_path / "cache"))
    check_fetched("x", "aa")
    assert "No published checksum of x is known" in capsys.readouterr().out
    check_fetched("x", "aa")
    check_fetched("y", "bb")
    with pytest.raises(UserError, match=r"not what it was the first time .*remove its line"):
        check_fetched("x", "bb")
    assert archives.ADDRESS.startswith("https://")


@pytest.mark.skipif(sys.platform != "linux", reason="resource limits")
def test_a_large_hostile_text_costs_under_a_gigabyte(tmp_path):
    (tmp_path / "x.json").write_bytes(b'{"a":[' + b"{}," * (json_files.LARGEST // 3 - 10) + b"{}]}")
    code = f"""import pathlib, resource
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
import json_files
json_files.read(pathlib.Path({str(tmp_path / "x.json")!r}))
print("read")"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(json_files.__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "read\n", done.stderr
