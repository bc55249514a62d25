"""How much memory there is, and how much a compiled program takes."""

from __future__ import annotations

import contextlib
import ctypes
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
    """Bytes that a compiled program uses at its peak, as its compiler reports them. What compiling and this report took goes
    back to the system, on Linux; else glibc keeps it, 0.7 GB for a CycleGAN."""
    found = compiled.memory_analysis()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # a libc without it
            ctypes.CDLL(None).malloc_trim(0)
    return 0 if found is None else int(found.temp_size_in_bytes + found.argument_size_in_bytes + found.output_size_in_bytes)


def free() -> int | None:
    """Bytes that are free on the device, or, on a CPU, of this machine or container; None where that is not known."""
    stats = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return free_on_host()


def free_on_host() -> int | None:
    """Bytes that are free of this machine's or container's memory; None where that is not known."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(1024 * int(next(line.split()[1] for line in lines if line.startswith("MemAvailable"))))
    except (OSError, StopIteration, ValueError, IndexError):
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for limit, used in (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")):
        try:
            group = Path("/sys/fs/cgroup")
            found.append(int((group / limit).read_text()) - int((group / used).read_text()))
        except (OSError, ValueError):
            continue
    return min(found) if found else None
