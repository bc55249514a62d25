"""The steps of this library, as its programs run them."""

from __future__ import annotations

import dataclasses
import functools
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.cases import RATE, Case, vgg_layers
from imgtrans_jax.config.loading import load
from imgtrans_jax.convolution.forms import form
from imgtrans_jax.engine import sharding
from imgtrans_jax.engine.game import apply
from imgtrans_jax.losses.style import style_relative
from imgtrans_jax.methods.cyclegan import CycleGAN
from imgtrans_jax.methods.pix2pix import Pix2Pix
from imgtrans_jax.methods.srgan import SRGAN
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.models.vgg import MEAN, STD
from imgtrans_jax.optim import LBFGS, Adam, Constant, PixelAdam
from imgtrans_jax.style import optimize
from imgtrans_jax.style.gatys import Gatys
from imgtrans_jax.training import program


class Prepared(NamedTuple):
    """A step, which returns a loss that may still be on its way; what waits until all is done; how
    many seconds it took to compile; what counts its floating-point operations.
    """

    step: Callable[[], Any]
    wait: Callable[[], object]
    compile_s: float
    flop: Callable[[], float]


def variants(case: Case) -> list[str]:
    """The settings to choose the fastest of. `float32 kept`, `bfloat16 kept`: without remat, for
    benchmarks/device.py.
    """
    return ["float32", "bfloat16"] if case.precision == "bfloat16" else ["float32"]


def prepare(case: Case, variant: str, inputs: dict[str, np.ndarray]) -> Prepared:
    if case.task == "generator":
        return generator(case, variant, inputs)
    if case.task.startswith("style"):
        return style(case, variant, inputs)
    return game(case, variant, inputs)


def peak_mb() -> float | None:
    """Of the device's memory; None where that is the process's own."""
    stats = jax.devices()[0].memory_stats()
    return stats["peak_bytes_in_use"] / 2**20 if stats else None


def version() -> str:
    return f"jax {jax.__version__} on {jax.devices()[0].device_kind}"


def flop(function: Callable[..., Any], *args: Any) -> float:
    """As XLA counts those of the plain forms."""
    with form("plain"):
        analysis = jax.jit(function).lower(*args).cost_analysis()
    return float((analysis or {}).get("flops", math.nan))


def matmul_gflops(side: int = 2048, dtype: Any = "float32") -> float:
    """The rate of this machine: a product of matrices of side x side, the median of 10."""
    x = jax.random.normal(jax.random.key(0), (side, side), dtype)
    product = jax.jit(lambda x: x @ x)
    seconds = []
    for _ in range(11):
        began = time.perf_counter()
        jax.block_until_ready(product(x))
        seconds.append(time.perf_counter() - began)
    return 2 * side**3 / float(np.median(seconds[1:])) / 1e9


def game(case: Case, variant: str, inputs: dict[str, np.ndarray]) -> Prepared:
    """CycleGAN, pix2pix and SRGAN, as train.py runs them; SRGAN as configs/srgan.py has it, but for
    its critic's size.
    """
    dtype, kept = _dtype(variant), variant.endswith("kept")
    if case.task == "cyclegan":
        base = load("configs/cyclegan_horse2zebra.py")
        generator = ResNetGenerator(blocks=case.blocks, dtype=dtype, remat=not kept)
        recipe: Any = CycleGAN(generator=generator)
        recipe = dataclasses.replace(recipe, critic=recipe.critic.clone(dtype=dtype))
    elif case.task == "pix2pix":
        base = load("configs/pix2pix_facades.py")
        recipe = Pix2Pix()
        recipe = dataclasses.replace(
            recipe,
            generator=recipe.generator.clone(dtype=dtype),
            critic=recipe.critic.clone(dtype=dtype),
        )
    else:
        base = load("configs/srresnet.py")
        recipe = SRGAN(pixel=0.0, content=0.006, layer="relu5_3", adversarial=1e-3)
    optimizer = Adam(Constant(2e-4, 200))
    experiment = dataclasses.replace(
        base, recipe=recipe, batch_size=case.batch, optimizer=optimizer
    )
    batch = {side: inputs[side] for side in "ab"}
    mesh = sharding.device_mesh((0, 1), 1, 1)
    programs = program.Program(experiment, mesh, batch, per_epoch=1000)
    state = programs.initial_state()
    compiled, seconds, *_ = programs.compile()
    placed = sharding.to_devices(batch, mesh)

    def step() -> Any:
        nonlocal state
        state, metrics = compiled(state, placed)
        return Loss(metrics)

    def wait() -> object:
        return jax.block_until_ready(state)

    frozen = experiment.recipe.frozen()
    return Prepared(
        step, wait, seconds, lambda: flop(programs.step, programs.like, programs.batch, frozen)
    )


