"""The three passes of every convolution of the networks here, beside lax's plain form and the rate
of a matrix product.

  python -m benchmarks.layers [--network=resnet] [--batch=1] [--dtype=float32] [--json=rows.json]
  python -m benchmarks.layers --forms       (their sum over each network, in each form)

GFLOP/s of the result, of the image's and of the kernel's gradient, each as ours / plain; the
multiplications are those of the definition, so that Winograd's algorithm can exceed the matrix
product. A layer that occurs twice is measured once.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from benchmarks.ours import matmul_gflops, version
from imgtrans_jax.convolution.dispatch import convolve, convolve_transposed
from imgtrans_jax.convolution.forms import Form, form
from imgtrans_jax.convolution.plain import Border
from imgtrans_jax.models.dncnn import DnCNN
from imgtrans_jax.models.layers import Conv, Upsample
from imgtrans_jax.models.patchgan import PatchGAN, StrideOneCritic
from imgtrans_jax.models.resnet import ResNetGenerator
from imgtrans_jax.models.srgan import SRGANCritic, SRResNet
from imgtrans_jax.models.unet import UNet
from imgtrans_jax.models.vgg import VGG

NETWORKS: dict[str, tuple[nn.Module, tuple[int, int, int, int]]] = {
    "quickstart": (ResNetGenerator(width=16, blocks=3, upsample="nearest"), (4, 64, 64, 3)),
    "resnet": (ResNetGenerator(), (1, 256, 256, 3)),
    "resnet_128": (ResNetGenerator(), (1, 128, 128, 3)),
    "patchgan": (PatchGAN(), (1, 256, 256, 3)),
    "unet": (UNet(), (1, 256, 256, 3)),
    "srresnet": (SRResNet(), (1, 64, 64, 3)),
    "srgan_critic": (SRGANCritic(), (1, 96, 96, 3)),
    "dncnn": (DnCNN(), (1, 128, 128, 3)),
    "stride_one": (StrideOneCritic(), (1, 128, 128, 3)),
    "vgg16_128": (VGG(16, ("relu5_1",)), (1, 128, 128, 3)),
    "vgg16_256": (VGG(16, ("relu5_1",)), (1, 256, 256, 3)),
    "vgg19": (VGG(19, ("relu5_1",)), (1, 512, 512, 3)),
}


def layers(
    network: nn.Module, shape: tuple[int, ...]
) -> dict[str, tuple[Callable, tuple[int, ...], tuple[int, ...]]]:
    """{what it is: (function, shape of the image, shape of the kernel)} of a network's
    convolutions.
    """
    found: dict[str, Any] = {}

    def note(call: Callable, args: Any, kwargs: Any, context: Any) -> Any:
        module, x = context.module, args[0] if args else jnp.zeros(())
        if isinstance(module, Conv) and context.method_name == "__call__":
            kernel = (module.kernel, module.kernel, x.shape[-1], module.features)
            border: Border = "reflect" if module.reflect else "zero"
            what = (
                f"{module.kernel}x{module.kernel} /{module.stride} {kernel[2]}->{kernel[3]} "
                f"from {x.shape[2]} px {border}"
            )
            found[what] = (
                functools.partial(
                    convolve, stride=module.stride, padding=module.padding, border=border
                ),
                x.shape,
                kernel,
            )
        elif (
            isinstance(module, Upsample)
            and module.how == "transposed"
            and context.method_name == "__call__"
        ):
            kernel = (module.kernel, module.kernel, x.shape[-1], module.features)
            found[
                f"{module.kernel}x{module.kernel} x2 {kernel[2]}->{kernel[3]} from {x.shape[2]} px"
            ] = (
                convolve_transposed,
                x.shape,
                kernel,
            )
        return call(*args, **kwargs)

    train = () if isinstance(network, VGG) else (False,)
    with nn.intercept_methods(note):
        jax.eval_shape(
            lambda key, x: network.init(key, x, *train),
            jax.random.key(0),
            jax.ShapeDtypeStruct(shape, jnp.float32),
        )
    return found


def compiled(function: Callable, *arguments: Any) -> Callable[[], Any]:
    program = jax.jit(function).lower(*arguments).compile()
    return lambda: program(*arguments)


def seconds(call: Callable[[], Any], repeats: int = 5) -> float:
    """Of a call among as many as take a hundredth of a second, the median: waiting for a GPU takes
    longer than a layer.
    """

    def of(calls: int) -> float:
        began = time.perf_counter()
        jax.block_until_ready([call() for _ in range(calls)])
        return (time.perf_counter() - began) / calls

    of(1)
    calls = math.ceil(0.01 / of(1))
    return float(np.median([of(min(calls, 50)) for _ in range(repeats)]))


def passes(function: Callable, x: jax.Array, kernel: jax.Array) -> list[Callable[[], Any]]:
    """The compiled passes: the result, the gradient of the image, and of the kernel."""
    cotangent = jnp.ones_like(jax.eval_shape(function, x, kernel))
    return [
        compiled(function, x, kernel),
        compiled(
            lambda x, k, c: jax.vjp(lambda x: function(x, k), x)[1](c)[0], x, kernel, cotangent
        ),
        compiled(
            lambda x, k, c: jax.vjp(lambda k: function(x, k), k)[1](c)[0], x, kernel, cotangent
        ),
    ]


def sums(names: list[str]) -> None:
    """The sum of all passes in each form; of VGG, which is not trained, without the kernels'."""
    print(f"{'ms, all layers':20}{'auto':>10}{'direct':>10}{'plain':>10}")
    for name in names:
        network, shape = NETWORKS[name]
        found = []
        for wanted in get_args(Form):
            total = 0.0
            for function, x_shape, kernel_shape in layers(network, shape).values():
                x, kernel = (jnp.ones(s) for s in (x_shape, kernel_shape))
                with form(wanted):
                    calls = passes(function, x, kernel)
                total += sum(map(seconds, calls[:2] if isinstance(network, VGG) else calls))
            found.append(f"{1e3 * total:10.0f}")
        print(f"{name:20}{''.join(found)}", flush=True)


