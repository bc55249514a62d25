"""The three passes of every kind of convolution here, beside the plain form of XLA, in one run: python benchmarks/layers.py"""

import platform
import time

import jax
import jax.numpy as jnp
import numpy as np

from imgtrans_jax.models.layers import convolve_transposed, convolve_valid

LAYERS = ("NHWC", "HWIO", "NHWC")


def plain_valid(x, kernel):
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=LAYERS)


def plain_transposed(x, kernel):
    flipped = kernel[::-1, ::-1]
    return jax.lax.conv_general_dilated(x, flipped, (1, 1), ((1, 2), (1, 2)), lhs_dilation=(2, 2), dimension_numbers=LAYERS)


def plain_strided(x, kernel):
    return jax.lax.conv_general_dilated(x, kernel, (2, 2), ((1, 1), (1, 1)), dimension_numbers=LAYERS)


CASES = [
    ("residual block, 256 channels, 64 px", convolve_valid, plain_valid, (1, 66, 66, 256), (3, 3, 256, 256)),
    ("first layer 3 -> 64, 256 px", convolve_valid, plain_valid, (1, 262, 262, 3), (7, 7, 3, 64)),
    ("last layer 64 -> 3, 256 px", convolve_valid, plain_valid, (1, 262, 262, 64), (7, 7, 64, 3)),
    ("up 256 -> 128, to 128 px", convolve_transposed, plain_transposed, (1, 64, 64, 256), (3, 3, 256, 128)),
    ("up 128 -> 64, to 256 px", convolve_transposed, plain_transposed, (1, 128, 128, 128), (3, 3, 128, 64)),
    ("down 64 -> 128, from 256 px", plain_strided, plain_strided, (1, 256, 256, 64), (3, 3, 64, 128)),
    ("critic 64 -> 128, from 128 px", plain_strided, plain_strided, (1, 128, 128, 64), (4, 4, 64, 128)),
]


def milliseconds(function, *arguments, repeats: int = 5) -> float:
    compiled = jax.jit(function).lower(*arguments).compile()
    jax.block_until_ready(compiled(*arguments))
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        times.append(time.perf_counter() - began)
    return 1e3 * float(np.median(times))


def passes(convolve, x, kernel) -> list[float]:
    cotangent = jnp.ones(jax.eval_shape(convolve, x, kernel).shape)
    return [
        milliseconds(convolve, x, kernel),
        milliseconds(lambda x, k, c: jax.vjp(lambda x: convolve(x, k), x)[1](c)[0], x, kernel, cotangent),
        milliseconds(lambda x, k, c: jax.vjp(lambda k: convolve(x, k), k)[1](c)[0], x, kernel, cotangent),
    ]


def main() -> None:
    print(
        f"{platform.processor() or platform.machine()}, {jax.devices()[0].device_kind}, jax {jax.__version__}; median ms of 5"
    )
    print(f"{'':36}{'forward':>18}{'input gradient':>18}{'weight gradient':>18}")
    for name, ours, plain, x_shape, kernel_shape in CASES:
        x, kernel = (jax.random.normal(jax.random.key(i), shape) for i, shape in enumerate((x_shape, kernel_shape)))
        pairs = zip(passes(ours, x, kernel), passes(plain, x, kernel), strict=True)
        print(f"{name:36}" + "".join(f"{a:9.1f}{b:9.1f}" for a, b in pairs), flush=True)
    print("Each pair: this library's form, XLA's plain form.")


if __name__ == "__main__":
    main()
