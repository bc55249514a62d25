"""Scores of runs and of folders with their protocol, during training and after it, and several runs
on one page.
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from golden_commands import answer
from PIL import Image

from imgtrans_jax.config.experiment import Evaluation, Experiment
from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Unpaired
from imgtrans_jax.evaluation import evaluator
from imgtrans_jax.evaluation import records as evaluation_records
from imgtrans_jax.evaluation.compare import compare
from imgtrans_jax.evaluation.evaluator import GeneratorEvaluator, evaluate_folders
from imgtrans_jax.evaluation.metric_suite import EvaluationSpec
from imgtrans_jax.inference import translator
from imgtrans_jax.inference.load import load_generator
from imgtrans_jax.inference.translate import translate
from imgtrans_jax.io.images import read_picture, to_uint8
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.metrics.fidelity import psnr
from imgtrans_jax.metrics.registry import names as metric_names
from imgtrans_jax.models.patchgan import PatchGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.optim import Adam, Constant
from imgtrans_jax.report.run_page import read_metrics
from imgtrans_jax.training import diagnostics, loop
from imgtrans_jax.types import UserError

pytestmark = pytest.mark.usefixtures("plain_convolutions")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A CycleGAN trained for two epochs of two steps, scored after each, with a watch that sees
    too much.
    """
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    for name, count in (("trainA", 4), ("trainB", 4), ("testA", 3), ("testB", 2)):
        (folder / name).mkdir()
        for number in range(count):
            picture = rng.integers(0, 256, (2, 2, 3), dtype=np.uint8).repeat(12, 0).repeat(12, 1)
            Image.fromarray(picture).save(folder / name / f"{number}.png")
    experiment = Experiment(
        data=Unpaired(str(folder), str(folder), Preprocess(load_size=20, crop_size=16)),
        recipe=CycleGAN(
            ResNetGenerator(width=2, blocks=1), PatchGAN(width=2, layers=1), pool_size=4, ema=0.9
        ),
        optimizer=Adam(Constant(1e-3)),
        batch_size=2,
        log_every=2,
        sample_every=2,
        save_every=2,
        samples=2,
        evaluation=Evaluation(every=1, metrics=("kid", "cycle"), best="kid", count=0),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diagnostics, "INVERTED", 2.0)
        loop.train(experiment, folder / "run", steps=4)
    return folder / "run"


def test_training_scores_and_keeps_its_best(run):
    rows = [row for row in read_metrics(run) if "score/a2b/kid" in row]
    assert [row["step"] for row in rows] == [2, 4]
    assert {
        "score/b2a/kid",
        "score/a2b/cycle",
        "score/b2a/cycle",
        "watch/a2b/variety",
        "watch/d_a/by_heart",
        "watch/d_b/by_heart",
        "cycle_a",
    } <= rows[0].keys()
    means = [np.mean([row["score/a2b/kid"], row["score/b2a/kid"]]) for row in rows]
    best = json.loads((run / "best" / "best.json").read_text())
    assert best["metric"] == "kid"
    assert best["value"] == pytest.approx(min(means))
    assert best["step"] == rows[int(np.argmin(means))]["step"]
    assert load_generator(run / "best").step == best["step"]
    records = [
        json.loads(line) for line in (run / evaluation_records.FILE).read_text().splitlines()
    ]
    assert [(r["step"], r["what"]) for r in records] == [
        (s, d) for s in (2, 4) for d in ("a2b", "b2a")
    ]
    page = (run / "index.html").read_text()
    assert "<figcaption>kid</figcaption>" in page


