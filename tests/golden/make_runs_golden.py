"""Writes runs_of_0_1_0.zip, stored_configs_of_0_1_0.json and results_of_0_1_0.npz: what version
0.1.0 leaves behind, and what it makes of that, to prove that later versions read it.

Made with the code of commit 96dda39, and not to be made anew with any other: what the files are
worth is that no later code has touched them. To make them as they were, check out the commit that
added this script (1c3c81b, whose package is that of 96dda39), remove the three files, and run from
anywhere, on a CPU, in a few minutes: python tests/golden/make_runs_golden.py

runs_of_0_1_0.zip
  runs/         a folder for each of `golden_experiments.runs`, and `mine`, whose network and loss
                are a user's own; trained for three steps by imgtrans_jax.loop.train. Pages, samples
                and TensorBoard's files are left out: nothing reads them.
  generators/   .safetensors files: `convert` of some runs, one of them not kept; two networks alone
  project/      the user's own module; `mine` says that it was in /tmp/imgtrans_golden/project
  data/         what the runs learn from, named by paths relative to the folder of all this
  inputs/       what is given to the generators
stored_configs_of_0_1_0.json
  configs/      `to_json` of every file of configs/
  choices/      `to_json` of `golden_experiments.choices`: with the runs, every name that a config
                of 0.1.0 can use is among them, which this script checks
results_of_0_1_0.npz
  picture/…     uint8: what stylize.py makes of PICTURES
  arrays/…      lines "name type[shape] SHA-256" of the arrays that `convert` takes out of CONVERTED
  terms/…       the terms of the step after the last, as JSON: the same command, and one step more
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import inspect
import json
import os
import platform
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from golden_commands import ROOT, answers
from golden_experiments import STEPS, choices, noisy, runs, with_own_code
from PIL import Image
from safetensors.numpy import load_file

HERE = Path(__file__).resolve().parent
RUNS, CONFIGS, RESULTS = (
    HERE / name
    for name in ("runs_of_0_1_0.zip", "stored_configs_of_0_1_0.json", "results_of_0_1_0.npz")
)
PLACE = Path(tempfile.gettempdir()) / "imgtrans_golden"
"""Where it is made: the run `mine` remembers the folder of its own code."""

HERE_IS = '"from": "ROOT"'
"""In the stored form of configs/my_loss.py; ROOT is the folder that holds configs/."""

_SEEN, _SMALL = "--input=inputs/picture.png", "--input=inputs/small.png"
PICTURES: dict[str, list[str]] = {
    "cyclegan": ["--run=runs/cyclegan", _SEEN],
    "cyclegan_b2a": ["--run=runs/cyclegan", _SEEN, "--direction=b2a"],
    "cyclegan_file": ["--generator=generators/cyclegan.safetensors", _SEEN, "--direction=b2a"],
    "pix2pix": ["--run=runs/pix2pix", _SEEN],
    "pix2pix_eval": ["--run=runs/pix2pix", _SEEN, "--test_mode=eval"],
    "cgan": ["--run=runs/cgan", "--count=6"],
    "cgan_file": ["--generator=generators/cgan.safetensors", "--count=4", "--label=3", "--seed=5"],
    "wgan_gp": ["--run=runs/wgan_gp", "--count=4"],
    "srresnet": ["--run=runs/srresnet", _SMALL],
    "srgan": ["--run=runs/srgan", _SMALL],
    "holes": ["--run=runs/holes", "--input=inputs/holes.png"],
    "simgan": ["--run=runs/simgan", _SEEN],
    "mine": ["--run=runs/mine", _SEEN, "--trust_code"],
    "mine_file": ["--generator=generators/mine.safetensors", _SEEN, "--trust_code"],
    "noisy_file": ["--generator=generators/noisy.safetensors", _SEEN],
    "network": ["--generator=generators/network.safetensors", _SEEN],
}
"""The arguments of stylize.py by the picture's name; with --count it is the sheet."""

CONVERTED = [f"runs/{name}" for name in (*runs(), "mine", "pix2pix/best")]
CONVERTED += ["generators/critic.safetensors"]
"""What `convert` takes the arrays out of."""

OWN = '''"""A network and a loss of a user's own."""

import jax.numpy as jnp
from flax import linen as nn


class Net(nn.Module):
    width: int = 2

    @nn.compact
    def __call__(self, x, train):
        y = nn.relu(nn.Conv(self.width, (3, 3), name="first")(x))
        return jnp.tanh(2 * nn.Conv(x.shape[-1], (3, 3), name="second")(y))


def darker(batch, samples, logits, frozen):
    return {"darker": 0.3 * jnp.mean(samples["fake_b"])}
'''


def stylize_commands(out: str) -> list[list[str]]:
    """The commands of PICTURES; each writes to a folder of its own in the folder `out`."""
    return [
        ["stylize.py", *arguments, f"--out={out}/{name}"] for name, arguments in PICTURES.items()
    ]


