"""The pool against the list algorithm of the authors' code, image by image, with the same draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgtrans_jax.engine.pool import ImagePool, empty_pool, regrouped, swap


def list_algorithm(stored: list[float], capacity: int, images, exchanges, slots) -> list[float]:
    """The paper's: a Python list that grows to its capacity, then exchanges with probability
    1/2.
    """
    shown = []
    for image, exchange, slot in zip(images, exchanges, slots, strict=True):
        if len(stored) < capacity:
            stored.append(image)
            shown.append(image)
        elif exchange:
            shown.append(stored[slot])
            stored[slot] = image
        else:
            shown.append(image)
    return shown


def draws(key, groups: int, count: int, capacity: int):
    for group_key in jax.random.split(key, groups):
        exchange_key, slot_key = jax.random.split(group_key)
        yield (
            np.asarray(jax.random.bernoulli(exchange_key, 0.5, (count,))),
            np.asarray(jax.random.randint(slot_key, (count,), 0, capacity)),
        )


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**31 - 1),
    batch=st.sampled_from([1, 3]),
    capacity=st.sampled_from([1, 5]),
    groups=st.sampled_from([1, 2]),
    turns=st.integers(1, 6),
)
def test_the_pool_is_the_list_algorithm(seed, batch, capacity, groups, turns):
    pool = empty_pool(capacity * groups, groups, (1, 1, 1))
    lists: list[list[float]] = [[] for _ in range(groups)]
    for turn in range(turns):
        images = 1.0 + np.arange(
            turn * batch * groups, (turn + 1) * batch * groups, dtype=np.float32
        )
        key = jax.random.fold_in(jax.random.key(seed), turn)
        pool, shown = jax.jit(swap)(pool, key, jnp.asarray(images).reshape(-1, 1, 1, 1))
        want = []
        for group, (exchanges, slots) in enumerate(draws(key, groups, batch, capacity)):
            rows = images[group * batch : (group + 1) * batch]
            want += list_algorithm(lists[group], capacity, rows, exchanges, slots)
        np.testing.assert_array_equal(np.ravel(shown), want)
        for group, stored in enumerate(lists):
            assert int(pool.count[group]) == len(stored)
            np.testing.assert_array_equal(np.ravel(pool.images[group])[: len(stored)], stored)


def test_half_of_the_images_come_from_the_history():
    pool = empty_pool(50, 1, (1, 1, 1))
    pool, _ = swap(pool, jax.random.key(0), jnp.zeros((50, 1, 1, 1)))
    _, shown = swap(pool, jax.random.key(1), jnp.ones((400, 1, 1, 1)))
    assert 0.02 < float(jnp.mean(shown == 0)) < 0.2  # 50 zeros stored, most of them shown once
    assert int(pool.count[0]) == 50


def test_groups_that_do_not_divide_are_refused():
    assert empty_pool(50, 8, (4, 4, 3)).images.shape == (8, 7, 4, 4, 3)  # the next multiple
    with pytest.raises(ValueError, match="does not divide the batch"):
        swap(empty_pool(4, 2, (1, 1, 1)), jax.random.key(0), jnp.zeros((3, 1, 1, 1)))


@given(
    counts=st.lists(st.integers(0, 3), min_size=1, max_size=4),
    groups=st.integers(1, 5),
    capacity=st.integers(1, 4),
)
def test_regrouping_keeps_every_image_that_finds_a_place(counts, groups, capacity):
    images = np.zeros((len(counts), 3, 1, 1, 1), np.float32)
    for group, count in enumerate(counts):
        images[group, :count, 0, 0, 0] = 1 + 10 * group + np.arange(count)
    before = sorted(images[images > 0])
    pool = regrouped(ImagePool(images, np.array(counts, np.int32)), groups, capacity)
    assert pool.images.shape == (groups, capacity, 1, 1, 1)
    kept = sorted(pool.images[pool.images > 0])
    assert set(kept) <= set(before)
    assert len(kept) == len(set(kept)) == pool.count.sum() == min(len(before), groups * capacity)
    for stored, count in zip(pool.images, pool.count, strict=True):
        assert (stored[:count] > 0).all()
        assert (stored[count:] == 0).all()
