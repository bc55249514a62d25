"""The history of generated images that the critics are shown (Zhu et al. 2017, section 4;
Shrivastava et al. 2017).
"""

from __future__ import annotations

import typing

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int, Int32

from imgtrans_jax.types import Maps, RandomKey


@typing.no_type_check  # jax.tree.map puts other things than arrays in the fields
class ImagePool(struct.PyTreeNode):
    """Earlier generated images, in independent groups so that a sharded batch never crosses
    devices.

    Attributes:
        images: Slots at and above `count` hold zeros.
        count: Images stored so far.
    """

    images: Float[Array, "groups capacity h w c"]
    count: Int32[Array, " groups"]


def empty_pool(size: int, groups: int, image_shape: tuple[int, ...]) -> ImagePool:
    """A pool without images.

    Args:
        size: For how many images; for a few more where it is no multiple of `groups`.
        groups: Of equal size.
        image_shape: (H, W, C).

    Returns:
        Zeros, with counts of 0.
    """
    return ImagePool(
        jnp.zeros((groups, -(-size // groups), *image_shape)), jnp.zeros((groups,), jnp.int32)
    )


def regrouped(pool: ImagePool, groups: int, capacity: int) -> ImagePool:
    """A pool's images dealt out to other groups; those that find no place are dropped.

    Args:
        pool: The pool, of NumPy's arrays.
        groups: How many groups there are to be.
        capacity: Images of each.

    Returns:
        The new pool, of NumPy's arrays.
    """
    stored = [images[:count] for images, count in zip(pool.images, pool.count, strict=True)]
    dealt = [np.concatenate(stored)[group::groups][:capacity] for group in range(groups)]
    images = np.zeros((groups, capacity, *pool.images.shape[2:]), pool.images.dtype)
    for place, images_of_group in zip(images, dealt, strict=True):
        place[: len(images_of_group)] = images_of_group
    return ImagePool(images, np.array([len(x) for x in dealt], np.int32))  # type: ignore[arg-type]


def swap(pool: ImagePool, key: RandomKey, images: Maps) -> tuple[ImagePool, Maps]:
    """Puts a batch in the pool and returns the pool and the images to show the critic.

    Image by image, as in the authors' code: while the pool fills, an image is stored and returned;
    afterwards, with probability 1/2, it takes the place of a random stored image, which is returned
    instead.

    Args:
        pool: The pool so far.
        key: Draws who takes whose place.
        images: (N, H, W, C). Row i goes to group i // (N / groups).

    Returns:
        The new pool, and (N, H, W, C) to be shown, both of the same shapes as before.

    Raises:
        ValueError: If the groups do not divide the batch.
    """
    groups = pool.count.shape[0]
    if images.shape[0] % groups:
        raise ValueError(
            f"pool_groups={groups} does not divide the batch of {images.shape[0]} images."
        )
    grouped = images.reshape(groups, -1, *images.shape[1:])
    pool, shown = jax.vmap(_swap_group)(pool, jax.random.split(key, groups), grouped)
    return pool, shown.reshape(images.shape)


def draw(
    key: RandomKey, count: int, capacity: int
) -> tuple[Bool[Array, " {count}"], Int[Array, " {count}"]]:
    """For each image whether it takes the place of a stored one, and of which.

    Args:
        key: A random key.
        count: How many images.
        capacity: How many are stored.

    Returns:
        True with probability 1/2; and a place in [0, capacity).
    """
    exchange_key, slot_key = jax.random.split(key)
    return jax.random.bernoulli(exchange_key, 0.5, (count,)), jax.random.randint(
        slot_key, (count,), 0, capacity
    )


def _swap_group(pool: ImagePool, key: RandomKey, images: Maps) -> tuple[ImagePool, Maps]:
    capacity = pool.images.shape[0]
    exchanges, slots = draw(key, images.shape[0], capacity)

    def one(pool: ImagePool, draw):
        image, exchange, slot = draw
        filling = pool.count < capacity  # then the next free slot, whatever was drawn
        slot = jnp.where(filling, pool.count, slot)
        stored = pool.images[slot]
        put = filling | exchange
        shown = jnp.where(exchange & ~filling, stored, image)
        kept = pool.images.at[slot].set(jnp.where(put, image, stored))
        return ImagePool(kept, pool.count + filling.astype(jnp.int32)), shown

    # One after the other: two images may draw one slot, and the second is then shown the first.
    return jax.lax.scan(one, pool, (images, exchanges, slots))