def test_a_training_whose_scores_get_no_better_ends(run, tmp_path, capsys):
    experiment = load_generator(run).experiment
    still = dataclasses.replace(
        experiment,
        optimizer=Adam(Constant(0.0)),
        evaluation=Evaluation(every=1, metrics=("cycle",), best="cycle", count=0, patience=2),
    )
    still = dataclasses.replace(still, recipe=dataclasses.replace(still.recipe, ema=0.0))
    state = loop.train(still, tmp_path / "run", steps=20)
    assert int(state.step) == 6  # the first of three epochs is the best
    said = capsys.readouterr().out
    assert "No better score in 2 epochs" in said
    assert "Finished 6 steps" in said
    assert load_generator(tmp_path / "run").step == 6
    assert "No better score in 2 epochs" in (tmp_path / "run" / "index.html").read_text()
    assert int(loop.train(still, tmp_path / "run", steps=20).step) == 6  # nor does it go on
    for wrong in (Evaluation(patience=1), Evaluation(every=1, best="kid", patience=-1)):
        with pytest.raises(UserError, match=r"evaluation\.patience"):
            loop.train(dataclasses.replace(still, evaluation=wrong), tmp_path / "no")


def test_what_the_watch_sees_is_on_the_page_and_stops_nothing(run):
    page = (run / "index.html").read_text()
    assert "Worth a look" in page
    assert "Since step 2: a2b: what is bright in the input is dark" in page
    assert "Finished: 4 steps" in page


def test_the_record_says_by_what_protocol(run):
    loaded = load_generator(run)
    examiner = GeneratorEvaluator(
        loaded, loaded.experiment.data.open(), EvaluationSpec(("kid", "fid", "cycle"))
    )
    records = examiner(loaded, 4, "x")
    newest = evaluation_records.latest_records(run)
    for record in records:
        kept = newest[record["what"]]
        assert record["scores"]["kid"] == pytest.approx(kept["scores"]["kid"])
        assert record["weights"] == kept["weights"]
        assert record["scores"]["fid"] >= 0
        protocol = record["protocol"]
        assert protocol["features"]["network"] == "VGG-16"
        assert "224x224, bicubic" in protocol["features"]["resize"]
        assert protocol["split"] == "test pictures"
        assert protocol["identity"] == 0.5
        json.dumps(record)
    assert [r["counts"] for r in records] == [{"fakes": 3, "reals": 2}, {"fakes": 2, "reals": 3}]
    forth, back = (translator.Translation(loaded, d) for d in ("a2b", "b2a"))
    opened = loaded.experiment.data.open()
    a = np.stack([opened.streams[0].prepare(p, None)["a"] for p in opened.streams[0].test])
    by_hand = np.abs(back.padded(forth.padded(a)) - a).mean()
    assert records[0]["scores"]["cycle"] == pytest.approx(by_hand, rel=1e-4)


def save(folder: Path, pictures: dict[str, np.ndarray]) -> Path:
    folder.mkdir()
    for name, picture in pictures.items():
        Image.fromarray(picture).save(folder / name)
    return folder


def test_folders_are_paired_by_name_or_compared_as_sets(tmp_path, capsys):
    rng = np.random.default_rng(0)
    real = {f"{i}.png": rng.integers(0, 256, (40, 36, 3), dtype=np.uint8) for i in range(3)}
    near = {name: (0.9 * picture).astype(np.uint8) for name, picture in real.items()}
    save(tmp_path / "real", real)
    save(tmp_path / "near", near)
    save(tmp_path / "alone", {"x.png": near["0.png"], "y.png": near["1.png"]})
    save(tmp_path / "small", {name: picture[:20, :18] for name, picture in near.items()})
    record = evaluate_folders(
        tmp_path / "near", tmp_path / "real", EvaluationSpec(("psnr", "ssim", "lpips_alex", "kid"))
    )
    assert record["scores"]["psnr"] == pytest.approx(
        np.mean([psnr(near[n], real[n]) for n in real])
    )
    assert {"ssim", "lpips_alex", "kid"} <= record["scores"].keys()
    assert record["protocol"]["pairs by name"]
    alone = evaluate_folders(tmp_path / "alone", tmp_path / "real", EvaluationSpec(("psnr", "kid")))
    assert set(alone["scores"]) == {"kid"}
    assert "Left out: psnr: needs a partner of the same name" in capsys.readouterr().out
    with pytest.raises(
        UserError,
        match=r"Nothing can be measured. psnr: needs a partner .* 2 of 2, such as .*x\.png, have",
    ):
        evaluate_folders(tmp_path / "alone", tmp_path / "real", EvaluationSpec(("psnr",)))
    small = evaluate_folders(tmp_path / "small", tmp_path / "real", EvaluationSpec(("psnr",)))
    assert small["protocol"]["resized to their partner"] == 3
    same = evaluate_folders(tmp_path / "real", tmp_path / "real", EvaluationSpec(("psnr", "ssim")))
    assert same["scores"] == {"psnr": np.inf, "ssim": pytest.approx(1)}


