"""Pages from templates: one file each, one stylesheet, and nothing of the data is run."""

import re
from pathlib import Path

import numpy as np
import pytest

from imgtrans_jax.metrics import registry
from imgtrans_jax.report import page
from imgtrans_jax.report.comparison_page import Column, comparison_page
from imgtrans_jax.report.curves import COLORS
from imgtrans_jax.report.page import Html, markup
from imgtrans_jax.report.run_page import Alarm, Report
from imgtrans_jax.report.study_page import study_page

HOSTILE = '</script><script>alert("$title ${x} $")</script>&amp;\'<b>'


def run(folder):
    report = Report(folder, {"note": HOSTILE}, {HOSTILE: HOSTILE}, 0, HOSTILE)
    report.metrics(10, {"cycle_a": 1.0, HOSTILE: 2.0})
    column = np.zeros((2, 8, 8, 3), np.float32)
    report.samples(10, {"a2b": {"input": column, HOSTILE: column}})
    report.page(HOSTILE, running=True, alarms=[Alarm("x", HOSTILE, 4)])
    report.close()
    return (folder / "index.html").read_text()


def comparison(side=40):
    picture = [np.zeros((side, side, 3), np.uint8)]
    columns = [
        Column("input", picture, {}),
        Column(HOSTILE, picture, {"kid": 1.0, HOSTILE: 1.0}, HOSTILE, {"kid": 0.5}, 1),
        Column("b", picture, {"kid": 2.0, HOSTILE: 0.5}, "step 1", {}, 1),
    ]
    return comparison_page(columns, "a2b", registry.known())


def study():
    return study_page(HOSTILE, {"methods": [{"name": HOSTILE}]})


@pytest.mark.parametrize("made", ["run", "comparison", "study"])
def test_a_page_is_one_file_with_the_one_stylesheet_and_escapes_what_it_shows(made, tmp_path):
    text = {"run": lambda: run(tmp_path), "comparison": comparison, "study": study}[made]()
    assert page.file("style.css") in text
    assert text.count("<style>") == 1
    assert not re.findall(r"<link|https?://|@import", text)
    assert 'name="viewport"' in text
    assert "prefers-color-scheme: dark" in text
    assert "alert(" in text
    assert "<script>alert" not in text
    assert text.count("<script") == (2 if made == "study" else 0)
    assert "<b>" not in text.replace('<b class="best">', "")
    if made != "study":  # whose data are JSON
        assert "alert(&quot;$title ${x} $&quot;)" in text


def test_a_text_is_escaped_html_is_not_and_what_is_missing_is_said():
    assert markup("<p>$a$b</p>", a="<", b=Html("<i>")) == "<p>&lt;<i></p>"
    assert isinstance(markup("$a", a=1), Html)
    assert markup("$a", a="$b") == "$b"
    with pytest.raises(KeyError):
        markup("$a")


def test_the_best_is_marked_where_scores_compare_and_the_way_is_known():
    text = comparison()
    assert '<td><b class="best">1</b><small>± 0.5</small></td><td>2</td>' in text
    assert text.count('class="best"') == 1
    assert "lower is better" in text
    assert "unbiased" in text


@pytest.mark.parametrize(("side", "sharp"), [(16, True), (64, True), (65, False)])
def test_small_pictures_are_shown_with_sharp_pixels(side, sharp):
    assert ('<tr class="tiny">' in comparison(side)) == sharp


def test_every_curve_has_a_color_by_day_and_by_night():
    style = page.file("style.css")
    for number in range(COLORS):
        assert style.count(f"--curve-{number}:") == 2
        assert f".curve-{number} {{ color: var(--curve-{number}); }}" in style


def test_lines_of_the_templates_are_short():
    for path in (Path(page.__file__).parent / "templates").iterdir():
        assert max(map(len, path.read_text().splitlines())) <= 100, path
