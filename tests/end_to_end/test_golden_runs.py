"""What version 0.1.0 left behind, runs, files and configs, is read, makes the same pictures, and is
gone on from.

tests/golden/make_runs_golden.py says what the files are. The commands run in the folder in which
they were unpacked, a few processes for all; nothing is fetched, nor touched of the user's own.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import make_runs_golden as golden
import numpy as np
import pytest
from golden_commands import ROOT, answers
from golden_experiments import STEPS, choices, runs, with_own_code

from imgtrans_jax import config
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.inference.load import check_place
from imgtrans_jax.losses.style import style_relative
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.optim import Adam, LinearDecay
from imgtrans_jax.style.gatys import Gatys
from imgtrans_jax.types import UserError

STORED: dict[str, dict[str, Any]] = json.loads(golden.CONFIGS.read_text())

NAMES = [*runs(), "mine"]

OUTSIDE = (
    r"The run was made with golden_own:Net in \S+, which is code outside imgtrans_jax and is not "
    "run unasked; if you trust it, add (--|`)trust_code"
)

AGAIN = """
import json
from pathlib import Path
from imgtrans_jax.config import from_json


def get_config():
    return from_json(json.loads(Path({path!r}).read_text()), trust_code=True)
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """The folder of the golden files, as they were when they were made."""
    folder = tmp_path_factory.mktemp("of_0_1_0")
    with zipfile.ZipFile(golden.RUNS) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def own_code(kept, monkeypatch) -> Iterator[None]:
    """The module of the run `mine` can be imported."""
    monkeypatch.syspath_prepend(kept / "project")
    yield
    sys.modules.pop("golden_own", None)


@pytest.fixture(scope="module")
def results() -> dict[str, np.ndarray]:
    with np.load(golden.RESULTS) as archive:
        return dict(archive)


# --------------------------------------------------------------------------- pictures


def test_the_same_pictures_are_made(kept, results):
    """A level of 8 bits may differ by 1: a CPU whose vectors have another length sums in another
    order, and a value that lies between two levels is rounded up by one and down by another (one
    value of 2,000 at most, made with AVX-512 and compared with AVX2 and SSE). On one machine the
    pictures are the same to the bit. The arrays that make them are compared exactly, below.

    Code of the user's own is refused without --trust_code."""
    commands = golden.stylize_commands("out")
    unasked = [
        [*command[:-2], command[-1]] for command in commands if command[-2] == "--trust_code"
    ]
    answered = answers([*unasked, *commands], kept, PYTHONPATH=str(kept / "project"))
    refused, found = answered[: len(unasked)], answered[len(unasked) :]
    assert len(refused) == 2
    for answer in refused:
        assert answer.code == 2
        assert re.search(OUTSIDE, answer.said), answer.said
    for name, answer in zip(golden.PICTURES, found, strict=True):
        assert answer.code == 0, f"{name}: {answer.said}"
        made, wanted = golden.picture(kept / "out" / name), results[f"picture/{name}"]
        assert made.shape == wanted.shape, name
        assert np.abs(made.astype(int) - wanted).max() <= 1, name


# --------------------------------------------------------------------------- going on


# two minutes for the others, whose parts (a critic with batch norm, the penalty, a batch in parts,
# a start from another run) are not of the stored state, or have these two too
RARER = [name for name in NAMES if name not in ("cyclegan", "mine")]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([name for name in NAMES if name not in RARER], id="some"),
        pytest.param(RARER, id="rarer", marks=pytest.mark.slow),
    ],
)
def test_a_run_goes_on_as_it_would_have(names, kept, results):
    """One step more, with the config that the run holds, has the terms that it had with 0.1.0: so
    the networks, the optimisers' moments, the pools, the place in the data and in the schedule are
    all as they were."""
    commands = []
    for name in names:
        (kept / f"again_{name}.py").write_text(AGAIN.format(path=f"runs/{name}/config.json"))
        shutil.copytree(kept / "runs" / name, kept / "further" / name)
        config_of_it = [f"--config=again_{name}.py", f"--workdir=further/{name}"]
        commands.append(["train.py", *config_of_it, f"--steps={STEPS + 1}"])
    own = {"PYTHONPATH": str(kept / "project"), "IMGTRANS_DATA": "data"}
    for name, answer in zip(names, answers(commands, kept, **own), strict=True):
        assert answer.code == 0, f"{name}: {answer.said}"
        # Nothing of the config has changed: that would be said between these two.
        assert re.search(
            rf"Going on from step {STEPS} \(.*\)\.\n{STEPS + 1} steps in all", answer.said
        ), answer.said
        wanted = json.loads(str(results[f"terms/{name}"]))
        found = golden.terms(kept / "further" / name, STEPS + 1)
        assert found.keys() == wanted.keys(), name
        for term, value in wanted.items():
            # Adam makes whole updates of gradients that are mere rounding: of biases before a norm.
            near = 0.05 if term.endswith("_update") else 1e-3
            assert found[term] == pytest.approx(value, rel=near, abs=1e-5), f"{name}: {term}"