@pytest.mark.parametrize(
    ("names", "metrics", "words"),
    [
        (
            ("0", "x"),
            metric_names(),
            r"psnr, ssim, lpips_alex, lpips_vgg: needs a partner .* 1 of 2, such as .*x\.png, have",
        ),
        (
            ("0",),
            metric_names(),
            r"kid, fid: needs two pictures or more on each side, and one has 1\.",
        ),
        (("0",), ("psnr", "kid"), r"Left out: kid: needs two pictures"),
        (("0",), ("kid", "fid"), r"Nothing can be measured\. kid, fid: needs two pictures"),
        (
            ("x",),
            ("psnr", "kid"),
            r"Nothing can be measured\. psnr: needs a partner .* kid: needs two",
        ),
    ],
)
def test_what_folders_do_not_allow_is_said_and_no_table_is_empty(
    tmp_path, capsys, monkeypatch, names, metrics, words
):
    def measuring(_):
        raise UserError(capsys.readouterr().out)

    monkeypatch.setattr(evaluator, "MetricSuite", measuring)
    picture = np.zeros((16, 16, 3), np.uint8)
    save(tmp_path / "real", {f"{i}.png": picture for i in range(3)})
    save(tmp_path / "fake", {f"{name}.png": picture for name in names})
    with pytest.raises(UserError, match=words):
        evaluate_folders(tmp_path / "fake", tmp_path / "real", EvaluationSpec(metrics))


def test_label_maps_by_the_command(tmp_path):
    colours = {"sky": [0, 0, 255], "tree": [0, 200, 0]}
    (tmp_path / "colours.json").write_text(json.dumps(colours))
    sky, tree = (np.array(c, np.uint8) for c in colours.values())
    true = np.where(np.arange(32)[:, None, None] < 16, sky, np.broadcast_to(tree, (32, 32, 3)))
    predicted = np.where(np.arange(32)[:, None, None] < 24, sky, np.broadcast_to(tree, (32, 32, 3)))
    save(tmp_path / "true", {"a.png": true})
    save(tmp_path / "predicted", {"a.png": predicted[::2, ::2]})
    command = [
        "evaluate",
        f"--fake={tmp_path / 'predicted'}",
        f"--real={tmp_path / 'true'}",
    ]
    command += [f"--colours={tmp_path / 'colours.json'}", "--metrics=psnr"]
    done = answer(command)
    assert done.code == 0, done.said
    scores = json.loads((tmp_path / "predicted" / evaluation_records.FILE).read_text())["scores"]
    assert scores["pixel_accuracy"] == 0.75
    assert scores["class_accuracy"] == 0.75
    assert scores["class_iou"] == pytest.approx((16 / 24 + 8 / 16) / 2)
    assert "pixel_accuracy" in done.said


def test_evaluations_are_added_to_a_table_and_to_nothing_else(tmp_path):
    table, photo = tmp_path / "table.jsonl", tmp_path / "photo.png"
    evaluation_records.check_table(table, overwrite=False)
    evaluation_records.append_records([{"scores": {"psnr": 1}}], table)
    evaluation_records.check_table(table, overwrite=False)
    evaluation_records.append_records([{"scores": {"psnr": 2}}], table)
    assert len(table.read_text().splitlines()) == 2
    evaluation_records.append_records([{"scores": {"psnr": 3}}], table, anew=True)
    assert json.loads(table.read_text())["scores"] == {"psnr": 3}
    Image.new("RGB", (8, 8)).save(photo)
    for name, text in (("notes.txt", "my notes"), ("other.json", '{"a": 1}'), ("list.json", "[1]")):
        (tmp_path / name).write_text(text)
    for other in (photo, tmp_path / "notes.txt", tmp_path / "other.json", tmp_path / "list.json"):
        before = other.read_bytes()
        with pytest.raises(UserError, match=f"{other.name} is there already; add `overwrite`"):
            evaluation_records.check_table(other, overwrite=False)
        evaluation_records.check_table(other, overwrite=True)
        assert other.read_bytes() == before


