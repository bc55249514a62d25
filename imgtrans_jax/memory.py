"""How this process gets its memory from the system."""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h
ALL = 2**31 - 1


def reuse() -> None:
    """Keeps freed memory for the next step instead of giving it back to the system, where the C library is glibc.

    A compiled program asks for its working memory anew in each step; that of a step on a CPU is gigabytes, which the system
    would have to clear, page by page, every time: a fifth of a step of CycleGAN. For programs, not for libraries: it is the
    whole process's setting, and has to come before the first large allocation.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    for setting, value in ((M_MMAP_THRESHOLD, ALL), (M_TRIM_THRESHOLD, ALL), (M_ARENA_MAX, 1)):
        libc.mallopt(setting, value)
