"""Keeps freed memory in the process: fusion networks otherwise fault in every large activation anew."""

from __future__ import annotations

import ctypes
import sys

# glibc's numbers from malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> bool:
    """Tell glibc to serve large blocks from the heap and not to give them back to the kernel at once.

    By default every block above 32 MB is mapped when it is taken and unmapped when it is freed, so each large
    activation of a network costs a page fault per 4 KB, each time. Returns False where there is no glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**26))
    return all(mallopt(name, value) == 1 for name, value in settings)
