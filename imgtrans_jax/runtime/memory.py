"""How much memory there is, and how much a compiled program takes."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import sys
from pathlib import Path
from typing import Any

import jax


def text(size: int) -> str:
    """'340 MB', '1.4 GB'."""
    if size < 2**30:
        return f"{size / 2**20:.{1 if size < 10 * 2**20 else 0}f} MB"
    return f"{size / 2**30:.1f} GB"


def needed(compiled: Any) -> int:
    """Bytes that a compiled program uses at its peak on each device, with its arguments, as its
    compiler reports them; what is donated and given back under another name counts once. What
    compiling and this report took goes back to the system, on Linux; else glibc keeps it, 0.7 GB
    for a CycleGAN.
    """
    found = compiled.memory_analysis()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # a libc without it
            ctypes.CDLL(None).malloc_trim(0)
    if found is None:
        return 0
    new = found.output_size_in_bytes - found.alias_size_in_bytes
    return int(found.temp_size_in_bytes + found.argument_size_in_bytes + new)


def held(tree: Any) -> int:
    """Bytes of a tree of arrays, or of their shapes with shardings, on each device."""
    leaves = jax.tree.leaves(tree)
    return sum(math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize for x in leaves)


def free() -> int | None:
    """Bytes that are free on the device, or, on a CPU, of this machine or container; None where
    that is not known.
    """
    stats = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return free_on_host()


def free_on_host() -> int | None:
    """Bytes that are free of this machine's or container's memory; None where that is not known."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(
            1024 * int(next(line.split()[1] for line in lines if line.startswith("MemAvailable")))
        )
    except (OSError, StopIteration, ValueError, IndexError):
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    found += free_in_groups()
    return min(found) if found else None


def free_in_groups(
    root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> list[int]:
    """Bytes that the limits of the control groups leave to this process.

    Version 1 and 2, the group itself and all around it. Files that were read are kept in memory
    until it is wanted for something else (page cache): they count as free.

    Args:
        root: Where the system has the groups.
        own: Where it says which are this process's.

    Returns:
        Bytes, one for each limit; [] without.
    """
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        lines = []
    places = {mount: "/" for mount, *_ in _VERSIONS}
    for _, controllers, place in (line for line in lines if len(line) == 3):
        if not controllers or "memory" in controllers.split(","):
            places["memory" if controllers else "."] = place
    found = []
    for mount, limits, used, prefix in _VERSIONS:
        for group in _around(root / mount, places[mount]):
            usage = _number(group / used)
            bounds = [
                bound for bound in (_number(group / limit) for limit in limits) if bound is not None
            ]
            if usage is not None and bounds:
                found.append(max(min(bounds) - usage + _cache(group / "memory.stat", prefix), 0))
    return found


_VERSIONS = (
    (".", ("memory.max", "memory.high"), "memory.current", ""),
    ("memory", ("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_"),
)
"""Of control groups: where memory is mounted, its limits and its use, and how sums over inner
groups are called.
"""


def _around(mount: Path, place: str) -> list[Path]:
    """A group's folder and those around it; in a container the outer ones are not there."""
    parts = [part for part in place.split("/") if part not in ("", "..")]
    return [mount.joinpath(*parts[:count]) for count in range(len(parts), -1, -1)]


def _number(path: Path) -> int | None:
    """What a file says, if that is a number: "max" is none."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _cache(path: Path, prefix: str) -> int:
    try:
        words = [line.split() for line in path.read_text().splitlines()]
        stat = {name: int(size) for name, size in words}
    except (OSError, ValueError):
        return 0
    kinds = ("inactive_file", "active_file")
    return sum(stat.get(f"{prefix}{kind}", stat.get(kind, 0)) for kind in kinds)
