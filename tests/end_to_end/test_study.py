"""The page of the perceptual study, clicked through in a real browser, and the statistics of its
answers.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from chromium import Browser, needs_browser
from PIL import Image

from imgtrans_jax.evaluation import human_study
from imgtrans_jax.evaluation.human_study import FORMAT, Plan
from imgtrans_jax.types import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for name, color in (("photos", 60), ("ours", 200), ("base", 120)):
        (tmp_path / name).mkdir()
        for number in range(3):
            picture = (color + rng.integers(-30, 30, (32, 32, 3))).astype(np.uint8)
            Image.fromarray(picture).save(tmp_path / name / f"{number}.png")
    return tmp_path


def run_through(browser: Browser, practice: int, scored: int) -> float:
    """Answers all trials by the mouse, of the scored ones every fourth wrongly; returns the
    shortest time a pair was seen.
    """
    shortest, began = 99.0, time.monotonic()  # the clock starts before the click that shows a pair
    browser.click("next")
    for number in range(practice + scored):
        assert browser.ask("Array.from(document.querySelectorAll('#pair img')).length") == 2
        browser.until("open && number === " + str(number))
        shortest = min(shortest, time.monotonic() - began)
        hidden = (
            "Array.from(document.querySelectorAll('#pair img'), i => "
            "getComputedStyle(i).visibility)"
        )
        assert browser.ask(hidden) == ["hidden", "hidden"]
        real = browser.ask(f"plan[{number}].realSide")
        wrong = number >= practice and (number - practice) % 4 == 0
        began = time.monotonic()
        browser.click(({"left": "right", "right": "left"}[real]) if wrong else real)
        if number < practice:
            assert browser.ask(f"document.getElementById('{real}').className") == "right"
            assert "Yes" in browser.ask("document.getElementById('message').textContent")
            began = time.monotonic()
            browser.click("next")
        if number == practice - 1:
            assert "practice is over" in browser.ask(
                "document.getElementById('message').textContent"
            )
            began = time.monotonic()
            browser.click("next")
    return shortest


def saved(browser: Browser, downloads: Path) -> Path:
    browser.click("download")
    end = time.monotonic() + 20
    while not (files := list(downloads.glob("*.json"))) and time.monotonic() < end:
        time.sleep(0.02)
    (file,) = files
    return file


@needs_browser
@pytest.mark.parametrize("seconds", [0.01, pytest.param(1.0, marks=pytest.mark.slow)])
def test_ten_and_forty_in_a_browser(folders, seconds):
    page = folders / "study.html"
    said = human_study.make(
        folders / "photos", [folders / "ours", folders / "base"], page, Plan(seconds=seconds)
    )
    assert "3 pictures for 50 trials" in said
    (folders / "answers").mkdir()
    with Browser(folders) as browser:
        browser.open(page.as_uri(), folders / "answers")
        shortest = run_through(browser, 10, 40)
        file = saved(browser, folders / "answers")
        assert "You took 10 of 40" in browser.ask("document.body.innerText")
    assert shortest >= seconds
    session = json.loads(file.read_text())
    assert len(session["trials"]) == 50
    assert [t["scored"] for t in session["trials"]] == [False] * 10 + [True] * 40
    (method,) = {t["method"] for t in session["trials"]}
    sessions, refused = human_study.read_sessions([folders / "answers"])
    assert refused == []
    share, low, high, answers, people = human_study.share_fooled(sessions)[method]
    assert (share, answers, people) == (0.25, 40, 1)
    assert 0.08 < low < 0.2 < 0.3 < high < 0.45


@needs_browser
def test_mixed_without_practice_shows_all_methods_alike(folders):
    page = folders / "study.html"
    human_study.make(
        folders / "photos",
        [folders / "ours", folders / "base"],
        page,
        Plan(32, 0.0, 0, 6, mixed=True),
    )
    (folders / "answers").mkdir()
    with Browser(folders) as browser:
        browser.open(page.as_uri(), folders / "answers")
        run_through(browser, 0, 6)
        session = json.loads(saved(browser, folders / "answers").read_text())
    methods = [t["method"] for t in session["trials"]]
    assert methods.count("ours") == methods.count("base") == 3
    for which in ("real", "fake"):  # all pictures before any comes again
        shown = [(t["method"] if which == "fake" else "", t[which]) for t in session["trials"]]
        assert len(set(shown)) == min(6, 3 if which == "real" else 6)


def answers(participant: str, **fooled: list[bool]) -> dict:
    trials = [
        {"method": m, "fooled": f, "scored": True, "chosen": "left"}
        for m, all_ in fooled.items()
        for f in all_
    ]
    practice = [{"method": m, "fooled": True, "scored": False, "chosen": "left"} for m in fooled]
    return {"format": FORMAT, "study": "x", "participant": participant, "trials": practice + trials}


def test_the_interval_is_the_bootstraps():
    one = human_study.share_fooled([answers("a", ours=[True] * 10 + [False] * 30)])["ours"]
    # Of 40 answers with a share of 1/4 the deviation is sqrt(0.25 * 0.75 / 40) = 0.068.
    assert one[0] == 0.25
    assert one[1] == pytest.approx(0.25 - 1.96 * 0.068, abs=0.03)
    assert one[2] == pytest.approx(0.25 + 1.96 * 0.068, abs=0.03)
    apart = [answers(str(i), ours=[i % 2 == 0] * 40) for i in range(8)]
    alike = [answers(str(i), ours=[True, False] * 20) for i in range(8)]
    wide, narrow = (human_study.share_fooled(s)["ours"] for s in (apart, alike))
    assert wide[0] == narrow[0] == 0.5
    # people, not answers, are what was sampled
    assert wide[2] - wide[1] > 3 * (narrow[2] - narrow[1])
    assert human_study.share_fooled([answers("a", ours=[True] * 40)])["ours"][:3] == (1, 1, 1)


def test_the_command_reads_answers_and_names_what_is_none(folders):
    for name, text in (
        ("a.json", json.dumps(answers("a", ours=[True, False, True, False], base=[False] * 4))),
        ("again.json", json.dumps(answers("a", ours=[True, False, True, False], base=[False] * 4))),
        ("other.json", '{"trials": []}'),
        ("text.json", json.dumps(answers("b", ours=["no"]))),
        (
            "practice.json",
            json.dumps(
                answers("c") | {"trials": [{"method": "ours", "fooled": True, "scored": False}]}
            ),
        ),
    ):
        (folders / name).write_text(text)
    command = [sys.executable, "-m", "imgtrans_jax", "study", f"--results={folders}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "other.json is no file of answers" in done.stderr
    assert "text.json is no file of answers" in done.stderr
    assert "practice.json has no scored answers" in done.stderr
    assert "again.json has the same answers again" in done.stderr
    assert "With one participant" in done.stdout
    assert "ours" in done.stdout
    assert "50.0%" in done.stdout


def test_mistakes_get_a_sentence(folders):
    photos, ours = folders / "photos", folders / "ours"
    human_study.make(photos, [ours], folders / "study.html", Plan())
    (folders / "one").mkdir()
    shutil.copy(ours / "0.png", folders / "one")
    for wrong, words in (
        ((photos, [ours], folders / "study.html"), "is there already"),
        ((photos, [ours], folders / "study.png"), "is no page"),
        ((photos, [ours, ours], folders / "new.html"), "different names"),
        ((photos, [folders / "one"], folders / "new.html"), "needs 2 or more"),
        ((photos, [folders / "none"], folders / "new.html"), "does not exist"),
    ):
        with pytest.raises(UserError, match=words):
            human_study.make(*wrong, Plan())
    with pytest.raises(UserError, match="There are no answers"):
        human_study.read_sessions([folders / "photos"])


def test_sharpness_does_not_tell(folders):
    for number in range(3):
        fine = np.random.default_rng(number).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        Image.fromarray(fine).save(folders / "photos" / f"{number}.png")
    said = human_study.make(folders / "photos", [folders / "ours"], folders / "s.html", Plan())
    assert "all are shown with 32's detail" in said


def test_shapes_that_would_tell_are_cut_to_squares(folders):
    Image.new("RGB", (50, 32)).save(folders / "ours" / "wide.png")
    assert "central square" in human_study.make(
        folders / "photos", [folders / "ours"], folders / "s.html", Plan()
    )
