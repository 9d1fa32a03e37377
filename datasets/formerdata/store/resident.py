"""Pages of mapped files count as memory of the process until somebody lets go of them."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

PAGE = mmap.PAGESIZE


def release(*arrays: np.ndarray | None) -> None:
    """Let go of all pages that this process holds of mapped arrays; arrays in memory are left alone.

    Nothing is lost: what was written stays with the system, which also keeps what it has room for, so that reading it
    again costs little. A map that is private to the process (mode ``c``) is left alone, too, for it has no file behind
    what was written.
    """
    for array in arrays:
        file = _file_behind(array)
        if file is not None and hasattr(file, "madvise"):
            file.madvise(mmap.MADV_DONTNEED)


class Resident:
    """Bounds what a process holds of mapped arrays from which rows are taken here and there.

    Args:
        arrays: Mapped or in memory.
        most: Bytes, about: each row that is taken counts as one page at least.
    """

    def __init__(self, *arrays: np.ndarray | None, most: int = 1 << 30) -> None:
        self.arrays = [array for array in arrays if array is not None and _file_behind(array) is not None]
        self.most, self.held = most, 0

    def taken(self, rows: int) -> None:
        """Say that so many rows of each array were read."""
        self.held += rows * sum(max(PAGE, array[:1].nbytes) for array in self.arrays)
        if self.held > self.most:
            release(*self.arrays)
            self.held = 0


def _file_behind(array: np.ndarray | None) -> mmap.mmap | None:
    """The map that an array, or the array that it is a view of, lies in."""
    place: Any = array
    shared = False
    while isinstance(place, np.ndarray):
        shared = shared or getattr(place, "mode", None) in ("r", "r+", "w+")
        place = place.base
    return place if shared and isinstance(place, mmap.mmap) else None
