"""Trains CycleGAN, its baselines and CUT alike and scores them: the tables of CycleGAN's paper (Zhu
et al. 2017, section 5.1) on data at hand.

  IMGTRANS_DATA=DIR python examples/compare_methods.py --data=facades
  python examples/compare_methods.py --data=drawings

CoGAN, BiGAN/ALI, SimGAN, feature loss + GAN, CycleGAN, CUT, and as the upper bound pix2pix, which
alone is shown pairs: for the same number of steps, with the same networks, at --size pixels (CoGAN
has networks and a batch of its own). Those that learn one way are trained twice. Held-out pictures
are translated both ways and scored by KID and LPIPS in VGG's features; of facades also by the FCN
score: a network trained on true pairs reads the labels back from made photographs (the paper's
table 2), and made label maps are compared with the true ones (table 3).

Runs, the sheets a2b.png and b2a.png and scores.json go to --out; what is trained already is not
trained again, so that a stopped comparison goes on by the same command.
"""

import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imgtrans_jax.commands import app

if TYPE_CHECKING:
    from imgtrans_jax.config.experiment import Experiment
    from imgtrans_jax.data.datasets import Paired, Unpaired
    from imgtrans_jax.types import Direction

CONFIGS = {
    "cogan": "cogan_facades",
    "ali": "ali_facades",
    "simgan": "simgan_facades",
    "feature": "feature_gan_facades",
    "cyclegan": "cyclegan_facades",
    "cut": "cut_horse2zebra",
    "pix2pix": "pix2pix_facades",
}
SEGMENTER = "segmenter"

FLAGS = app.Flags()
DATA = FLAGS.choice(
    "data", "facades", ["facades", "drawings"], "Labels and photographs, or sketches in colour."
)
ONLY = FLAGS.strings("only", f"Which, joined by commas. Default: {','.join(CONFIGS)}.")
STEPS = FLAGS.whole("steps", 4000, "How long each is trained.", 2)
SIZE = FLAGS.whole("size", 64, "Pixels a side, a power of two.", 32)
OUT = FLAGS.path("out", None, "The folder. Default: runs/methods_DATA.")
OVERWRITE = FLAGS.switch("overwrite", "Replace sheets that are there already.")


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.io.files import refuse_existing
    from imgtrans_jax.types import UserError

    app.no_overrides(overrides)
    names = ONLY.value or list(CONFIGS)
    if unknown := sorted(set(names) - set(CONFIGS)):
        raise UserError(f"There is no method {unknown[0]}; choose of {', '.join(CONFIGS)}.")
    out = Path(OUT.value or f"runs/methods_{DATA.value}")
    for direction in ("a2b", "b2a"):
        refuse_existing(out / f"{direction}.png", overwrite=OVERWRITE.value)
    if SIZE.value & (SIZE.value - 1):
        raise UserError(f"--size={SIZE.value} is no power of two, such as 64.")
    if DATA.value == "facades":
        train(segmenter(), out / SEGMENTER)
    for name in names:
        for direction, folder in runs_of(name, out).items():
            print(f"\n{folder.name}", flush=True)
            train(experiment(name, direction), folder)
    report(names, out)
    return 0


def train(wanted: "Experiment", folder: Path) -> None:
    """Trains, unless it was done already, and keeps how long it took from the first step on.

    Raises:
        UserError: If what is there was trained otherwise.
    """
    from imgtrans_jax.config.stored import differences, to_json
    from imgtrans_jax.training import loop
    from imgtrans_jax.types import UserError

    config, started = folder / "config.json", time.monotonic()
    begun = config.exists()
    if begun and (found := differences(json.loads(config.read_text()), to_json(wanted))):
        raise UserError(f"{folder} was trained otherwise ({found[0]}); give another --out.")
    loop.train(wanted, folder)
    if not begun:
        (folder / "seconds.txt").write_text(f"{time.monotonic() - started:.0f}\n")


# -------------------------------------------------------------------------------------- experiments


def runs_of(name: str, out: Path) -> dict["Direction", Path]:
    """Each training of a method: one for both ways, or one for each."""
    from imgtrans_jax.config.loading import load

    if len(load(CONFIGS[name]).recipe.directions) == 2:
        return {"a2b": out / name}
    return {"a2b": out / f"{name}_a2b", "b2a": out / f"{name}_b2a"}


