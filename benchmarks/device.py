"""Training steps, style transfer and inference beside PyTorch's best on an accelerator that is
rented by the minute.

  python -m benchmarks.device [--json=rows.json] [--seconds=300] [--size=256] [--only=cyclegan]
  [--at_once=12]

Many settings compile at once, each in a process of its own on the device that all share; then they
are timed one after the other while the rest wait. A row's seconds a step are those of a training,
which waits for its last step alone: the median of five turns of as many steps as take about a third
of a second. share is that of the rate measured here for matrices of 8192x8192 in bfloat16, or in
tf32 for rows in float32. The most valuable rows come first; what would begin after --seconds is
left out, and said.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.__main__ import Worker
from benchmarks.cases import Case
from imgtrans_jax.types import UserError

ROWS = (  # a case, our settings, PyTorch's
    (
        Case("cyclegan", 256),
        ("float32", "bfloat16", "float32 kept", "bfloat16 kept"),
        (
            "compile float32",
            "compile bfloat16",
            "graphs float32",
            "graphs bfloat16",
            "eager float32",
        ),
    ),
    (
        Case("pix2pix", 256),
        ("float32", "bfloat16"),
        ("compile float32", "compile bfloat16", "graphs float32", "graphs bfloat16"),
    ),
    (
        Case("cyclegan", 256, batch=8),
        ("float32", "bfloat16", "bfloat16 kept"),
        ("compile bfloat16", "compile float32"),
    ),
    (
        Case("generator", 256),
        ("float32", "bfloat16"),
        ("compile float32", "graphs float32", "graphs bfloat16"),
    ),
    (
        Case("style_adam", 512),
        ("float32", "bfloat16"),
        ("compile float32", "graphs float32", "graphs bfloat16"),
    ),
    (
        Case("pix2pix", 256, batch=16),
        ("float32", "bfloat16"),
        ("compile float32", "compile bfloat16"),
    ),
    (Case("style_lbfgs", 512), ("float32",), ("eager float32",)),
    (Case("cyclegan", 256, batch=16), ("bfloat16",), ("compile bfloat16",)),
)
# a picture of 256 px in float32, guessed on the safe side
GIGABYTES = {"cyclegan": 3.0, "pix2pix": 1.0}
ROOM = 64.0  # gigabytes of the device for the settings that are there together
TURNS = 5
WIDEST = 240.0  # seconds that a setting may take to its first step
PROFILED = 4


def settings(only: str | None, size: int | None) -> list[tuple[Case, str, str]]:
    """(case, side, variant) in order of value."""
    found = []
    for case, ours, theirs in ROWS:
        if only in (None, case.task):
            of_size = dataclasses.replace(case, size=size or case.size)
            found += [(of_size, "ours", variant) for variant in ours]
            found += [
                (of_size, "theirs", " channels_last ".join(variant.split())) for variant in theirs
            ]
    return found


def wave(left: list[tuple[Case, str, str]], at_once: int) -> list[tuple[Case, str, str]]:
    """The next settings that go together: so many, as far as they fit into the device's memory."""
    chosen, room = [], ROOM
    for case, side, variant in left[:at_once]:
        room -= 1 + GIGABYTES.get(case.task, 3.0) * case.batch * (
            0.6 if "bfloat16" in variant else 1
        )
        if chosen and room < 0:
            break
        chosen.append((case, side, variant))
    return chosen


def inputs(case: Case, folder: Path) -> str:
    """Random pictures, or the sample ones, in a file; where the trained VGG is not installed it is
    one of random weights, whose speed is the same.
    """
    from benchmarks import __main__ as cpu

    path = folder / f"{case.task}_{case.size}_{case.batch}.npz"
    if not path.exists():
        rng = np.random.default_rng(0)
        try:
            arrays: dict[str, Any] = cpu.pictures(case)
        except UserError:
            square = (1, case.size, case.size, 3)
            arrays = {
                name: rng.uniform(0, 1, square).astype(np.float32) for name in ("content", "style")
            }
            arrays |= random_vgg(rng)
        np.savez(path, **arrays)
    return str(path)