class Loss(dict[str, jax.Array]):
    """A step's metrics, which become the sum of the generators' terms when that is asked for."""

    def __float__(self) -> float:
        return float(
            sum(value for name, value in self.items() if not name.startswith(("norm/", "d_")))
        )


def generator(case: Case, variant: str, inputs: dict[str, np.ndarray]) -> Prepared:
    module = ResNetGenerator(blocks=9, dtype=_dtype(variant))
    x = jnp.asarray(inputs["a"])
    params = jax.jit(lambda: module.init(jax.random.key(0), x, train=False)["params"])()
    began = time.perf_counter()

    def translate(params: Any, x: jax.Array) -> jax.Array:
        return apply(module, params, {}, x, None, train=False)[0]

    compiled = jax.jit(translate).lower(params, x).compile()
    seconds = time.perf_counter() - began

    def step() -> Any:
        nonlocal found
        found = compiled(params, x)
        return found[0, 0, 0, 0]

    found = compiled(params, x)
    return Prepared(
        step, lambda: jax.block_until_ready(found), seconds, lambda: flop(translate, params, x)
    )


def style(case: Case, variant: str, inputs: dict[str, np.ndarray]) -> Prepared:
    """VGG-19 and Gram matrices, weights of both losses 1."""
    recipe = Gatys(
        content_weight=1.0,
        style_loss=style_relative,
        laplacian_weight=0.0,
        border="zero",
        dtype=_dtype(variant),
    )
    optimizer: Any = _Adam(RATE) if case.task == "style_adam" else LBFGS()
    network: dict[str, Any] = {
        name: {part: inputs[f"{name}/{part}"] for part in ("kernel", "bias")}
        for name in vgg_layers(inputs)
    }
    network |= {"mean": np.float32(np.array(MEAN)), "deviation": np.float32(np.array(STD))}
    params = jax.device_put({"params": network})
    frozen = {
        "params": params,
        "weights": {"content": np.float32(1), "style": np.float32(1)},
        "content": jax.jit(lambda p, x: recipe.content_targets(19, p, x))(
            params, inputs["content"]
        ),
        "styles": (
            jax.jit(lambda p, x: recipe.style_targets(19, p, [x], [1.0]))(params, inputs["style"]),
        ),
        "shares": (np.float32(1),),
        "masks": (),
    }
    steps = 10_000
    began = time.perf_counter()
    compiled = optimize.lower_step(
        recipe.objective(19), inputs["content"], frozen, optimizer, steps, clip=False
    ).compile()
    seconds = time.perf_counter() - began
    walk = jax.jit(functools.partial(optimize.start, optimizer=optimizer, steps=steps))(
        inputs["content"]
    )

    def step() -> Any:
        nonlocal walk
        walk, terms = compiled(walk, frozen)
        return terms["total"]

    one = functools.partial(optimize.step, recipe.objective(19), optimizer, steps, False)
    return Prepared(
        step, lambda: jax.block_until_ready(walk), seconds, lambda: flop(one, walk, frozen)
    )


@dataclasses.dataclass(frozen=True)
class _Adam(PixelAdam):
    """Without the cooling, as the other side's."""

    def transformation(self, steps: int) -> optax.GradientTransformation:
        return optax.adam(self.rate, b1=self.b1, b2=self.b2, eps=1e-8)


def _dtype(variant: str) -> Any:
    return variant.split()[0]


def profile(
    step: Callable[[], Any], wait: Callable[[], object], steps: int
) -> list[tuple[str, float, int]]:
    """What the device did in `steps` steps: (kernel, seconds a step, calls a step), the longest
    first.
    """
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(steps):
                step()
            wait()
        file = next(Path(folder).rglob("*.xplane.pb"))
        planes = jax.profiler.ProfileData.from_file(str(file)).planes
        found: dict[str, list[float]] = {}
        for plane in planes:
            for line in plane.lines if "/device:" in plane.name else ():
                for event in line.events if line.name.startswith("Stream") else ():
                    found.setdefault(event.name, []).append(event.duration_ns / 1e9)
    return sorted(
        ((name, sum(each) / steps, len(each) // steps) for name, each in found.items()),
        key=lambda row: -row[1],
    )
