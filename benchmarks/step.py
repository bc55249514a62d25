"""Seconds a training step, compile seconds and peak memory of the CycleGAN step: python benchmarks/step.py [64 128 256]

64 px is the quickstart's network at its batch of 4; 128 px the paper's 6-block network and 256 px its 9-block network, batch 1.
"""

import multiprocessing
import platform
import resource
import sys
import time

STEPS = {64: 20, 128: 6, 256: 4}


def measure(size: int) -> None:
    import jax
    import numpy as np

    from imgtrans_jax import config, program, sharding

    name = {64: "quickstart", 128: "cyclegan_openmoji", 256: "cyclegan_horse2zebra"}[size]
    experiment = config.load(f"configs/{name}.py")
    rng = np.random.default_rng(0)
    shape = (experiment.batch_size, size, size, 3)
    batch = {side: rng.uniform(-1, 1, shape).astype(np.float32) for side in "ab"}
    mesh = sharding.data_mesh(1, 1)
    programs = program.Program(experiment, mesh, batch, per_epoch=1000)
    state = programs.initial()
    step, compile_seconds = programs.compile()
    batch = sharding.to_devices(batch, mesh)
    times = []
    for _ in range(STEPS[size]):
        began = time.perf_counter()
        state, _ = jax.block_until_ready(step(state, batch))
        times.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name}: {np.median(times[1:]):.3f} s a step (batch {experiment.batch_size}, {size} px), compiled in "
        f"{compile_seconds:.0f} s, peak {peak:.0f} MB; {jax.devices()[0].device_kind}, jax {jax.__version__}, "
        f"{platform.platform()}",
        flush=True,
    )


if __name__ == "__main__":
    for argument in sys.argv[1:] or ["64", "128", "256"]:
        # A process each: peak memory is a process's own.
        process = multiprocessing.get_context("spawn").Process(target=measure, args=(int(argument),))
        process.start()
        process.join()
