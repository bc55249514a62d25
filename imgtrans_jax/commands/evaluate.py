"""Scores a trained generator on held-out pictures, or one folder against another.

  imgtrans evaluate runs/pix2pix_openmoji
  imgtrans evaluate runs/mine --config.data.a=other/sketches --config.data.b=other/paintings
  imgtrans evaluate --fake=coloured --real=true_colours --metrics=psnr,ssim,lpips_alex
  imgtrans evaluate --fake=predicted_labels --real=true_labels --colors=facades
  imgtrans evaluate runs/labels2photo --segmenter=runs/photo2labels --colors=facades

Metrics: psnr, ssim, lpips_alex, lpips_vgg (where each result has its truth), kid, fid (in the
features of --features), cycle (where there is a way back); with --colors also the scores of label
maps: pixel_accuracy, class_accuracy, class_iou. Each evaluation is printed, with standard errors,
and added with its protocol to evaluations.jsonl in the folder of the run, or of --fake. A picture
that cannot be read ends it, for a score is of all pictures or of none.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from imgtrans_jax.commands import app

FLAGS = app.Flags()
RUN = FLAGS.path(
    "run", None, "A trained run, a .safetensors or .pth file, or a folder of .pth files."
)
FAKE = FLAGS.path("fake", None, "Instead of --run: a folder of results.")
REAL = FLAGS.path(
    "real", None, "With --fake: a folder of real pictures; those of one name belong together."
)
METRIC_NAMES = FLAGS.strings(
    "metrics", "Which, joined by commas; module:NAME for one of your own. Default: all that apply."
)
FEATURES = FLAGS.string(
    "features",
    "vgg16",
    "For kid and fid: vgg16 (embedded), inception (fetched once), or the .pth of Inception's "
    "weights.",
)
COUNT = FLAGS.whole("count", 0, "Test pictures; 0 for all.", 0)
COLORS = FLAGS.string(
    "colors", "", "Of label maps: facades, cityscapes, or a JSON file of classes and colours."
)
SEGMENTER = FLAGS.path(
    "segmenter", None, "A run that makes label maps of photographs: the FCN score with it."
)
OUT = FLAGS.path(
    "out", None, "Where the evaluation is added. Default: evaluations.jsonl in the run or --fake."
)
OVERWRITE = FLAGS.switch("overwrite", "Replace what stands in --out instead of adding to it.")
TRUST_CODE = FLAGS.switch(
    "trust_code", "Run code that the run's config names outside imgtrans_jax."
)
TRUST_PATHS = FLAGS.switch(
    "trust_paths", "Open the folders and data sets that somebody else's run names."
)
FLAGS.alias("colours", "colors")
POSITIONAL = (RUN,)


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.evaluation import evaluator
    from imgtrans_jax.evaluation.metric_suite import EvaluationSpec
    from imgtrans_jax.evaluation.records import FILE, append_records, check_table, table
    from imgtrans_jax.io.files import refuse_inputs
    from imgtrans_jax.metrics import registry  # after the flags, so that --help is fast
    from imgtrans_jax.types import UserError

    if RUN.value and (FAKE.value or REAL.value):
        raise UserError("--run, and --fake with --real, exclude each other; give one of them.")
    if not RUN.value and not (FAKE.value and REAL.value):
        raise UserError(
            "Of what? Give imgtrans evaluate RUN, or --fake=FOLDER and --real=FOLDER; see --help."
        )
    if FAKE.value and SEGMENTER.value:
        raise UserError(
            "--segmenter goes with --run; of two folders give the label maps themselves."
        )
    fake, real, run = (Path(flag.value or "").expanduser() for flag in (FAKE, REAL, RUN))
    folder = fake if FAKE.value else run if run.is_dir() else run.parent
    file = Path(OUT.value).expanduser() if OUT.value else folder / FILE
    names = tuple(registry.chosen(text.strip()) for text in METRIC_NAMES.value) or registry.names()
    request = EvaluationSpec(names, FEATURES.value, COUNT.value, COLORS.value)
    request.check()
    inputs = [
        path for path in (run, Path(COLORS.value), Path(SEGMENTER.value or "")) if path.is_file()
    ]
    inputs += [
        path
        for pictures in (fake, real)
        if FAKE.value
        for path in pictures.rglob("*")
        if path.name != FILE
    ]
    refuse_inputs([file], inputs)
    if not OUT.value and file.is_symlink():
        raise UserError(f"{file} is a link, which is not written through; give another --out.")
    if OUT.value or folder.is_dir():  # else it will be said that this is missing
        check_table(file, OVERWRITE.value)
    folders = FAKE.value is not None
    records = (
        [evaluator.evaluate_folders(fake, real, request)]
        if folders
        else _of_run(run, request, overrides)
    )
    append_records(records, file, anew=OVERWRITE.value)
    print("\n\n".join(table(record) for record in records))
    print(f"\n{'Written' if OVERWRITE.value else 'Added'} to {file}, with the protocol.")
    return 0


def _of_run(run: Path, request, overrides: app.Overrides) -> list:
    from imgtrans_jax.config import trust
    from imgtrans_jax.evaluation import evaluator
    from imgtrans_jax.inference.load import load_generator

    loaded = load_generator(run, TRUST_CODE.value)
    loaded = dataclasses.replace(loaded, experiment=app.overridden(loaded.experiment, overrides))
    segmenter = load_generator(SEGMENTER.value, TRUST_CODE.value) if SEGMENTER.value else None
    given = [name for name, _ in overrides]
    opened = trust.opened(loaded.experiment, TRUST_PATHS.value or TRUST_CODE.value, given)
    examiner = evaluator.GeneratorEvaluator(loaded, opened, request, segmenter)
    return examiner(loaded, loaded.step, str(run))
