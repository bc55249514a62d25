"""The page, the curves and the files beside them."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from imgtrans_jax.io.images import read_picture
from imgtrans_jax.report.curves import curves_svg
from imgtrans_jax.report.run_page import Report, read_metrics
from imgtrans_jax.runtime.clock import Clock
from imgtrans_jax.runtime.console import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (18600, "5 h 10 min"),
        (183600, "2 d 3 h"),
    ],
)
def test_durations_are_read_by_people(seconds, text):
    assert duration(seconds) == text


def filled(folder, step=0):
    report = Report(folder, {"type": "x", "note": "<b>"}, {"jax": "1"}, step)
    column = np.zeros((2, 8, 8, 3), np.float32)
    for now in range(step + 10, step + 40, 10):
        report.metrics(now, {"cycle_a": 1 / now, "d_a_real": 0.5, "norm/g_grad": 2.0})
        report.samples(
            now,
            {
                name: {"input": column, "output": column + 1, "truth": column - 1}
                for name in ("a2b", "b2a")
            },
        )
    report.page("Training: step 30.", running=True)
    return report


def test_the_page_opens_from_disk_and_refreshes_while_training(tmp_path):
    report = filled(tmp_path / "run")
    page = (tmp_path / "run" / "index.html").read_text()
    assert 'http-equiv="refresh"' in page
    assert "http://" not in page
    assert "https://" not in page
    for source in ("samples/0000030_a2b.png", "samples/0000010_b2a.png"):
        assert f'src="{source}"' in page
        assert read_picture(tmp_path / "run" / source).shape == (18, 28, 3)
    assert "&lt;b&gt;" in page
    report.page("Finished.", running=False)
    assert 'http-equiv="refresh"' not in (tmp_path / "run" / "index.html").read_text()
    report.close()


def test_samples_have_input_output_and_reconstruction_in_a_row(tmp_path):
    filled(tmp_path).close()
    sheet = read_picture(tmp_path / "samples" / "0000010_a2b.png")
    assert sheet[0, 0, 0] == 128
    assert sheet[0, 10, 0] == 255
    assert sheet[0, 20, 0] == 0


def test_a_resume_drops_what_came_after_the_checkpoint(tmp_path):
    filled(tmp_path).close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 35, "cyc')  # a kill in the middle of a line
    Report(tmp_path, {}, {}, step=20).close()
    assert [row["step"] for row in read_metrics(tmp_path)] == [10, 20]
    assert sorted(p.name for p in (tmp_path / "samples").iterdir())[-1] == "0000020_b2a.png"
    assert all(json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines())


def test_tensorboard_files_hold_the_scalars(tmp_path):
    filled(tmp_path).close()
    (events,) = tmp_path.glob("events.out.tfevents.*")
    assert b"cycle_a" in events.read_bytes()


def test_curves_are_well_formed_and_survive_odd_values():
    rows = [
        {"step": s, "x": v} for s, v in ((1, 1.0), (2, float("nan")), (3, 3.0), (4, float("inf")))
    ]
    svg = curves_svg("a & b", ["x", "missing"], rows)
    root = ElementTree.fromstring(svg[svg.index("<svg") : svg.index("</svg>") + 6])
    (line,) = root.iter("polyline")
    assert len(line.attrib["points"].split()) == 2
    assert curves_svg("none", ["x"], []) == ""
    assert "polyline" in curves_svg("flat", ["x"], [{"step": 1, "x": 0.0}])


def test_damaged_rows_are_passed_over(tmp_path):
    rows = [
        b'{"step": 1, "x": 2.0}',
        b'{"step": 2, "x": \xf3}',
        b'{"stfp": 3}',
        b"[]",
        b'{"step": 4, "x": 1.0}',
        b'{"step": 5',
    ]
    (tmp_path / "metrics.jsonl").write_bytes(b"\n".join(rows))
    assert [row["step"] for row in read_metrics(tmp_path)] == [1, 4]


def test_strangers_pictures_among_the_samples_are_let_be(tmp_path):
    """Whatever lies there: a phone's name begins like a step."""
    filled(tmp_path).close()
    names = (
        "photo.png",
        "20240101_120000.png",
        "0000099_other.png",
        "1_a2b.png",
        "_a2b.png",
        "x_y_z.png",
        "\u0661_a2b.png",
    )
    for name in names:
        (tmp_path / "samples" / name).write_bytes(b"no picture")
    report = filled(tmp_path, step=20)
    page = (tmp_path / "index.html").read_text()
    assert not [name for name in names if f"samples/{name}" in page]
    assert all((tmp_path / "samples" / name).exists() for name in names)
    assert "0000050_a2b.png" in page
    report.close()
    (tmp_path / "columns.json").write_text("[1, 2]")
    filled(tmp_path, step=50).close()