def random_vgg(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """VGG-19's convolutions with He et al. 2015's initialisation."""
    from imgtrans_jax.models.vgg import WIDTHS, convolutions

    found, into = {}, 3
    for name in convolutions(19):
        out = WIDTHS[int(name[4]) - 1]
        scale = np.sqrt(2 / (9 * into))
        found[f"{name}/kernel"] = (scale * rng.standard_normal((3, 3, into, out))).astype(
            np.float32
        )
        found[f"{name}/bias"] = np.zeros(out, np.float32)
        into = out
    return found


def rates() -> dict[str, float]:
    """Of matrix products of 8192x8192, TFLOP/s, in a process of its own that gives its memory
    back.
    """
    code = (
        "import json, sys; from benchmarks import ours; side = int(sys.argv[1]); print(json.dumps("
        "{name: ours.matmul_gflops(side, name) / 1e3 for name in ('float32', 'bfloat16')}))"
    )
    side = "8192" if accelerator() else "1024"
    output = subprocess.run(
        [sys.executable, "-c", code, side], check=True, capture_output=True, text=True
    ).stdout
    return json.loads(output.splitlines()[-1])


def accelerator() -> bool:
    """Whether there is a GPU, asked without taking any of its memory."""
    return Path("/dev/nvidia0").exists()


def prepared(
    case: Case, side: str, variant: str, path: str, torch_python: str
) -> tuple[Worker, dict[str, Any]]:
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    worker = Worker(sys.executable if side == "ours" else torch_python, side, environment)
    try:
        return worker, worker.ask(
            WIDEST, case=dataclasses.asdict(case), variant=variant, inputs=path
        )
    except RuntimeError:
        worker.process.kill()
        raise


def timed(worker: Worker) -> dict[str, Any]:
    one = worker.ask(queued=1)["seconds"]
    steps = max(1, min(200, round(0.3 / one)))
    turns = [worker.ask(queued=steps) for _ in range(TURNS)]
    seconds = [turn["seconds"] for turn in turns]
    return {
        "s": statistics.median(seconds),
        "low_s": min(seconds),
        "high_s": max(seconds),
        "peak_mb": turns[-1]["peak_mb"],
    }


def measured(
    together: list[tuple[Case, str, str]], folder: Path, rate: dict[str, float], torch_python: str
) -> list[dict[str, Any]]:
    """The rows of settings that compile at once and are timed one after the other."""
    rows, paths = [], [inputs(case, folder) for case, *_ in together]
    with concurrent.futures.ThreadPoolExecutor(len(together)) as threads:
        waiting = [
            (threads.submit(prepared, *setting, path, torch_python), setting)
            for setting, path in zip(together, paths, strict=True)
        ]
        concurrent.futures.wait([future for future, _ in waiting])
        for future, (case, side, variant) in waiting:
            row: dict[str, Any] = {**dataclasses.asdict(case), "side": side, "variant": variant}
            try:
                worker, begun = future.result()
                with worker:
                    row |= timed(worker) | {
                        name: begun[name] for name in ("compile_s", "first_s", "version")
                    }
                    if side == "ours":
                        row |= worker.ask()
                        row["share"] = row["gflop"] / row["s"] / rate[variant.split()[0]] / 1e3
                        row["kernels"] = kernels(worker)
            except RuntimeError as error:
                row["error"] = str(error).splitlines()[-1][:300]
            rows.append(row)
            print(said(row), flush=True)
    return rows


def kernels(worker: Worker) -> list[tuple[str, float, int]]:
    """Where a step's time goes; nothing on a CPU, or where the profiler does not work."""
    try:
        return worker.ask(120, profile=PROFILED)["kernels"] if accelerator() else []
    except RuntimeError as error:
        print(f"No profile: {str(error).splitlines()[-1][:200]}")
        return []


def said(row: dict[str, Any]) -> str:
    name = (
        f"{row['task']:12}{row['size']:4} px x{row['batch']:<3}{row['side']:7}{row['variant']:32}"
    )
    if "error" in row:
        return f"{name}left out: {row['error']}"
    share = f"  share {row['share']:.2f}" if "share" in row else ""
    each = 1e3 * row["s"] / row["batch"]
    return (
        f"{name}{1e3 * row['s']:8.2f} ms [{1e3 * row['low_s']:.2f}, {1e3 * row['high_s']:.2f}]  "
        f"{each:7.2f} ms a picture  {row['peak_mb']:6.0f} MB  first step after "
        f"{row['compile_s'] + row['first_s']:.0f} s{share}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.device",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", type=Path, help="writes the rows here after each wave")
    parser.add_argument(
        "--seconds", type=float, default=300, help="no wave begins later; unless given 300"
    )
    parser.add_argument("--size", type=int, help="pixels a side, for trying it out on a CPU")
    parser.add_argument(
        "--only", choices=sorted({case.task for case, *_ in ROWS}), help="this task alone"
    )
    parser.add_argument(
        "--at_once", type=int, default=8, help="settings that compile at once; unless given 8"
    )
    parser.add_argument(
        "--torch_python",
        default=sys.executable,
        help="a Python that has torch; unless given this one",
    )
    args = parser.parse_args()
    began, rate = time.monotonic(), rates()
    print(
        f"Matrix products: {rate['float32']:.1f} TFLOP/s in float32 as JAX computes it, "
        f"{rate['bfloat16']:.1f} in bfloat16."
    )
    rows: list[dict[str, Any]] = []
    left = settings(args.only, args.size)
    with tempfile.TemporaryDirectory() as folder:
        while left:
            if time.monotonic() - began > args.seconds:
                print(
                    f"Left out, for time: {len(left)} settings from {left[0][0].name}, "
                    f"{left[0][1]}, {left[0][2]} on."
                )
                break
            together = wave(left, args.at_once)
            left = left[len(together) :]
            rows += measured(together, Path(folder), rate, args.torch_python)
            if args.json:
                args.json.write_text(json.dumps({"rates": rate, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
