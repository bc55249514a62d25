"""`imgtrans plan`: what it says, of configs as they come."""

import re

import pytest

from imgtrans_jax.config.loading import load
from imgtrans_jax.config.overrides import override
from imgtrans_jax.planning.plan import plan
from imgtrans_jax.types import UserError


def milliseconds(lines: list[str]) -> float:
    found = re.search(r"a step +([\d.]+) ms", "\n".join(lines))
    assert found
    return float(found[1])


@pytest.mark.parametrize(
    ("name", "measured"), [("cyclegan_horse2zebra", 28.8), ("pix2pix_facades", 4.46)]
)
def test_a_gpu_is_estimated_near_to_what_was_measured(name, measured):
    """On an H100, docs/performance.md; without the pictures."""
    lines = plan(load(name), "gpu:h100", None, False, 80_000)
    assert milliseconds(lines) == pytest.approx(measured, rel=0.1)
    assert "it fits" in "\n".join(lines)
    assert "80,000 steps" in lines[-1]


def test_the_machine_at_hand_is_measured():
    experiment = load("quickstart")
    for field, value in (
        ("data.cut.load_size", "16"),
        ("data.cut.crop_size", "16"),
        ("recipe.generator.width", "4"),
        ("recipe.generator.blocks", "1"),
        ("recipe.critic.width", "4"),
        ("recipe.critic.layers", "1"),
    ):
        experiment = override(experiment, field, value)
    lines = plan(experiment, "cpu", 2, False, None)
    assert "2 at a time (two steps measured)" in lines[0]
    assert re.search(r"a step +\d+\.\d\d s; .* for its [\d,]+ steps of 2", lines[-1])


@pytest.mark.parametrize(
    "name", ["cgan_digits", "srresnet_small", "simgan_facades", "mixed_small", "text_openmoji"]
)
def test_every_kind_of_data_has_a_stand_in(name):
    assert milliseconds(plan(load(name), "gpu", None, False, 1000)) > 0


def test_pictures_that_are_not_there_are_said(capsys):
    lines = plan(override(load("quickstart"), "data.a", "/nowhere"), "gpu", None, False, 1125)
    assert "/nowhere does not exist" in capsys.readouterr().out
    assert "1,125 steps of 4" in lines[-1]
    plan(override(load("quickstart"), "data.a", "/nowhere"), "gpu", 2, False, None)


def test_a_batch_in_parts_is_planned_as_it_is():
    whole, parts = (
        plan(override(load("quickstart"), "accumulate", parts), "gpu:h100", None, False, 1125)
        for parts in ("1", "4")
    )
    assert milliseconds(parts) > milliseconds(whole)  # four times the calls


@pytest.mark.parametrize(
    ("on", "largest", "said"),
    [
        ("rocket", False, "There is no machine rocket"),
        ("cpu:2", False, "There is no machine cpu:2"),
        ("gpu:abacus", False, "No figures of a abacus are known"),
        ("tpu:v1:2x2", False, "There is no topology"),
        ("gpu", True, "--largest is for a TPU"),
    ],
)
def test_machines_that_there_are_not(on, largest, said):
    with pytest.raises(UserError, match=said):
        plan(load("quickstart"), on, None, largest, 100)