def test_evaluate_s_paths_may_begin_at_home(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for name in ("fake", "real"):
        save(
            tmp_path / name,
            {f"{i}.png": rng.integers(0, 256, (16, 16, 3), dtype=np.uint8) for i in range(2)},
        )
    monkeypatch.setenv("HOME", str(tmp_path))
    paths = ["--fake=~/fake", "--real=~/real", "--out=~/table.jsonl"]
    done = answer(["evaluate", *paths, "--metrics=psnr"])
    assert done.code == 0, done.said
    assert json.loads((tmp_path / "table.jsonl").read_text())["scores"]["psnr"] > 0


def test_mistakes_get_a_sentence(run, tmp_path):
    for wrong, words in (
        (EvaluationSpec(("psnrr", "kid", "x")), "There is no metric 'psnrr', 'x'"),
        (EvaluationSpec(count=1), "too few"),
        (EvaluationSpec(features="vgg99"), "There are no features 'vgg99'"),
        (EvaluationSpec(colors="street"), "There are no colours"),
    ):
        with pytest.raises(UserError, match=words):
            evaluate_folders(tmp_path, tmp_path, wrong)
    for wrong, words in (
        (
            Evaluation(every=1, best="psnr"),
            r"'psnr', which is not among config\.evaluation\.metrics \(kid\)",
        ),
        (Evaluation(best="kid"), "needs evaluations"),
        (Evaluation(every=-1), "in epochs"),
        (
            Evaluation(every=1, metrics=("cycle", "psnr"), best="psnr"),
            "'psnr', which cannot be measured here",
        ),
        (Evaluation(every=1, metrics=("psnr",)), "Nothing can be measured. psnr: needs pairs"),
    ):
        experiment = dataclasses.replace(load_generator(run).experiment, evaluation=wrong)
        with pytest.raises(UserError, match=words):
            loop.train(experiment, tmp_path / "x", steps=1)


def test_runs_side_by_side(run, tmp_path):
    said = compare([run, run / "best"], None, tmp_path / "page.html", count=2)
    assert "2 inputs and 2 runs" in said
    assert "No scores of best" in said
    page = (tmp_path / "page.html").read_text()
    assert page.count("<img") == 2 * 3
    assert "kid" in page
    assert "lower is better" in page
    (tmp_path / "in").mkdir()
    Image.fromarray(np.full((30, 40, 3), 99, np.uint8)).save(tmp_path / "in" / "x.png")
    compare([run], tmp_path / "in", tmp_path / "files.html", "b2a")
    assert (tmp_path / "files.html").read_text().count("<img") == 2
    for arguments, words in (
        (([run], None, tmp_path / "page.html"), "is there already"),
        (([run], None, tmp_path / "page.png"), "is no page"),
        (([tmp_path / "none"], None, tmp_path / "new.html"), "There is no"),
    ):
        with pytest.raises(UserError, match=words):
            compare(*arguments)


def test_the_pictures_are_those_that_stylize_writes(run, tmp_path):
    loaded = load_generator(run)
    x = loaded.experiment.data.open().samples(1)["a"]
    Image.fromarray(to_uint8(x[0])).save(tmp_path / "x.png")
    (written,) = translate(run, tmp_path / "x.png", tmp_path / "y.png")
    expected = to_uint8(translator.Translation(loaded).padded(x))[0]
    assert np.abs(read_picture(written).astype(int) - expected).max() <= 1
