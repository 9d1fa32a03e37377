"""Compiled walk over the edges between members of the same set."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def count(first, last, set_starts, members, starts, neighbours, found):
    """Write for each member of sets ``first`` to ``last`` how many of its edges end in the same set."""
    place = np.full(len(starts) - 1, -1, np.int64)
    for number in range(first, last):
        begin, end = set_starts[number], set_starts[number + 1]
        for row in range(begin, end):
            place[members[row]] = row
        for row in range(begin, end):
            found[row] = 0
            for link in range(starts[members[row]], starts[members[row] + 1]):
                found[row] += place[neighbours[link]] >= 0
        # Only what was written is cleared: sets may be many and small.
        for row in range(begin, end):
            place[members[row]] = -1


@numba.njit(cache=True, nogil=True)
def fill(first, last, set_starts, members, starts, neighbours, edges, offsets, rows, columns, numbers):
    """Write these edges, from row to row of ``members``, and their numbers."""
    place = np.full(len(starts) - 1, -1, np.int64)
    for number in range(first, last):
        begin, end = set_starts[number], set_starts[number + 1]
        for row in range(begin, end):
            place[members[row]] = row
        for row in range(begin, end):
            e = offsets[row]
            for link in range(starts[members[row]], starts[members[row] + 1]):
                other = place[neighbours[link]]
                if other >= 0:
                    rows[e], columns[e], numbers[e] = row, other, edges[link]
                    e += 1
        for row in range(begin, end):
            place[members[row]] = -1