@pytest.mark.parametrize(
    "value",
    [
        '"high"',
        "null",
        "true",
        "[1, 2]",
        '{"a": 1}',
        "1" * 400,
        "1e999",
        "NaN",
        "[" * 100_000,
        '"' + "x" * 10**6 + '"',
    ],
)
def test_a_run_goes_on_whatever_stands_in_its_files(tmp_path, value):
    filled(tmp_path).close()
    rows = (tmp_path / "metrics.jsonl").read_text()
    (tmp_path / "metrics.jsonl").write_text(
        f'{{"step": 5, "cycle_a": {value}}}\n{{"step": {value}, "x": 1}}\n{rows}'
    )
    for text in (value, f'{{"a2b": {value}}}'):
        (tmp_path / "columns.json").write_text(text)
        for name in ("holiday.png", "x_a2b.png", "-5_a2b.png", "0000010.png"):
            (tmp_path / "samples" / name).write_bytes(b"not ours")
        report = Report(tmp_path, {}, {}, step=20)
        report.page("Training.", running=True)
        report.close()
    assert {10, 20} <= {row["step"] for row in read_metrics(tmp_path)} <= {5, 10, 20}
    assert (tmp_path / "samples" / "holiday.png").read_bytes() == b"not ours"
    page = (tmp_path / "index.html").read_text()
    assert "holiday" not in page


def test_the_page_of_a_resumed_run_says_that_it_trains(monkeypatch):
    clock = Clock(9, 18, 2)
    assert clock.status(9, running=True).startswith("Training: step 9 of 18 (")
    clock.rate = 0.5
    assert "step 12 of 18, about 12 s left (" in clock.status(12, running=True)
    stopped = clock.status(12, running=False)
    assert stopped.startswith("Stopped: step 12 of 18 (")
    assert stopped.endswith("The same command goes on, for about 12 s.")
    assert "left" not in stopped
    assert clock.status(18, running=False).startswith("Finished")


CYCLEGAN = {
    f"{name}_{side}{end}": 1.0
    for name, side, end in [(n, s, "") for n in ("cycle", "identity") for s in "ab"]
    + [("gan", "ab", ""), ("gan", "ba", "")]
    + [("d", s, f"_{e}") for s in "ab" for e in ("real", "fake")]
}


@pytest.mark.parametrize(
    ("terms", "shown"),
    [
        (CYCLEGAN, "cycle 2.000  identity 2.000  gan 2.000  d 4.000"),
        (
            {"pixel": 30.25, "gan": 0.5, "d_real": 0.25, "d_fake": 0.5, "norm/g": 9.0},
            "pixel 30.250  gan 0.500  d 0.750",
        ),
        (
            {"gan": 0.5, "d_real": -2.0, "d_fake": 0.5, "d_penalty": 0.25, "warm": 0.125},
            "gan 0.500  d -1.250  warm 0.125",
        ),
    ],
)
def test_a_line_of_progress_fits_a_console_and_verbose_has_all_terms(terms, shown):
    clock = Clock(0, 266_800, 1)
    line = clock.line(100_000, terms)
    assert line.splitlines()[0].endswith(f"left  {shown}")
    assert max(map(len, line.splitlines())) <= 110
    first, second, *_ = Clock(0, 266_800, 1, verbose=True).line(1, terms).splitlines()
    assert "input wait" in first
    assert second.split() == [
        word for n, v in terms.items() if "norm" not in n for word in (n, f"{v:.3f}")
    ]
