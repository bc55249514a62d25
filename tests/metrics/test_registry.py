"""A metric is one value: found in this package's files, or added by its user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import imgtrans_jax
from imgtrans_jax import metrics
from imgtrans_jax.evaluation.evaluator import evaluate_folders
from imgtrans_jax.evaluation.metric_suite import EvaluationSpec
from imgtrans_jax.metrics import registry
from imgtrans_jax.metrics.base import LabelMetric, Metric, PairMetric, SetMetric, each
from imgtrans_jax.types import UserError

MINE = '''
"""A metric of one file."""

import numpy as np

from imgtrans_jax.metrics.base import PairMetric, each


def difference(x, y):
    return float(np.abs(x.astype(float) - y).mean())


MINE = PairMetric("mine", "lower", "mean absolute difference, of 255", lambda: each(difference))
'''


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.setattr(registry, "_ADDED", {})


@pytest.fixture
def folders(tmp_path):
    for name, value in (("fake", 10), ("real", 30)):
        (tmp_path / name).mkdir()
        for number in range(3):
            picture = np.full((16, 16, 3), value + number * (name == "fake"), np.uint8)
            Image.fromarray(picture).save(tmp_path / name / f"{number}.png")
    return tmp_path


def test_the_metrics_are_these_in_this_order():
    assert registry.names() == ("psnr", "ssim", "lpips_alex", "lpips_vgg", "kid", "fid", "cycle")
    labels = [metric.name for metric in registry.of_kind(LabelMetric)]
    assert labels == ["pixel_accuracy", "class_accuracy", "class_iou"]
    assert list(registry.known()) == [*registry.names(), *labels]
    higher = {name for name, metric in registry.known().items() if metric.better == "higher"}
    assert higher == {"psnr", "ssim", *labels}
    assert registry.summaries()["psnr"] == "dB, of 8-bit RGB; higher is better"


def test_all_that_is_exported_is_there():
    for name in metrics.__all__:
        assert callable(getattr(metrics, name)), name
    x = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)
    assert metrics.psnr(x, x) == np.inf
    assert metrics.ssim(x[0], x[0]) == pytest.approx(1)
    features = np.random.default_rng(0).normal(size=(8, 4))
    assert metrics.fid(features, features) == pytest.approx(0, abs=1e-9)
    assert len(metrics.kid(features, features)) == 2
    assert metrics.cycle_error(x[:1] / 127.5 - 1, x[:1] / 127.5 - 1).tolist() == [0]


@pytest.mark.usefixtures("unchecked")
def test_pictures_of_two_shapes_are_refused():
    x = np.zeros((40, 40, 3), np.uint8)
    with pytest.raises(ValueError, match="one shape"):
        metrics.ssim(x, x[..., :2])


def test_a_metric_of_one_file_in_the_package_is_scored_by_the_command(folders):
    """A copy of the package with one file more, and nothing else changed."""
    package = folders / "lib" / "imgtrans_jax"
    shutil.copytree(
        Path(imgtrans_jax.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    (package / "metrics" / "mine.py").write_text(MINE)
    command = [sys.executable, "-m", "imgtrans_jax", "evaluate", "--metrics=mine,psnr"]
    command += [f"--fake={folders / 'fake'}", f"--real={folders / 'real'}"]
    environment = os.environ | {"PYTHONPATH": str(package.parent)}
    done = subprocess.run(
        command, cwd=folders, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "mine                   19.0000 ± 0.4714" in done.stdout
    assert "mean absolute difference, of 255; lower is better" in done.stdout


def test_a_metric_of_the_user_s_own_module_is_chosen_by_its_name(folders, monkeypatch):
    (folders / "own_metric.py").write_text(MINE)
    monkeypatch.chdir(folders)
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = registry.chosen("own_metric:MINE")
    assert (name, registry.chosen("psnr")) == ("mine", "psnr")
    assert registry.chosen("own_metric:MINE") == "mine"
    record = evaluate_folders(folders / "fake", folders / "real", EvaluationSpec((name,)))
    assert record["scores"] == {"mine": 19.0}
    assert "mine" in EvaluationSpec().metrics
    for text, words in (
        ("own_metric:difference", "is no metric"),
        ("own_metric:NONE", "no attribute 'NONE'"),
        ("no_such_module:X", "No module named"),
    ):
        with pytest.raises(UserError, match=words):
            registry.chosen(text)


def test_a_metric_of_sets_gets_features_and_may_know_its_error(folders):
    def shift(x, y):
        return float(np.square(x.mean(0) - y.mean(0)).sum()), 0.5

    registry.add(
        SetMetric("shift", "lower", "of means", lambda: shift, protocol=lambda n, m: f"{n}, {m}")
    )
    record = evaluate_folders(folders / "fake", folders / "real", EvaluationSpec(("shift",)))
    assert record["scores"]["shift"] > 0
    assert record["errors"] == {"shift": 0.5}
    assert record["protocol"]["shift"] == "3, 3"


def test_a_name_is_one_metric_s():
    registry.add(PairMetric("other", "lower", "x", lambda: each(lambda x, y: 0.0)))
    for name in ("psnr", "other"):
        with pytest.raises(ValueError, match="another name"):
            registry.add(PairMetric(name, "lower", "x", lambda: each(lambda x, y: 0.0)))
    with pytest.raises(ValueError, match="none of the kinds"):
        registry.add(Metric("plain", "lower", "x"))