def picture(folder: Path) -> np.ndarray:
    """The one picture that a command of `stylize_commands` wrote, or the sheet."""
    found = folder / "sheet.png"
    if not found.exists():
        (found,) = folder.iterdir()
    with Image.open(found) as image:
        return np.asarray(image)


def arrays(source: Path) -> list[str]:
    """A line for each array of a run's generators, or of a file: name, type, shape, SHA-256."""
    from imgtrans_jax.training.convert import convert

    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "arrays.safetensors"
        convert(source, target, trust_code=True)
        found = sorted(load_file(target).items())
    return [
        f"{name} {x.dtype}{list(x.shape)} {hashlib.sha256(x.tobytes()).hexdigest()}"
        for name, x in found
    ]


def terms(run: Path, step: int) -> dict[str, float]:
    """What metrics.jsonl says of a step, without its times."""
    rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    (row,) = (row for row in rows if row["step"] == step)
    return {n: value for n, value in row.items() if n != "step" and not n.startswith("time/")}


# --------------------------------------------------------------------------- what is trained on


def draw(folder: Path) -> None:
    """A few small pictures: rectangles and discs in two colours."""
    rng = np.random.default_rng(0)

    def drawn(height: int, width: int) -> np.ndarray:
        ground, figure = rng.integers(0, 256, (2, 3))
        y, x = np.mgrid[:height, :width]
        top, left = rng.uniform(0.1, 0.5, 2) * (height, width)
        inside = (y > top) & (y < top + height / 3) & (x > left) & (x < left + width / 3)
        y, x = y - rng.uniform(0, height), x - rng.uniform(0, width)
        inside |= y**2 + x**2 < (height / 5) ** 2
        shade = np.linspace(0.6, 1, width)[None, :, None]
        return (np.where(inside[..., None], figure, ground) * shade).astype(np.uint8)

    def beside(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.concatenate([a, b], axis=1)

    def write(name: str, array: np.ndarray) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(folder / name, optimize=True)

    for number in range(3):
        write(f"data/a/{number}.png", drawn(24, 22))
        write(f"data/b/{number}.png", drawn(36, 36))
        write(f"data/facades/train/{number}.png", beside(drawn(16, 16), drawn(16, 16)))
    for number in range(2):
        write(f"data/facades/test/{number}.png", beside(drawn(16, 16), drawn(16, 16)))
        for name in ("one", "two"):
            write(f"data/classes/{name}/{number}.png", drawn(12, 12))
    write("inputs/picture.png", drawn(27, 30))
    write("inputs/small.png", drawn(9, 12))
    transparent = np.full((18, 22, 1), 255, np.uint8)
    transparent[4:11, 6:15] = 0
    write("inputs/holes.png", np.concatenate([drawn(18, 22), transparent], axis=2))


# --------------------------------------------------------------------------- what a config can name


INNER = """
Counted Recipe
Stream Opened Classified Zipped Half Halves
Generators Critics Sampler ConditionalCritic Translator ImageCritic
ResidualBlock PReLU Conv Upsample Moments BatchNorm Norm
gradient_penalty gram
"""
"""What no config names: bases, what is made when a config is opened, players, parts of networks,
functions that are no choice of any field."""

MODULES = """
config optim visualisation
data.augment data.derived data.labelled data.pairs data.pipeline data.sources
losses.adversarial losses.feature losses.pixel
models.dcgan models.dncnn models.layers models.patchgan models.resnet models.srgan models.unet
recipes.cyclegan recipes.deepdream recipes.gan recipes.gatys recipes.pix2pix recipes.simgan
recipes.srgan
"""


def nameable() -> set[str]:
    """All that a config of version 0.1.0 can name."""
    found = {"imgtrans_jax.recipes.gatys:equal", "imgtrans_jax.recipes.gatys:by_depth"}
    for module in (importlib.import_module(f"imgtrans_jax.{name}") for name in MODULES.split()):
        for name, value in vars(module).items():
            if name.startswith("_") or name in INNER.split():
                continue
            own = getattr(value, "__module__", None) == module.__name__
            is_type = own and inspect.isclass(value) and dataclasses.is_dataclass(value)
            is_loss = own and ".losses." in module.__name__ and inspect.isfunction(value)
            is_constant = own and type(value).__name__ == "GanLoss"
            if is_type or is_loss or is_constant:
                found.add(f"{module.__name__}:{name}")
    return found


def values(stored: Any) -> Iterator[dict[str, Any]]:
    """Everything within a stored config that names something."""
    inner = stored if isinstance(stored, list) else []
    if isinstance(stored, dict):
        yield stored
        inner = list(stored.values())
    for item in inner:
        yield from values(item)


def check_complete(stored: list[Any]) -> None:
    """That all that can be named is, and every field once has another value than its default."""
    from imgtrans_jax.config import to_json

    found = [value for config in stored for value in values(config)]
    missing = nameable() - {value.get("ref") or value.get("type") for value in found}
    usual, varied = set(), set()
    for value in found:
        module, _, kind = value.get("type", "").partition(":")
        if module.startswith("imgtrans_jax."):
            for field in dataclasses.fields(getattr(importlib.import_module(module), kind)):
                if field.name in value and field.name != "extra":  # code of a user's own
                    same = field.default is not dataclasses.MISSING
                    same = same and to_json(field.default) == value[field.name]
                    (usual if same else varied).add(f"{module}:{kind}.{field.name}")
    missing |= usual - varied
    if missing:
        sys.exit(f"These are named by no stored config: {', '.join(sorted(missing))}")


# --------------------------------------------------------------------------- the making


def make_configs(trained: list[Any]) -> None:
    from imgtrans_jax import config

    paths = sorted((ROOT / "configs").glob("*.py"))
    files = {path.stem: config.load(str(path), object) for path in paths}
    stored = {
        "configs": {name: config.to_json(value) for name, value in files.items()},
        "choices": {name: config.to_json(value) for name, value in choices().items()},
    }
    check_complete([*trained, *stored["configs"].values(), *stored["choices"].values()])
    groups = []
    for group, entries in stored.items():
        lines = ",\n".join(
            f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items()
        )
        groups.append(f"{json.dumps(group)}: {{\n{lines}\n}}")
    text = "{\n" + ",\n".join(groups) + "\n}\n"
    CONFIGS.write_text(text.replace(f'"from": {json.dumps(str(ROOT))}', HERE_IS))


def train(folder: Path) -> dict[str, dict[str, float]]:
    """Trains every run in `folder`/runs, and of a copy of each the step after: its terms."""
    from imgtrans_jax import loop

    platform.platform = lambda *_, **__: "Linux"  # whose machine it was is nobody's concern
    os.environ |= {"IMGTRANS_CACHE": str(folder / "cache"), "IMGTRANS_DATA": "data"}
    os.chdir(folder)
    (folder / "project").mkdir()
    (folder / "project" / "golden_own.py").write_text(OWN)
    sys.path.append(str(folder / "project"))
    own = importlib.import_module("golden_own")
    found = {}
    for name, experiment in (runs() | {"mine": with_own_code(own.Net, own.darker)}).items():
        loop.train(experiment, f"runs/{name}", steps=STEPS)
        shutil.copytree(f"runs/{name}", f"further/{name}")
        loop.train(experiment, f"further/{name}", steps=STEPS + 1)
        found[name] = terms(folder / "further" / name, STEPS + 1)
    loop.train(noisy(), "further/noisy", steps=1)
    return found


def write_networks(folder: Path) -> None:
    """Two networks of the run `cyclegan`, each alone."""
    from imgtrans_jax.generators import load_generator, save_network
    from imgtrans_jax.pretrained.pytorch import Network

    loaded = load_generator(folder / "runs" / "cyclegan")
    recipe: Any = loaded.experiment.recipe
    assert loaded.critics is not None
    network = Network(recipe.generator, loaded.params["g_ab"], loaded.stats.get("g_ab", {}))
    save_network(network, folder / "generators" / "network.safetensors")
    critics = loaded.critics
    critic = Network(recipe.critic, critics.params["d_b"], critics.stats.get("d_b", {}))
    save_network(critic, folder / "generators" / "critic.safetensors")


def pack(folder: Path) -> None:
    left_out = ("index.html", "samples", "events.out.tfevents", "cache", "further", "out", ".lock")
    with zipfile.ZipFile(RUNS, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.is_dir() or any(part.startswith(left_out) for part in name.parts):
                continue
            entry = zipfile.ZipInfo(str(name), (1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def make(folder: Path) -> None:
    from imgtrans_jax.training.convert import convert

    draw(folder)
    further = train(folder)
    results: dict[str, Any] = {f"terms/{name}": json.dumps(row) for name, row in further.items()}
    trained = (folder / "runs").glob("*/config.json")
    make_configs([json.loads(path.read_text()) for path in trained])
    for source in ("runs/cyclegan", "runs/cgan", "runs/mine", "further/noisy"):
        target = folder / "generators" / f"{Path(source).name}.safetensors"
        convert(folder / source, target, trust_code=True)
    write_networks(folder)
    pack(folder)
    made = answers(stylize_commands("out"), folder, PYTHONPATH=str(folder / "project"))
    for name, answer in zip(PICTURES, made, strict=True):
        if answer.code:
            sys.exit(answer.said)
        results[f"picture/{name}"] = picture(folder / "out" / name)
        if results[f"picture/{name}"][..., :3].std() < 10:
            sys.exit(f"The picture {name} is nearly flat: another network might make it too.")
    results |= {f"arrays/{name}": np.array(arrays(folder / name)) for name in CONVERTED}
    np.savez_compressed(RESULTS, allow_pickle=False, **results)


def main() -> None:
    there = [path.name for path in (RUNS, CONFIGS, RESULTS) if path.exists()]
    if there:
        sys.exit(f"{', '.join(there)}: golden files are not made anew; remove them to do it.")
    sys.path.insert(0, str(ROOT))
    PLACE.mkdir()
    try:
        make(PLACE)
    finally:
        shutil.rmtree(PLACE)


if __name__ == "__main__":
    main()
