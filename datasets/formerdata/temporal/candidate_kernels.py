"""Compiled draws of wrong destinations, many for each event."""

from __future__ import annotations

import numba
import numpy as np

from formerdata.graphs.sbm_kernels import below, number


@numba.njit(cache=True, nogil=True)
def draw(first, last, key, rows, starts, stops, true, past_starts, past_stops, past, most, among, out):
    """Fill rows ``first`` to ``last`` of ``out`` [B, C] int64 with ranks from 0 to ``among`` - 1; none of them is true.

    The first ranks of a row are past ones, each once: ``most`` of them, or all that are not true. The others are
    neither true nor past, unless that leaves nothing; each comes once if there are enough, else they are drawn with
    replacement.

    Args:
        key: uint64; a row depends on it and its number alone. rows: [B] int64, numbers of rows.
        starts, stops: [B] int64, each row's run in ``true``. true: [T] int64, ascending in each run; repeats do no
            harm, but in each row some rank must be left.
        past_starts, past_stops: [B] int64, each row's run in ``past``. past: [P] int64, ascending in each run, each
            once.
    """
    count = out.shape[1]
    taken = np.full(among, -1, np.int64)
    forbidden, free = np.empty(among, np.int64), np.empty(among, np.int64)
    for row in range(first, last):
        stream = number(key, rows[row])
        own, seen = true[starts[row] : stops[row]], past[past_starts[row] : past_stops[row]]
        left = _difference(seen, own, free)
        some = min(most, left)
        _without_repeats(stream, 0, left, 2 * row, taken, out[row, :some])
        for c in range(some):
            out[row, c] = free[out[row, c]]
        size = _union(own, seen, forbidden)
        if size == among:
            size = _union(own, seen[:0], forbidden)
        rest, allowed = out[row, some:], among - size
        if allowed >= len(rest):
            _without_repeats(stream, count, allowed, 2 * row + 1, taken, rest)
        else:
            for c in range(len(rest)):
                rest[c] = below(stream, count + c, allowed)
        for c in range(len(rest)):
            rest[c] += _skipped(forbidden, size, rest[c])


@numba.njit(cache=True, nogil=True)
def _without_repeats(stream, place, bound, mark, taken, out):
    """Different numbers below ``bound``, by Floyd's method (Bentley and Floyd, 1987)."""
    for c in range(len(out)):
        last = bound - len(out) + c
        drawn = below(stream, place + c, last + 1)
        if taken[drawn] == mark:
            drawn = last
        taken[drawn] = mark
        out[c] = drawn


@numba.njit(cache=True, nogil=True)
def _difference(seen, own, out):
    """Write what is in ``seen`` and not in ``own``; returns how many."""
    size, place = 0, 0
    for value in seen:
        while place < len(own) and own[place] < value:
            place += 1
        if place == len(own) or own[place] != value:
            out[size] = value
            size += 1
    return size


@numba.njit(cache=True, nogil=True)
def _union(own, seen, out):
    """Write what is in one of both, ascending and once; returns how many."""
    size, i, j = 0, 0, 0
    while i < len(own) or j < len(seen):
        if j == len(seen) or (i < len(own) and own[i] <= seen[j]):
            value = own[i]
            i += 1
        else:
            value = seen[j]
            j += 1
        if size == 0 or out[size - 1] != value:
            out[size] = value
            size += 1
    return size


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