def experiment(name: str, direction: "Direction") -> "Experiment":
    """The method's own config, with the networks, data and length that all share."""
    from imgtrans_jax.config.loading import load
    from imgtrans_jax.models.resnet import ResNetGenerator

    facades, base = DATA.value == "facades", load(CONFIGS[name])
    width = 32 if facades else 16
    resampled: dict[str, Any] = {} if name == "cut" else {"upsample": "nearest"}
    if name == "cogan":
        generator = base.recipe.generator.clone(size=SIZE.value, width=width // 2)
        networks: dict[str, Any] = {"generator": generator}
    else:
        generator = ResNetGenerator() if name == "pix2pix" else base.recipe.generator
        networks = {
            "generator": generator.clone(width=width, blocks=6, **resampled),
            "critic": base.recipe.critic.clone(width=width),
        }
    return dataclasses.replace(
        base,
        data=paired(direction) if name == "pix2pix" else unpaired(direction),
        recipe=dataclasses.replace(base.recipe, ema=0.998, **networks),
        optimizer=falling(2e-4, STEPS.value),
        batch_size=base.batch_size if name == "cogan" else 1 if facades else 4,
        log_every=100,
        sample_every=1000,
        save_every=1000,
        keep=1,
    )


def segmenter() -> "Experiment":
    """Photographs to labels by the mean absolute difference from the true ones alone."""
    from imgtrans_jax.config.loading import load
    from imgtrans_jax.models.unet import UNet

    base = load("pix2pix_facades")
    levels = SIZE.value.bit_length() - 1
    recipe = dataclasses.replace(
        base.recipe,
        generator=UNet(width=32, levels=levels, upsample="nearest"),
        adversarial=0.0,
        test_mode="eval",
        ema=0.998,
    )
    return dataclasses.replace(
        base,
        data=paired("b2a"),
        recipe=recipe,
        optimizer=falling(4e-4, 4000),
        batch_size=4,
        keep=1,
    )


def falling(rate: float, steps: int) -> Any:
    """Adam with the paper's schedule, half of the steps at one rate."""
    from imgtrans_jax.optim import Adam, LinearDecay

    return Adam(LinearDecay(rate, steps // 2, steps - steps // 2, unit="steps"))


def paired(direction: "Direction") -> "Paired":
    """The true pairs; a are labels or sketches."""
    from imgtrans_jax.data.datasets import Paired
    from imgtrans_jax.data.pairs import OpenMojiPairs, Pix2PixPairs

    if DATA.value == "drawings":
        return Paired(OpenMojiPairs(), direction=direction, cut=cut())
    turned: Direction = "b2a" if direction == "a2b" else "a2b"  # photographs come first there
    return Paired(Pix2PixPairs("facades"), direction=turned, cut=cut())


def unpaired(direction: "Direction") -> "Unpaired":
    """The same pictures without their partners: of the drawings one half of each kind."""
    from imgtrans_jax.data.datasets import Unpaired
    from imgtrans_jax.data.pairs import OneSide, Pix2PixPairs
    from imgtrans_jax.data.sources import OpenMoji, Source

    pairs = Pix2PixPairs("facades")
    sides: tuple[Source, Source] = (
        (OpenMoji("sketch"), OpenMoji("colour"))
        if DATA.value == "drawings"
        else (OneSide(pairs, "b"), OneSide(pairs, "a"))
    )
    return Unpaired(*(sides if direction == "a2b" else sides[::-1]), cut=cut())


def cut() -> Any:
    """Crops of facades, as in the papers, and drawings as a whole."""
    from imgtrans_jax.data.augment import Preprocess

    return Preprocess(SIZE.value * 9 // 8 if DATA.value == "facades" else SIZE.value, SIZE.value)


# ------------------------------------------------------------------------------------------- scores


def report(names: list[str], out: Path) -> None:
    """Translates the held-out pictures, writes the sheets and the scores, and prints the tables."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    test = paired("a2b").open().samples(10_000)
    for direction, what in titles().items():
        given, true = (test[side] for side in (direction[0], direction[-1]))
        columns = {name: translated(name, direction, given, out) for name in names}
        found[direction] = scores(columns | {"truth": true}, given, direction, out)
        print(f"\n{what}, {len(given)} held-out pictures")
        print(table(found[direction]))
        write_sheet({"input": given, **columns, "truth": true}, out / f"{direction}.png", what)
    said = {"steps": STEPS.value, "size": SIZE.value, "seconds": seconds(names, out), **found}
    (out / "scores.json").write_text(json.dumps(said, indent=1) + "\n")
    print("\nSeconds of each training: " + json.dumps(said["seconds"]))
    print(f"Wrote a2b.png, b2a.png and scores.json in {out}")


def titles() -> dict["Direction", str]:
    a, b = ("labels", "photographs") if DATA.value == "facades" else ("sketches", "drawings")
    return {"a2b": f"{a} to {b}".capitalize(), "b2a": f"{b} to {a}".capitalize()}


def translated(name: str, direction: "Direction", given: np.ndarray, out: Path) -> np.ndarray:
    """What a method makes of pictures (N, H, W, C) in [-1, 1]."""
    from imgtrans_jax.inference.translator import generator

    folders = runs_of(name, out)
    way: Direction = direction if len(folders) == 1 else "a2b"
    apply, _ = generator(folders.get(direction, folders["a2b"]), way)
    return np.concatenate([apply.padded(given[i : i + 20]) for i in range(0, len(given), 20)])


def scores(
    columns: dict[str, np.ndarray], given: np.ndarray, direction: "Direction", out: Path
) -> dict[str, dict[str, float]]:
    """Of the results (N, H, W, C) in [-1, 1] of each method, beside the column "truth"."""
    from imgtrans_jax.evaluation.metric_suite import EvaluationSpec, MetricSuite
    from imgtrans_jax.inference.translator import generator
    from imgtrans_jax.io.images import to_uint8

    colors = "facades" if DATA.value == "facades" else ""
    suite = MetricSuite(EvaluationSpec(("kid", "lpips_vgg"), colors=colors))
    read = generator(out / SEGMENTER, "a2b")[0].padded if colors else None
    reals, found = to_uint8(columns["truth"]), {}
    of_reals = suite.ledger()
    of_reals.set("reals", reals)
    for name, made in columns.items():
        ledger, fakes = suite.ledger(), to_uint8(made)
        ledger.set("fakes", fakes)
        ledger.of["reals"], ledger.counts["reals"] = of_reals.of["reals"], len(reals)
        ledger.pairs(fakes, reals)
        if read and direction == "a2b":
            ledger.labels(to_uint8(read(made)), to_uint8(given))
        elif read:
            ledger.labels(fakes, reals)
        values, _ = ledger.results()
        found[name] = {key: value for key, value in values.items() if "/" not in key}
    return found


def table(rows: dict[str, dict[str, float]]) -> str:
    names = list(next(iter(rows.values())))
    lines = [" " * 12 + "".join(f"{name:>16}" for name in names)]
    lines += [f"{row:12}" + "".join(f"{rows[row][n]:16.3f}" for n in names) for row in rows]
    return "\n".join(lines)


def seconds(names: list[str], out: Path) -> dict[str, int]:
    """How long each training took, where it was not stopped in between."""
    files = (folder / "seconds.txt" for name in names for folder in runs_of(name, out).values())
    return {file.parent.name: int(file.read_text()) for file in files if file.exists()}


def write_sheet(columns: dict[str, np.ndarray], path: Path, title: str) -> None:
    """Eight pictures evenly chosen, a row each."""
    from imgtrans_jax.io import images

    count = len(next(iter(columns.values())))
    chosen = np.linspace(0, count - 1, 8).round().astype(int)
    rows = [
        [np.repeat(np.repeat(images.to_uint8(x[i]), 2, 0), 2, 1) for x in columns.values()]
        for i in chosen
    ]
    sheet = images.captioned_grid(rows, [list(columns)] * len(rows), f"{title}, held out")
    images.write_picture(path, sheet)


if __name__ == "__main__":
    app.main(sys.modules[__name__])
