"""Compiled products of a normalised adjacency matrix with features.

Threads own rows of the result; a row's sum runs in the order of its edges, and each channel's is the same in whatever
block of channels it is computed: neither threads nor blocks change a bit.

Shapes: N nodes, E edges, C channels.
"""

from __future__ import annotations

import numba
import numpy as np

from formerkit.kernels.simd import full_like, lanes_of, load, prefetch, store

AHEAD = 8
"""Edges between asking for a neighbour's features and using them: they lie anywhere in memory."""


@numba.njit(cache=True, nogil=True)
def count_columns(neighbours, counts):
    """Add to ``counts`` [N] int64 how often each node stands in ``neighbours`` [E].

    Returns:
        The first place whose node is not there, or -1.
    """
    for place in range(len(neighbours)):
        j = neighbours[place]
        if j < 0 or j >= len(counts):
            return place
        counts[j] += 1
    return -1


@numba.njit(cache=True, nogil=True)
def weighted_sums(first, last, starts, neighbours, x, left, right, loops, out):
    """Rows ``first`` to ``last`` of diag(left) (A + loops I) diag(right) x.

    Args:
        starts, neighbours: Of :class:`~formerdata.graphs.csr.CSRGraph`.
        x: [N, C] float32. left, right: [N] float32. loops: 1 or 0.
        out: [N, C] float32, not x.
    """
    channels, lanes, line = x.shape[1], lanes_of(x), 64 // x.itemsize
    whole = channels - channels % lanes
    for i in range(first, last):
        for c in range(channels):
            out[i, c] = np.float32(0)
        # The loop comes first, as an edge of its own before the others.
        for place in range(starts[i] - loops, starts[i + 1]):
            j = np.int64(neighbours[place]) if place >= starts[i] else np.int64(i)
            later = np.int64(neighbours[min(max(place, 0) + AHEAD, len(neighbours) - 1)]) if len(neighbours) else j
            for c in range(0, channels, line):
                prefetch(x, later * channels + c)
            _add_row(x, j, right[j], whole, lanes, out, i)
        scale = left[i]
        for c in range(channels):
            out[i, c] *= scale


@numba.njit(inline="always")
def _add_row(x, j, weight, whole, lanes, out, i):
    channels = x.shape[1]
    for c in range(0, whole, lanes):
        row = load(x, j * channels + c)
        # A product and a sum, not one rounded once: the channels below have no such instruction for sure.
        store(out, i * channels + c, load(out, i * channels + c) + full_like(row, weight) * row)
    for c in range(whole, channels):
        out[i, c] += weight * x[j, c]
