"""Training steps, style transfer and inference beside PyTorch, on this machine.

  python -m benchmarks [--only=cyclegan] [--size=256] [--all] [--json=rows.json]
  [--torch_python=python_that_has_torch]

Without --all it measures the rows that have a target, in some twenty minutes on two cores; of a
task or size that has none, its other rows. PyTorch runs in the fastest of its settings: eager or
torch.compile, either memory layout, and bfloat16 by autocast where the row allows it; this library
in the faster of float32 and bfloat16 there. Then they take turns in one run. ratio is ours by
PyTorch's, the median over the pairs of turns, with a bootstrap interval of 95 %; for style_lbfgs it
is that of the seconds to the same loss. share is that of the rate at which this machine multiplies
float32 matrices of 2048x2048: products saved by Winograd's algorithm count as made, so that it may
exceed 1.

Other measurements: python -m benchmarks.layers (every convolution), python -m benchmarks.input (the
input pipeline),
python benchmarks/optimizers.py (losses of several optimisers of pixels).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import OTHERS, TARGETS, Case
from imgtrans_jax.commands.app import LARGE_PAGES

PAIRS = 5
FIRST = 300  # seconds that a setting may take to its first step


class Worker:
    """A side in its own process, see worker.py."""

    def __init__(self, python: str, side: str, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [python, "-m", "benchmarks.worker", side],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.noise: list[str] = []
        threading.Thread(
            target=lambda: self.noise.extend(self.process.stderr or ()), daemon=True
        ).start()

    def ask(self, timeout: float = 3600, **values: Any) -> dict[str, Any]:
        """Raises RuntimeError if it ends without an answer, or takes too long."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        timer = threading.Timer(timeout, self.process.kill)
        timer.start()
        try:
            self.process.stdin.write(json.dumps(values) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            timer.cancel()
        if not answer:
            raise RuntimeError("".join(self.noise[-5:]).strip() or "it took too long")
        return json.loads(answer)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


@dataclasses.dataclass
class Bench:
    """Where the two sides are, and what is said about them."""

    torch_python: str
    folder: Path

    def worker(self, side: str) -> Worker:
        # Large pages for both sides, as the programs here ask for them.
        environment = os.environ | {
            "JAX_COMPILATION_CACHE_DIR": str(self.folder / "compiled"),
            "GLIBC_TUNABLES": LARGE_PAGES,
        }
        return Worker(sys.executable if side == "ours" else self.torch_python, side, environment)

    def fastest(self, side: str, case: Case, inputs: str) -> str:
        """The setting with the quickest step. torch.compile is tried for the layout and type that
        are fastest without.
        """
        with self.worker(side) as worker:
            names = worker.ask(case=dataclasses.asdict(case))["variants"]
        if len(names) == 1:
            return names[0]
        best, least = "", np.inf
        for name in names:
            if name.startswith("compile") and name.removeprefix("compile") != best.removeprefix(
                "eager"
            ):
                continue
            try:
                with self.worker(side) as worker:
                    worker.ask(FIRST, case=dataclasses.asdict(case), variant=name, inputs=inputs)
                    seconds = float(
                        np.median(worker.ask(FIRST, steps=max(2, case.turn // 8))["seconds"])
                    )
            except RuntimeError as error:
                _say(f"  {side} {name}: left out ({str(error).splitlines()[-1][:100]})")
                continue
            _say(f"  {side} {name}: {seconds:.3f} s")
            if seconds < least:
                best, least = name, seconds
        return best

    def row(self, case: Case, pairs: int) -> dict[str, Any]:
        inputs = str(self.folder / "inputs.npz")
        arrays: dict[str, Any] = pictures(case)
        np.savez(inputs, **arrays)
        chosen = {side: self.fastest(side, case, inputs) for side in ("ours", "theirs")}
        with self.worker("ours") as ours, self.worker("theirs") as theirs:
            sides = {"ours": ours, "theirs": theirs}
            begun = {
                side: worker.ask(case=dataclasses.asdict(case), variant=chosen[side], inputs=inputs)
                for side, worker in sides.items()
            }
            turns: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
            for _ in range(pairs):
                for side, worker in sides.items():
                    turns[side].append(worker.ask(steps=case.turn))
            begun["ours"] |= ours.ask()
        warm = None
        if case.task == "cyclegan" and case.target:
            with self.worker("ours") as again:
                warm = again.ask(
                    case=dataclasses.asdict(case), variant=chosen["ours"], inputs=inputs
                )["compile_s"]
        return summary(case, chosen, begun, turns) | {"compile_warm_s": warm}


def pictures(case: Case) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    if not case.task.startswith("style"):
        shapes = {"a": case.shape, "b": case.shape}
        if case.task == "srgan":
            shapes["a"] = (case.batch, case.size // 4, case.size // 4, 3)
        arrays = {
            side: rng.uniform(-1, 1, shape).astype(np.float32) for side, shape in shapes.items()
        }
        return arrays | vgg() if case.task == "srgan" else arrays
    from imgtrans_jax.data import sample_pictures
    from imgtrans_jax.io import images

    photograph = sample_pictures.photograph()
    square = photograph[:, (photograph.shape[1] - photograph.shape[0]) // 2 :][
        :, : photograph.shape[0]
    ]
    both = {"content": square, "style": sample_pictures.painting()}
    resized = {name: images.resize(picture, case.size, case.size) for name, picture in both.items()}
    return {
        name: picture.astype(np.float32)[None] / 255 for name, picture in resized.items()
    } | vgg()


def vgg() -> dict[str, np.ndarray]:
    """VGG-19 up to conv5_3, of the embedded VGG-16: the layers that it has more are copies of those
    before them.
    """
    from imgtrans_jax.weights.vgg import load_vgg

    params = load_vgg("embedded")[1]["params"]
    params |= {f"conv{block}_4": params[f"conv{block}_3"] for block in (3, 4)}
    names = [name for name in params if name.startswith("conv")]
    return {
        f"{name}/{part}": np.asarray(params[name][part])
        for name in names
        for part in ("kernel", "bias")
    }


def summary(
    case: Case,
    chosen: dict[str, str],
    begun: dict[str, Any],
    turns: dict[str, list[dict[str, Any]]],
) -> dict[str, Any]:
    each = {
        side: np.array([np.mean(turn["seconds"]) for turn in found])
        for side, found in turns.items()
    }
    factor = 1.0
    if case.task == "style_lbfgs":
        factor = evaluations_to_the_same(
            *(
                [loss for turn in turns[side] for loss in turn["losses"]]
                for side in ("ours", "theirs")
            )
        )
    ratios = factor * each["ours"] / each["theirs"]
    medians = np.median(np.random.default_rng(0).choice(ratios, (10_000, len(ratios))), axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    ours_s = float(np.median(each["ours"]))
    row = {
        "task": case.task,
        "size": case.size,
        "height": case.height,
        "batch": case.batch,
        "precision": case.precision,
    }
    row |= {"ours_s": ours_s, "torch_s": float(np.median(each["theirs"]))}
    row |= {
        "ratio": float(np.median(ratios)),
        "ratio_low": float(low),
        "ratio_high": float(high),
        "target": case.target,
    }
    row |= {"compile_s": begun["ours"]["compile_s"], "gflop": begun["ours"]["gflop"]}
    row |= {"share": begun["ours"]["gflop"] / ours_s / begun["ours"]["matmul_gflops"]}
    for side, name in (("ours", "ours"), ("theirs", "torch")):
        row |= {f"{name}_peak_mb": turns[side][-1]["peak_mb"], f"{name}_setting": chosen[side]}
        row |= {
            f"{name}_turns_s": [round(float(s), 4) for s in each[side]],
            f"{name}_version": begun[side]["version"],
        }
    return row | {
        "evaluations_ratio": factor,
        "machine": platform.platform(),
        "cpus": os.cpu_count(),
    }


def evaluations_to_the_same(ours: list[float], theirs: list[float]) -> float:
    """How many evaluations we need for one of theirs, to the lowest loss that both reach."""
    level = max(min(ours), min(theirs))
    first = [
        next(i for i, loss in enumerate(losses, 1) if loss <= level) for losses in (ours, theirs)
    ]
    return first[0] / first[1]


def said(row: dict[str, Any]) -> str:
    size = f"{row['size']}x{row['height']}" if row["height"] else f"{row['size']}"
    target = f" (target {row['target']:.2f})" if row["target"] else ""
    warm = (
        f", from the cache {row['compile_warm_s']:.1f}" if row["compile_warm_s"] is not None else ""
    )
    return (
        f"{row['task']:12}{size:>10}{row['batch']:4} {row['precision']:9} {row['ours_s']:8.3f} s "
        f"{row['torch_s']:8.3f} s  ratio {row['ratio']:.3f} [{row['ratio_low']:.3f}, "
        f"{row['ratio_high']:.3f}]{target}  compiled in {row['compile_s']:.1f} s{warm}  peak "
        f"{row['ours_peak_mb']:.0f} / {row['torch_peak_mb']:.0f} MB  share {row['share']:.2f}  "
        f"({row['ours_setting']} / {row['torch_setting']})"
    )


def _say(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    tasks = sorted({case.task for case in TARGETS + OTHERS})
    parser.add_argument("--only", choices=tasks, help="this task alone")
    parser.add_argument("--size", type=int, help="this size alone")
    parser.add_argument(
        "--all",
        action="store_true",
        help="also the rows without a target; takes hours on two cores",
    )
    parser.add_argument(
        "--pairs", type=int, default=PAIRS, help=f"turns of each side; unless given {PAIRS}"
    )
    parser.add_argument("--json", type=Path, help="writes the rows here, a JSON list")
    parser.add_argument(
        "--torch_python",
        default=sys.executable,
        help="a Python that has torch and NumPy; unless given the one that runs this",
    )
    args = parser.parse_args()
    with_target, others = (
        [case for case in rows if args.only in (None, case.task) and args.size in (None, case.size)]
        for rows in (TARGETS, OTHERS)
    )
    cases = with_target + others if args.all else with_target or others
    if not cases:
        parser.error(f"There is no row of {args.only or 'any task'} with --size={args.size}.")
    if subprocess.run([args.torch_python, "-c", "import torch"], capture_output=True).returncode:
        parser.error(
            f"{args.torch_python} has no torch; install it there, or name another Python by "
            "--torch_python."
        )
    if args.json and not args.json.parent.is_dir():
        parser.error(f"There is no folder {args.json.parent} to write {args.json.name} to.")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args.torch_python, Path(folder))
        for case in cases:
            _say(f"{case.name} ...")
            try:
                rows.append(bench.row(case, args.pairs))
            except RuntimeError as error:
                _say(f"  left out: {error}")
                continue
            _say(said(rows[-1]))
            if args.json:
                args.json.write_text(json.dumps(rows, indent=1) + "\n")
    if rows:
        _say(
            f"{rows[0]['ours_version']}, {rows[0]['torch_version']}, {rows[0]['cpus']} CPUs, "
            f"{rows[0]['machine']}"
        )
    if len(rows) < len(cases):
        sys.exit(1)


if __name__ == "__main__":
    main()
