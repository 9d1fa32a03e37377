"""The C library's memory allocator, set for large tensors that come and go."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> bool:
    """Let this process keep memory that it frees instead of handing it back to the system at once.

    glibc gives every block of more than 32 MB pages of its own, which the system must clear at each allocation. The
    maps of a detector's 2D network are larger: without this call they cost as much to allocate as to compute. The
    programs of this project call it; in a library it is the caller's choice. The price is that the process stays at its
    largest size.

    Returns:
        Whether the allocator took the settings (only glibc knows them).
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, 1 << 30)) and bool(mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1))
