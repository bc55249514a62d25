"""Every fast form of a convolution against lax's own, with both gradients, and against float64."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imgtrans_jax.convolution import dispatch
from imgtrans_jax.convolution import winograd as convolution_winograd
from imgtrans_jax.convolution.dispatch import convolve, convolve_transposed
from imgtrans_jax.convolution.forms import check_form, form
from imgtrans_jax.convolution.plain import Border, plain_transposed
from imgtrans_jax.convolution.winograd import winograd
from imgtrans_jax.types import UserError

TOLERANCE = 1e-4  # of the largest value


def drawn(*shapes: tuple[int, ...]) -> list[jax.Array]:
    return [jax.random.normal(jax.random.key(i), shape) for i, shape in enumerate(shapes)]


def passes(function, x, kernel):
    """The result, and the gradients of its product with a drawn array."""
    (seed,) = drawn(jax.eval_shape(function, x, kernel).shape)

    @jax.jit
    def all_three(x, kernel, seed):
        y, pull = jax.vjp(function, x, kernel)
        return y, *pull(seed)

    return all_three(x, kernel, seed)


def assert_equal(fast, plain, x, kernel):
    for name, a, b in zip(
        ("result", "image", "kernel"),
        passes(fast, x, kernel),
        passes(plain, x, kernel),
        strict=True,
    ):
        assert a.shape == b.shape, name
        np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE * float(abs(b).max()), err_msg=name)


def by_lax(stride: int = 1, padding: int = 0, border: Border = "zero"):
    def function(x, kernel):
        with form("plain"):
            return convolve(x, kernel, stride, padding, border)

    return function


@settings(deadline=None, max_examples=5)
@given(
    st.tuples(st.integers(1, 3), st.integers(4, 21), st.integers(4, 21)),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.sampled_from([3, 4]),
    st.integers(0, 1),
    st.sampled_from(["zero", "reflect"]),
)
def test_winograd(size, channels, side, padding, border):
    x, kernel = drawn((*size, channels[0]), (side, side, *channels))
    assert_equal(
        lambda x, k: winograd(x, k, padding, border), by_lax(1, padding, border), x, kernel
    )


@pytest.mark.parametrize(("side", "size", "tiles"), [(3, (34, 30), (8, 7)), (4, (33, 29), (10, 9))])
def test_winograd_in_bands(monkeypatch, side: int, size: tuple[int, int], tiles: tuple[int, int]):
    x, kernel = drawn((2, *size, 5), (side, side, 5, 7))
    result = (size[0] - side + 1, size[1] - side + 1)
    assert convolution_winograd._tiling(2, *result, side, 12) == (*tiles, tiles[0])
    monkeypatch.setattr(convolution_winograd, "BAND", 36 * 4 * 2 * tiles[1] * 12 * 2)
    assert convolution_winograd._tiling(2, *result, side, 12) == (*tiles, 2)
    # Functions of their own, since a compiled one would remember how many bands it had.
    for name in ("_winograd", "winograd_gradients"):
        monkeypatch.setattr(
            convolution_winograd, name, inspect.unwrap(getattr(convolution_winograd, name))
        )
    assert_equal(lambda x, k: winograd(x, k, 0, "zero"), by_lax(), x, kernel)


def test_winograd_makes_only_the_gradient_that_is_wanted():
    x, kernel = drawn((1, 12, 12, 4), (3, 3, 4, 4))
    both = jax.grad(lambda x, k: winograd(x, k, 1, "zero").sum(), (0, 1))(x, kernel)
    np.testing.assert_allclose(
        jax.grad(lambda x: winograd(x, kernel, 1, "zero").sum())(x), both[0], rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(
        jax.grad(lambda k: winograd(x, k, 1, "zero").sum())(kernel), both[1], rtol=1e-5, atol=1e-5
    )
    only_x = str(jax.make_jaxpr(jax.grad(lambda x: winograd(x, kernel, 1, "zero").sum()))(x))
    assert only_x.count("dot_general") < str(
        jax.make_jaxpr(jax.grad(lambda x, k: winograd(x, k, 1, "zero").sum(), (0, 1)))(x, kernel)
    ).count("dot_general")


@pytest.mark.parametrize("side", [3, 4])
def test_winograd_is_exact_to_float32(side: int):
    x, kernel = drawn((1, 20, 20, 64), (side, side, 64, 64))
    size = 21 - side
    wide = np.zeros((1, size, size, 64))
    for u in range(side):
        for v in range(side):
            wide += np.einsum(
                "nhwi,io->nhwo",
                np.float64(x)[:, u : u + size, v : v + size],
                np.float64(kernel)[u, v],
            )
    assert abs(winograd(x, kernel, 0, "zero") - wide).max() < 3e-5 * abs(wide).max()


@settings(deadline=None, max_examples=5)
@given(
    st.tuples(st.integers(1, 3), st.integers(2, 7), st.integers(2, 7)),
    st.sampled_from([(64, 64), (70, 64)]),
    st.sampled_from([3, 4]),
    st.sampled_from([1, 2]),
)
def test_by_patches(size, channels, side, stride):
    x, kernel = drawn((*size, channels[0]), (side, side, *channels))
    assert dispatch._suits_patches(x, kernel, stride)
    assert_equal(lambda x, k: convolve(x, k, stride, 1), by_lax(stride, 1), x, kernel)


@pytest.mark.parametrize("side", [3, 4])
@pytest.mark.parametrize("size", [(1, 1, 1), (1, 3, 5), (2, 8, 8), (1, 15, 17)])
def test_by_patches_transposed(size: tuple[int, int, int], side: int):
    x, kernel = drawn((*size, 64), (side, side, 64, 70))
    assert dispatch._suits_patches(x, kernel)
    assert_equal(convolve_transposed, plain_transposed, x, kernel)


@settings(deadline=None, max_examples=7)
@given(
    st.tuples(st.integers(1, 2), st.integers(7, 15), st.integers(7, 15)),
    st.sampled_from([(3, 8), (8, 3), (64, 64), (5, 70), (64, 1), (9, 65)]),
    st.sampled_from([(1, 1, 0), (3, 1, 0), (3, 1, 1), (3, 2, 1), (4, 1, 1), (4, 2, 1), (7, 1, 0)]),
)
@example((2, 9, 11), (3, 24), (4, 2, 1))  # odd channels, which get one of zeros
@example((2, 11, 12), (24, 3), (9, 1, 4))  # the same backwards, and rows of a large kernel
@example((1, 13, 12), (20, 5), (9, 1, 0))
def test_direct(size, channels, geometry):
    side, stride, padding = geometry
    x, kernel = drawn((*size, channels[0]), (side, side, *channels))
    assert_equal(lambda x, k: convolve(x, k, stride, padding), by_lax(stride, padding), x, kernel)


@pytest.mark.parametrize(("side", "stride"), [(3, 1), (7, 1), (3, 2)])
def test_reflected(side: int, stride: int):
    x, kernel = drawn((2, 9, 11, 4), (side, side, 4, 3))
    assert_equal(
        lambda x, k: convolve(x, k, stride, side // 2, "reflect"),
        by_lax(stride, side // 2, "reflect"),
        x,
        kernel,
    )


@settings(deadline=None, max_examples=5)
@given(
    st.tuples(st.integers(1, 2), st.integers(1, 8), st.integers(1, 8)),
    st.sampled_from([(3, 5), (63, 64), (4, 3)]),
    st.sampled_from([3, 4]),
)
def test_transposed(size, channels, side):
    x, kernel = drawn((*size, channels[0]), (side, side, *channels))
    assert_equal(convolve_transposed, plain_transposed, x, kernel)


@pytest.mark.parametrize("side", [3, 4])
def test_transposed_as_on_a_gpu(monkeypatch, side: int):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    x, kernel = drawn((2, 5, 6, 7), (side, side, 7, 4))
    assert_equal(lambda x, k: convolve_transposed(x, k), plain_transposed, x, kernel)


@pytest.mark.parametrize("channels", [3, 64])
def test_a_map_smaller_than_the_kernel_has_an_empty_result(channels: int):
    x, kernel = drawn((1, 2, 9, channels), (4, 4, channels, channels))
    assert convolve(x, kernel).shape == (1, 0, 6, channels)


def test_the_forms_are_chosen_by_size_and_by_name(monkeypatch):
    monkeypatch.setattr(dispatch, "has_wide_vectors", lambda: False)
    x, kernel = (
        jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((1, 64, 64, 64), (3, 3, 64, 64))
    )

    def text(x=x, kernel=kernel) -> str:
        return str(jax.make_jaxpr(lambda x, k: convolve(x, k, 1, 1))(x, kernel))

    assert "winograd" in text()
    assert "direct" in text(
        jax.ShapeDtypeStruct((1, 64, 64, 16), jnp.float32),
        kernel=jax.ShapeDtypeStruct((3, 3, 16, 64), jnp.float32),
    )
    assert "custom_vjp" not in text(jax.ShapeDtypeStruct((1, 8, 8, 64), jnp.float32))  # by patches
    for name, absent in (("direct", "winograd"), ("plain", "custom_vjp")):
        with form(name):
            assert absent not in text()
    with form("fastest"), pytest.raises(UserError, match="no form of convolution 'fastest'"):
        text()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert "custom_vjp" not in text(jax.ShapeDtypeStruct((1, 65, 64, 64), jnp.float32))


def test_with_wide_vectors_winograd_makes_fewer_results_and_all_gradients_of_kernels(monkeypatch):
    monkeypatch.setattr(dispatch, "has_wide_vectors", lambda: True)
    results, gradients = set(), set()
    for i, o in ((64, 64), (128, 128), (128, 256)):
        x, kernel = (
            jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((1, 32, 32, i), (3, 3, i, o))
        )

        def convolved(kernel, x):
            return convolve(x, kernel, 1, 1).sum()

        if "winograd" in str(jax.make_jaxpr(convolved)(kernel, x)).replace("winograd=True", ""):
            results.add((i, o))
        if "winograd_gradients" in str(jax.make_jaxpr(jax.grad(convolved))(kernel, x)):
            gradients.add((i, o))
    assert results == {(128, 256)}
    assert gradients == {(64, 64), (128, 128), (128, 256)}


@pytest.mark.parametrize("border", ["zero", "reflect"])
def test_a_direct_convolution_with_winograd_s_gradient(monkeypatch, border):
    monkeypatch.setattr(dispatch, "has_wide_vectors", lambda: True)
    x, kernel = drawn((1, 17, 18, 33), (3, 3, 33, 35))
    assert_equal(lambda x, k: convolve(x, k, 1, 1, border), by_lax(1, 1, border), x, kernel)


def test_the_environment_is_read_when_a_program_is_traced(monkeypatch):
    monkeypatch.setenv("IMGTRANS_CONVOLUTIONS", "direct")
    assert check_form() == "direct"
    with form("plain"):
        assert check_form() == "plain"
    monkeypatch.delenv("IMGTRANS_CONVOLUTIONS")
    assert check_form() == "auto"
