"""One side in a process of its own: python -m benchmarks.worker ours|theirs. Reads and writes a line of JSON at a time.

{"case", "variant", "inputs"} prepares a step and makes the first; {"steps": n} makes one, and n more that are timed; {} counts
the operations of a step, which takes memory and so comes last. Both sides live side by side, and the one whose turn it is not
waits.
"""

from __future__ import annotations

import json
import resource
import sys
import time

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
    step, compile_s, flop = this.prepare(case, order["variant"], inputs)
    first = step()
    answer(compile_s=compile_s, matmul_gflops=rate, loss=first, version=this.version())
    for line in sys.stdin:
        order = json.loads(line)
        if "steps" not in order:
            answer(gflop=flop() / 1e9)
            continue
        seconds, losses = [], []
        losses.append(step())  # not timed: the system has taken memory back while the other side had its turn
        for _ in range(order["steps"]):
            began = time.perf_counter()
            losses.append(step())
            seconds.append(time.perf_counter() - began)
        peak = this.peak_mb() or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answer(seconds=seconds, losses=losses, peak_mb=peak)


if __name__ == "__main__":
    main(sys.argv[1])
