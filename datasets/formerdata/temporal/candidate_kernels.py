"""Compiled draws of wrong destinations, many for each event."""

from __future__ import annotations

import numba
import numpy as np

from formerdata.graphs.sbm_kernels import below, number


@numba.njit(cache=True, nogil=True)
def draw(first, last, key, rows, starts, stops, true, among, out):
    """Fill rows ``first`` to ``last`` of ``out`` [B, C] int64 with ranks from 0 to ``among`` - 1.

    A row's ranks differ from each other if there are enough, by Floyd's method (Bentley and Floyd, 1987); else they are
    drawn with replacement. None is among the row's true ones, of which at least one rank less than ``among`` may exist.

    Args:
        key: uint64; a row depends on it and its number alone. rows: [B] int64, numbers of rows.
        starts, stops: [B] int64, each row's run in ``true``. true: [T] int64, ascending in each run; it may repeat
            itself; those below 0 count for nothing.
    """
    count = out.shape[1]
    taken = np.full(among, -1, np.int64)
    forbidden = np.empty((stops - starts).max(), np.int64)
    for row in range(first, last):
        size = 0
        for place in range(starts[row], stops[row]):
            if true[place] >= 0 and (size == 0 or true[place] != forbidden[size - 1]):
                forbidden[size] = true[place]
                size += 1
        stream, allowed = number(key, rows[row]), among - size
        for c in range(count):
            if allowed >= count:
                last_rank = allowed - count + c
                rank = below(stream, c, last_rank + 1)
                if taken[rank] == row:
                    rank = last_rank
                taken[rank] = row
            else:
                rank = below(stream, c, allowed)
            out[row, c] = rank + _skipped(forbidden, size, rank)


@numba.njit(cache=True, nogil=True)
def _skipped(forbidden, size, rank):
    """How many forbidden numbers lie below the allowed one of that rank: those with forbidden[i] - i <= rank."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        if forbidden[middle] - middle <= rank:
            low = middle + 1
        else:
            high = middle
    return low