def test_a_folder_with_the_config_of_a_run_is_a_run_s(kept, tmp_path):
    (tmp_path / "config.json").write_bytes((kept / "runs" / "cgan" / "config.json").read_bytes())
    check_place(tmp_path)
    (tmp_path / "config.json").write_text('{"type": "golden_own:Net"}')
    with pytest.raises(UserError, match="is no run's"):
        check_place(tmp_path)


# --------------------------------------------------------------------------- arrays


@pytest.mark.parametrize("name", golden.CONVERTED)
@pytest.mark.usefixtures("own_code")
def test_the_same_arrays_are_read(name, kept, results):
    assert golden.arrays(kept / name) == results[f"arrays/{name}"].tolist()


# --------------------------------------------------------------------------- stored configs


def read(entry: Any, trust_code: bool = False) -> Any:
    text = json.dumps(entry).replace(golden.HERE_IS, f'"from": {json.dumps(str(ROOT))}')
    return config.from_json(json.loads(text), trust_code)


def same(stored: Any, now: Any) -> None:
    """That a stored config is read as `now`, and a run that has both sees no change."""
    assert read(stored, trust_code=True) == now
    assert config.differences(stored, config.to_json(now)) == []


FACADES: Any = config.load("pix2pix_facades")

# What these files said, or did not say yet; nothing of a transfer is stored, but a user may have.
SINCE: dict[str, dict[str, Any]] = {
    "pix2pix_facades_small": {
        "data": dataclasses.replace(FACADES.data, cut=Preprocess(load_size=142, crop_size=128)),
        "recipe": dataclasses.replace(
            FACADES.recipe,
            generator=UNet(width=32, levels=7, upsample="nearest"),
            critic=PatchGAN(width=32, layers=3, norm="batch"),
            ema=0.998,
        ),
        "optimizer": Adam(LinearDecay(2e-4, constant_epochs=8, decay_epochs=8)),
        "sample_every": 1000,
        "save_every": 1000,
    },
    "gatys": {
        "content_weight": 0.25,
        "style_loss": style_relative,
        "scales": (0.25, 0.5, 1.0),
        "steps": (100, 100, 100),
    },
    "gatys_2016": {
        name: getattr(Gatys(), name) for name in ("laplacian_weight", "border", "tolerance")
    },
}


@pytest.mark.parametrize("name", STORED["configs"])
def test_a_stored_config_is_read_as_its_file_says(name):
    stored, file = STORED["configs"][name], ROOT / "configs" / f"{name}.py"
    if name == "my_loss":  # its loss was in examples/, and is in the config now
        with pytest.raises(UserError, match=r"examples\.my_loss:warm, which cannot be imported"):
            read(stored, trust_code=True)
    elif file.exists():
        now: Any = config.load(str(file), object)
        same(stored, dataclasses.replace(now, **SINCE.get(name, {})))
    else:
        read(stored, trust_code=True)


@pytest.mark.parametrize("name", STORED["choices"])
def test_every_choice_is_read(name):
    assert read(STORED["choices"][name]) == choices()[name]  # without trust: it is all our own
    same(STORED["choices"][name], choices()[name])


@pytest.mark.usefixtures("own_code")
def test_the_runs_configs_are_read(kept):
    for name, now in runs().items():
        same(json.loads((kept / "runs" / name / "config.json").read_text()), now)
    stored = json.loads((kept / "runs" / "mine" / "config.json").read_text())
    for entry, words in (
        (stored, OUTSIDE),
        (STORED["configs"]["my_loss"], r"examples\.my_loss:warm .* `trust_code`"),
    ):
        with pytest.raises(UserError, match=words):
            read(entry)
    assert "golden_own" not in sys.modules
    mine, own = read(stored, trust_code=True), sys.modules["golden_own"]
    assert mine == with_own_code(own.Net, own.darker)
    same(stored, mine)
