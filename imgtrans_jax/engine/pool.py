"""The history of generated images that the critics are shown (Zhu et al. 2017, section 4;
Shrivastava et al. 2017).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct


class ImagePool(struct.PyTreeNode):
    """Earlier generated images, in independent groups so that a sharded batch never crosses
    devices.

    images: (groups, capacity, H, W, C); slots at and above `count` hold zeros.
    count: (groups,) int32, images stored so far.
    """

    images: jax.Array
    count: jax.Array


def empty_pool(size: int, groups: int, image_shape: tuple[int, ...]) -> ImagePool:
    """A pool for `size` images of `image_shape` (H, W, C) in `groups` of equal size: for a few more
    where it is no multiple.
    """
    return ImagePool(
        jnp.zeros((groups, -(-size // groups), *image_shape)), jnp.zeros((groups,), jnp.int32)
    )


def regrouped(pool: ImagePool, groups: int, capacity: int) -> ImagePool:
    """A pool's images (arrays of NumPy) dealt out to `groups` of `capacity`; those that find no
    place are dropped.
    """
    stored = [images[:count] for images, count in zip(pool.images, pool.count, strict=True)]
    dealt = [np.concatenate(stored)[group::groups][:capacity] for group in range(groups)]
    images = np.zeros((groups, capacity, *pool.images.shape[2:]), pool.images.dtype)
    for place, images_of_group in zip(images, dealt, strict=True):
        place[: len(images_of_group)] = images_of_group
    return ImagePool(images, np.array([len(x) for x in dealt], np.int32))  # type: ignore[arg-type]


def swap(pool: ImagePool, key: jax.Array, images: jax.Array) -> tuple[ImagePool, jax.Array]:
    """Puts a batch in the pool and returns the pool and the images to show the critic, both of the
    same shapes.

    Image by image, as in the authors' code: while the pool fills, an image is stored and returned;
    afterwards, with probability 1/2, it takes the place of a random stored image, which is returned
    instead. Row i of the batch goes to group i // (N / groups).
    """
    groups = pool.count.shape[0]
    if images.shape[0] % groups:
        raise ValueError(
            f"pool_groups={groups} does not divide the batch of {images.shape[0]} images."
        )
    grouped = images.reshape(groups, -1, *images.shape[1:])
    pool, shown = jax.vmap(_swap_group)(pool, jax.random.split(key, groups), grouped)
    return pool, shown.reshape(images.shape)


def draw(key: jax.Array, count: int, capacity: int) -> tuple[jax.Array, jax.Array]:
    """For each of `count` images whether it takes the place of a stored one, (count,) bool, and of
    which, (count,) int.
    """
    exchange_key, slot_key = jax.random.split(key)
    return jax.random.bernoulli(exchange_key, 0.5, (count,)), jax.random.randint(
        slot_key, (count,), 0, capacity
    )


def _swap_group(pool: ImagePool, key: jax.Array, images: jax.Array) -> tuple[ImagePool, jax.Array]:
    capacity = pool.images.shape[0]
    exchanges, slots = draw(key, images.shape[0], capacity)

    def one(pool: ImagePool, draw):
        image, exchange, slot = draw
        filling = pool.count < capacity
        slot = jnp.where(filling, pool.count, slot)
        stored = pool.images[slot]
        put = filling | exchange
        shown = jnp.where(exchange & ~filling, stored, image)
        kept = pool.images.at[slot].set(jnp.where(put, image, stored))
        return ImagePool(kept, pool.count + filling.astype(jnp.int32)), shown

    return jax.lax.scan(one, pool, (images, exchanges, slots))