def gflop(function: Callable, x: tuple[int, ...], kernel: tuple[int, ...]) -> float:
    """By the definition: every pixel of the smaller map meets the whole kernel."""
    transposed = function is convolve_transposed
    y = jax.eval_shape(
        function, *(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in (x, kernel))
    ).shape
    pixels = x[1] * x[2] if transposed else y[1] * y[2]
    return 2 * x[0] * pixels * float(np.prod(kernel)) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", choices=NETWORKS)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--forms", action="store_true")
    args = parser.parse_args()
    if args.forms:
        sums([args.network] if args.network else list(NETWORKS))
        return
    rate = matmul_gflops(dtype=args.dtype)
    print(f"{version()}; a matrix product runs at {rate:.0f} GFLOP/s")
    print(
        f"{'GFLOP/s, ours / plain':54}{'result':>14}{'image gradient':>16}{'kernel gradient':>17}"
    )
    found = [
        (name, what, function, (args.batch, *x[1:]), kernel)
        for name in ([args.network] if args.network else NETWORKS)
        for what, (function, x, kernel) in layers(*NETWORKS[name]).items()
    ]

    def programs(row: Any) -> tuple[list[Callable[[], Any]], list[Callable[[], Any]]]:
        *_, function, x_shape, kernel_shape = row
        x, kernel = (
            jax.random.normal(jax.random.key(i), s, args.dtype)
            for i, s in enumerate((x_shape, kernel_shape))
        )
        ours = passes(function, x, kernel)
        with form("plain"):
            return ours, passes(function, x, kernel)

    rows = []
    # On an accelerator the processor's cores compile side by side; on a CPU they would disturb what
    # is measured.
    at_once = 1 if jax.default_backend() == "cpu" else 8
    with concurrent.futures.ThreadPoolExecutor(at_once) as threads:
        done = map(programs, found) if at_once == 1 else list(threads.map(programs, found))
        for (name, what, function, x_shape, kernel_shape), sides in zip(found, done, strict=True):
            work = gflop(function, x_shape, kernel_shape)
            ours, plain = ([work / seconds(call) for call in calls] for calls in sides)
            columns = [f"{a:.0f} / {b:.0f}" for a, b in zip(ours, plain, strict=True)]
            print(
                f"{name + ' ' + what:54}{columns[0]:>14}{columns[1]:>16}{columns[2]:>17}",
                flush=True,
            )
            rows.append(
                {
                    "network": name,
                    "layer": what,
                    "gflop": work,
                    "ours": ours,
                    "plain": plain,
                    "matmul": rate,
                }
            )
            if args.json:
                args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
