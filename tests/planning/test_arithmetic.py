"""Multiplications of traced programs, against XLA's own count and against definitions."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from imgtrans_jax.planning.arithmetic import products, total


def counted(f, *shapes) -> float:
    args = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return total(list(products(jax.jit(f).trace(*args).jaxpr.jaxpr)))


def by_xla(f, *shapes) -> float:
    args = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    analysis = jax.jit(f).lower(*args).cost_analysis()
    assert analysis
    return analysis["flops"]


def convolution(stride=1, padding=(1, 1), dilation=1, groups=1):
    def f(x, kernel):
        return lax.conv_general_dilated(
            x,
            kernel,
            (stride, stride),
            (padding, padding),
            lhs_dilation=(dilation, dilation),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )

    return f


@pytest.mark.parametrize(
    ("f", "kernel"),
    [
        (convolution(), (3, 3, 8, 5)),
        (convolution(2, (2, 1)), (4, 4, 8, 5)),
        (convolution(1, (1, 2), 2), (3, 3, 8, 5)),
        (convolution(groups=4), (3, 3, 2, 12)),
    ],
)
def test_convolutions_are_counted_as_xla_does(f, kernel):
    image = (2, 9, 12, 8)
    assert counted(f, image, kernel) == pytest.approx(by_xla(f, image, kernel), rel=1e-6)

    def gradients(x, kernel):
        return jax.grad(lambda *both: jnp.sum(f(*both) ** 2), (0, 1))(x, kernel)

    assert counted(gradients, image, kernel) == pytest.approx(
        by_xla(gradients, image, kernel),
        rel=0.05,  # XLA counts the squares too
    )


def test_loops_count_by_their_turns_and_branches_by_the_dearest():
    def dot(x):
        return x @ x

    one = counted(dot, (16, 16))
    assert one == 2 * 16**3

    def loop(x):
        return lax.scan(lambda y, _: (dot(y), None), x, length=9)[0]

    assert counted(loop, (16, 16)) == 9 * one

    def branches(x):
        return lax.cond(x[0, 0] > 0, lambda: dot(dot(x)), lambda: dot(x))

    assert counted(branches, (16, 16)) == 2 * one
    assert counted(jax.checkpoint(jax.jit(dot)), (16, 16)) == one
