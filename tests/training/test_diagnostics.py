"""Collapse, inversion and victory are seen, said once, kept over a resume, and forgotten when they
are over.
"""

import numpy as np
import pytest

from imgtrans_jax.losses.adversarial import hinge, lsgan, saturating, vanilla, wgan
from imgtrans_jax.training.diagnostics import (
    Watch,
    brightness_correlation,
    guessing_loss,
    overfitting,
    variety,
)


def pictures(seed=0, count=4):
    return np.random.default_rng(seed).uniform(-1, 1, (count, 8, 8, 3)).astype(np.float32)


def test_variety_by_hand():
    black, gray, white = (np.full((1, 4, 4, 3), v, np.float32) for v in (-1, 0, 1))
    wanted = np.concatenate([black, white])
    assert variety(np.concatenate([black, gray]), wanted) == pytest.approx(0.5)
    assert variety(
        np.concatenate([black, black, white]), np.concatenate([black, gray, white])
    ) == pytest.approx(1.0)
    assert variety(wanted, np.concatenate([gray, gray])) == 1.0
    assert variety(black, wanted) == 1.0


def test_correlation_is_numpys():
    x, y = pictures(0, 3), pictures(1, 3)
    expected = np.mean(
        [
            np.corrcoef(u.mean(-1).ravel(), v.mean(-1).ravel())[0, 1]
            for u, v in zip(x, y, strict=True)
        ]
    )
    assert brightness_correlation(x, y) == pytest.approx(expected, abs=1e-5)
    assert brightness_correlation(x, -x) == pytest.approx(-1, abs=1e-5)
    assert brightness_correlation(np.zeros((2, 4, 4, 3)), x[:2, :4, :4]) == 0


def test_the_level_of_a_critic_that_guesses():
    assert guessing_loss(lsgan) == pytest.approx(0.5)
    assert guessing_loss(vanilla) == pytest.approx(2 * np.log(2))
    assert guessing_loss(saturating) == pytest.approx(2 * np.log(2))
    assert guessing_loss(hinge) == pytest.approx(2)
    assert guessing_loss(wgan) == 0


def test_an_inversion_is_said_at_its_second_sight_and_once(tmp_path):
    watch, x = Watch(tmp_path, lsgan), pictures()
    good, bad = ({"a2b": {"input": x, "output": sign * x, "reconstruction": x}} for sign in (1, -1))
    assert watch.check_sheets(10, bad)[1] == []
    figures, (alarm,) = watch.check_sheets(20, bad)
    assert figures["watch/a2b/brightness"] == pytest.approx(-1, abs=1e-5)
    assert (alarm.name, alarm.since) == ("a2b: inversion", 10)
    assert "identity" in alarm.text
    assert watch.check_sheets(30, bad)[1] == []
    assert list(watch.standing) == ["a2b: inversion"]
    assert watch.check_sheets(40, good)[1] == []
    assert watch.standing == {}


def test_what_stands_outlives_a_resume(tmp_path):
    x = pictures()
    bad = {"b2a": {"input": x, "output": -x}}
    Watch(tmp_path, lsgan).check_sheets(10, bad)
    second = Watch(tmp_path, lsgan)
    assert [a.since for a in second.check_sheets(20, bad)[1]] == [10]
    assert list(Watch(tmp_path, lsgan).standing) == ["b2a: inversion"]
    (tmp_path / "watch.json").write_text("{")
    assert Watch(tmp_path, lsgan).standing == {}


def test_collapse_is_measured_against_the_truth_where_there_is_one(tmp_path):
    watch, x = Watch(tmp_path, None), pictures()
    flat = np.broadcast_to(x[:1], x.shape) + 0.01 * x
    for step in (1, 2):
        _, alarms = watch.check_sheets(
            step,
            {
                "pairs": {"input": x, "output": flat, "truth": x},
                "alike": {"input": flat, "output": flat},
            },
        )
    assert [a.name for a in alarms] == ["pairs: collapse"]
    for step in (3, 4):
        figures, alarms = watch.check_sheets(
            step, {"samples": {"z 1": flat[:2], "z 2": flat[2:]}, "real pictures": {"picture 1": x}}
        )
    assert [a.name for a in alarms] == ["samples: collapse"]
    assert figures["watch/samples/variety"] < 0.05


def test_overfitting_is_karras_equation():
    learned, made, held_out = np.array([3.0, 5.0]), np.array([-2.0, 0.0]), np.array([2.0, 2.0])
    assert overfitting(learned, made, held_out) == (pytest.approx((4 - 2) / (4 + 1)), True)
    # the same shift of 2, where two standard errors are 4.24
    assert overfitting(np.array([1.0, 7.0]), made, held_out) == (pytest.approx(2 / 5), False)
    assert overfitting(made, learned, held_out) == (0.0, False)  # it does not tell them apart
    assert overfitting(learned, made, learned + 1)[0] == 0.0
    assert overfitting(learned, made, made - 9)[0] == 1.0


def test_a_critic_that_knows_its_pictures_by_heart_is_said_at_its_second_sight(tmp_path):
    watch, ones = Watch(tmp_path, lsgan), np.ones(8)
    knows, sees = ({"d_b": (level * ones, 0 * ones)} for level in (0.2, 0.9))
    learned = {"d_b": (ones, 0 * ones)}
    assert watch.check_critics(10, learned, knows)[1] == []
    figures, (alarm,) = watch.check_critics(20, learned, knows)
    assert figures == {"watch/d_b/by_heart": pytest.approx(0.8)}
    assert (alarm.name, alarm.since) == ("d_b: by heart", 10)
    assert "80%" in alarm.text
    assert watch.check_critics(30, learned, sees)[1] == []
    assert watch.standing == {}
    assert watch.check_critics(40, {}, {}) == ({}, [])


def test_a_critic_has_won_when_it_does_so_for_long(tmp_path):
    watch = Watch(tmp_path, lsgan, halved=True)  # a guess costs 0.25
    values = {
        "d_a_real": 0.005,
        "d_a_fake": 0.004,
        "d_b_real": 0.1,
        "d_b_fake": 0.1,
        "cycle_a": 1.0,
    }
    assert [watch.check_losses(step, values) for step in range(1, 5)] == [[]] * 4
    (alarm,) = watch.check_losses(5, values)
    assert alarm.name == "d_a: won"
    assert "4%" in alarm.text
    assert watch.check_losses(6, values | {"d_a_fake": 0.1}) == []
    assert watch.standing == {}
    assert Watch(tmp_path / "none", wgan).check_losses(1, {"d_real": -50.0, "d_fake": -50.0}) == []


@pytest.mark.parametrize("since", ['"x"', "null", "1e999", "[" * 100_000, '{"a": 1}'])
def test_a_damaged_memory_of_what_was_seen_begins_anew(tmp_path, since):
    (tmp_path / "watch.json").write_text(
        f'{{"seen": {{}}, "standing": [{{"name": 1, "text": [2], "since": {since}}}]}}'
    )
    assert Watch(tmp_path, lsgan).standing == {}
    (tmp_path / "watch.json").write_text(
        '{"seen": {}, "standing": [{"name": 1, "text": [2], "since": 3}]}'
    )
    assert Watch(tmp_path, lsgan).standing["1"].text == "[2]"
