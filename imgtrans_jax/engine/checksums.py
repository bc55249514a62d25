"""Checksums of a checkpoint's arrays and files, by which damage is noticed. Imports io alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree, UInt32

from imgtrans_jax.io import json_files

MANIFEST = "files.json"
"""In each checkpoint's folder: the SHA-256 of every file."""


def file_hashes(folder: Path, names: list[str]) -> str:
    """The SHA-256 of files, as `MANIFEST` holds them.

    Args:
        folder: Where they are.
        names: Their paths in it.

    Returns:
        JSON: an object from names to hexadecimal digests, in the order of `names`.
    """
    sums = {}
    for name in names:
        with (folder / name).open("rb") as file:
            sums[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return json.dumps(sums, indent=1)


def problem_of_files(folder: Path) -> str:
    """Whether the files are those that were sealed. There is no seal in format 1, or if the run was
    killed just before it; the arrays' checksums are compared anyway.
    """
    if not (folder / MANIFEST).exists():
        return ""
    try:
        text = (folder / MANIFEST).read_text()
        sums = json_files.parsed(text)
        names = [
            name for name in sums if ".." not in Path(name).parts and not Path(name).is_absolute()
        ]
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            return f"{missing[0]} is missing"
        now = file_hashes(folder, names)
        changed = [name for name, found in json.loads(now).items() if found != sums[name]]
        if changed:
            return f"{changed[0]} has changed since it was written"
        return "" if now == text else f"{MANIFEST} has changed since it was written"
    except (OSError, ValueError, AttributeError, TypeError):
        return f"{MANIFEST} cannot be read"


def _named_leaves(tree: PyTree) -> dict[str, Any]:
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def named_shapes(tree: PyTree) -> dict[str, str]:
    """A tree's types and shapes by its leaves' paths: {"g/params/head/kernel": "float32[7, 7, 3,
    64]"}.
    """
    return {name: f"{leaf.dtype}{list(leaf.shape)}" for name, leaf in _named_leaves(tree).items()}


@jax.jit
def _sums(leaves: list[jax.Array]) -> UInt32[Array, " leaves"]:
    def one(leaf: jax.Array) -> UInt32[Array, ""]:
        if leaf.dtype == bool:
            leaf = leaf.astype(jnp.uint8)
        words = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32}[leaf.dtype.itemsize]
        bits = jax.lax.bitcast_convert_type(leaf, words).astype(jnp.uint32).ravel()
        # An odd factor is invertible modulo 2^32: one changed element always changes the sum, as a
        # rule any change does.
        return jnp.sum(bits * (2 * jax.lax.iota(jnp.uint32, bits.size) + 1), dtype=jnp.uint32)

    return jnp.stack([one(leaf) for leaf in leaves])


def array_checksums(tree: PyTree) -> list[int]:
    """One number for each array, computed where the array lives, the same for any sharding."""
    return [int(value) for value in jax.device_get(_sums(jax.tree.leaves(tree)))]


def record_digest(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
