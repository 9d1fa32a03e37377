"""Compiled search in breadth: how many nodes lie at each distance, and which."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def count(first, last, starts, neighbours, hops, sizes):
    """Write for nodes ``first`` to ``last`` how many nodes lie at distances 0 to ``hops``: sizes [N, hops + 1]."""
    seen, queue = np.full(len(starts) - 1, -1, np.int64), np.empty(len(starts) - 1, np.int64)
    for node in range(first, last):
        _search(node, starts, neighbours, hops, seen, queue, sizes[node])


@numba.njit(cache=True, nogil=True)
def fill(first, last, starts, neighbours, hops, ends, values):
    """Write the nodes at each distance, the farthest first and those of one distance in ascending order.

    ``values[: ends[node]]`` ends with the node itself.
    """
    seen, queue = np.full(len(starts) - 1, -1, np.int64), np.empty(len(starts) - 1, np.int64)
    sizes = np.empty(hops + 1, np.int64)
    for node in range(first, last):
        _search(node, starts, neighbours, hops, seen, queue, sizes)
        begin, end = 0, ends[node]
        for hop in range(hops + 1):
            shell = queue[begin : begin + sizes[hop]]
            # Sums are then taken in an order that does not depend on that of the search.
            shell.sort()
            values[end - sizes[hop] : end] = shell
            begin, end = begin + sizes[hop], end - sizes[hop]


@numba.njit(cache=True, nogil=True)
def _search(node, starts, neighbours, hops, seen, queue, sizes):
    """Put the nodes up to a distance into ``queue``, and how many there are at each into ``sizes``."""
    sizes[:] = 0
    sizes[0], queue[0], seen[node] = 1, node, node
    begin, end = 0, 1
    for hop in range(1, hops + 1):
        filled = end
        for place in range(begin, end):
            here = queue[place]
            for link in range(starts[here], starts[here + 1]):
                other = neighbours[link]
                if seen[other] != node:
                    seen[other] = node
                    queue[filled] = other
                    filled += 1
        sizes[hop], begin, end = filled - end, end, filled
        if begin == end:
            break
