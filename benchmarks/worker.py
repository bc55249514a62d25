"""One side in a process of its own: python -m benchmarks.worker ours|theirs. Reads and writes a
line of JSON at a time.

{"case", "variant", "inputs"} prepares a step and makes the first; {"steps": n} makes one, and n
more that are timed; {"queued": n} makes n and waits for the last alone, as a training does;
{"profile": n} says which kernels n steps spend their time in; {} counts the operations of a step,
which takes memory and so comes last. Both sides live side by side, and the one whose turn it is not
waits.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.cases import Case


def main(side: str) -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is not an answer

    def answer(**values: object) -> None:
        print(json.dumps(values), file=answers, flush=True)

    if side == "ours":
        from benchmarks import ours as this
    else:
        from benchmarks import theirs as this

    order = json.loads(sys.stdin.readline())
    case = Case(**order["case"])
    if not order.get("variant"):
        answer(variants=this.variants(case))
        return
    with np.load(order["inputs"], allow_pickle=False) as stored:
        inputs = {name: stored[name] for name in stored.files}
    rate = this.matmul_gflops()
    prepared = this.prepare(case, order["variant"], inputs)

    def step() -> float:
        loss = prepared.step()
        prepared.wait()
        return float(loss)

    began = time.perf_counter()
    first = step()
    begun = {"compile_s": prepared.compile_s, "first_s": time.perf_counter() - began}
    answer(**begun, matmul_gflops=rate, loss=first, version=this.version())
    for line in sys.stdin:
        order = json.loads(line)
        if "steps" in order:
            answer(**timed(step, order["steps"]), peak_mb=peak_mb(this))
        elif "queued" in order:
            answer(seconds=queued(prepared, order["queued"]), loss=step(), peak_mb=peak_mb(this))
        elif "profile" in order:
            answer(kernels=this.profile(prepared.step, prepared.wait, order["profile"]))
        else:
            answer(gflop=prepared.flop() / 1e9)


def timed(step: Callable[[], float], count: int) -> dict[str, list[float]]:
    # not timed: the system has taken memory back while the other side had its turn
    losses = [step()]
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        losses.append(step())
        seconds.append(time.perf_counter() - began)
    return {"seconds": seconds, "losses": losses}


def queued(prepared: Any, count: int) -> float:
    """Seconds a step where none is waited for but the last."""
    prepared.step()
    prepared.wait()
    began = time.perf_counter()
    for _ in range(count):
        prepared.step()
    prepared.wait()
    return (time.perf_counter() - began) / count


def peak_mb(this: Any) -> float:
    return this.peak_mb() or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1])
