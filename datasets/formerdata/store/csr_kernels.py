"""Compiled counting, scattering and sorting of edges into rows.

Kernels over a range of rows read all edges they are given and write only to their own rows, so that threads need no
locks. ``ends`` [N + 1] int64 first holds counts, then where each row begins, and moves to where it ends while it fills.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def first_bad(keys, others, num_nodes):
    """The place of the first edge [n] with a node that is not there, or -1."""
    for place in range(len(keys)):
        if not (0 <= keys[place] < num_nodes and 0 <= others[place] < num_nodes):
            return place
    return -1


@numba.njit(cache=True, nogil=True)
def count(first, last, keys, others, both, loops, counts):
    """Add to ``counts`` [N] of rows ``first`` to ``last`` the edges that stand in them.

    Args:
        keys, others: [n] the node whose row an edge is in, and the one at its other end.
        both: Whether the edge is in the row of the other end, too; a loop is then there twice.
        loops: Whether loops count.
    """
    for place in range(len(keys)):
        key, other = keys[place], others[place]
        if key == other and not loops:
            continue
        if first <= key < last:
            counts[key] += 1
        if both and first <= other < last:
            counts[other] += 1


@numba.njit(cache=True, nogil=True)
def scatter(first, last, keys, others, both, loops, offset, base, ends, neighbours):
    """Write the ends of edges into rows ``offset + first`` to ``offset + last``; ``ends`` moves on.

    Args:
        offset: The first row of the bucket. base: Where that row begins.
        neighbours: [entries of the bucket], written.
    """
    low, high = offset + first, offset + last
    for place in range(len(keys)):
        key, other = keys[place], others[place]
        if key == other and not loops:
            continue
        if low <= key < high:
            neighbours[ends[key] - base] = other
            ends[key] += 1
        if both and low <= other < high:
            neighbours[ends[other] - base] = key
            ends[other] += 1


@numba.njit(cache=True, nogil=True)
def sort_rows(first, last, offset, base, ends, neighbours):
    """Sort each row of a bucket that has been filled."""
    for row in range(offset + first, offset + last):
        start = base if row == offset else ends[row - 1]
        part = neighbours[start - base : ends[row] - base]
        if len(part) < 32:
            _insertion(part)
        else:
            part.sort()


@numba.njit(cache=True, nogil=True)
def _insertion(part):
    for place in range(1, len(part)):
        value, free = part[place], place
        while free > 0 and part[free - 1] > value:
            part[free] = part[free - 1]
            free -= 1
        part[free] = value


@numba.njit(cache=True, nogil=True)
def drop_repeats(offset, stop, base, out_base, ends, neighbours):
    """Move the different entries of sorted rows together; returns how many there are.

    ``ends`` of rows ``offset`` to ``stop`` then counts from ``out_base``.
    """
    start, free = np.int64(0), np.int64(0)
    for row in range(offset, stop):
        end = ends[row] - base
        for place in range(start, end):
            if place == start or neighbours[place] != neighbours[place - 1]:
                value = neighbours[place]
                neighbours[free] = value
                free += 1
        start = end
        ends[row] = out_base + free
    return free


@numba.njit(cache=True, nogil=True)
def to_starts(counts):
    """[N + 1] counts, the last 0, become where each row begins; the last is their sum."""
    total = np.int64(0)
    for row in range(len(counts)):
        own = counts[row]
        counts[row] = total
        total += own
    return total


@numba.njit(cache=True, nogil=True)
def ends_to_starts(ends):
    """[N + 1] where rows end, the last anything, become where they begin; the last is where all end."""
    for row in range(len(ends) - 1, 0, -1):
        ends[row] = ends[row - 1]
    ends[0] = 0


@numba.njit(cache=True, nogil=True)
def bucket_sizes(keys, others, both, bounds, sizes):
    """Write how many of the edges [n] each bucket of rows gets to ``sizes`` [buckets]."""
    sizes[:] = 0
    for place in range(len(keys)):
        sizes[_bucket(bounds, keys[place])] += 1
        if both:
            sizes[_bucket(bounds, others[place])] += 1


@numba.njit(cache=True, nogil=True)
def to_buckets(keys, others, both, bounds, places, out):
    """Write edges as (row, other end) to ``out`` [n or 2n, 2], those of a bucket together.

    Args:
        bounds: [buckets + 1] rows at which buckets begin.
        places: [buckets] where the edges of each begin in ``out``; moved on.
    """
    for place in range(len(keys)):
        key, other = keys[place], others[place]
        bucket = _bucket(bounds, key)
        out[places[bucket], 0], out[places[bucket], 1] = key, other
        places[bucket] += 1
        if both:
            bucket = _bucket(bounds, other)
            out[places[bucket], 0], out[places[bucket], 1] = other, key
            places[bucket] += 1


@numba.njit(cache=True, nogil=True)
def _bucket(bounds, row):
    low, high = 0, len(bounds) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if row < bounds[middle]:
            high = middle
        else:
            low = middle
    return low
