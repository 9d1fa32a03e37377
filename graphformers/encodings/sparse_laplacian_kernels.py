"""Compiled products of a graph's Laplacian with a block of vectors, and of blocks with blocks.

A block is [N, WIDTH] float64: the entries of one node for all its vectors fill one line of the cache, which is what a
neighbour that lies anywhere in memory costs. Threads own rows, or pieces of rows of one size; sums run in a fixed
order, so that results do not depend on the number of threads.
"""

from __future__ import annotations

import numba
import numpy as np

from formerkit.kernels.simd import full_like, lanes_of, load, prefetch, store

WIDTH = 8
AHEAD = 16
"""Edges between asking for a neighbour's entries and using them."""
PIECE = 4096
"""Rows whose products are summed before they meet those of other rows."""


@numba.njit(cache=True, nogil=True)
def chebyshev_step(first, last, starts, neighbours, diagonal, weight, x, previous, centre, scale, share, out):
    """``scale * (L x - centre x) - share * previous`` for rows ``first`` to ``last``.

    L x is ``diagonal[i] x[i] - weight[i] (sum of x over the neighbours of i)``.

    Args:
        starts: [N + 1]. neighbours: [E] int32, those of each node.
        diagonal, weight: [N].
        x, previous: [N, WIDTH]. out: the same, written; it may be ``previous``.
    """
    lanes, end = lanes_of(x), len(neighbours) - 1
    for i in range(first, last):
        for c in range(0, WIDTH, lanes):
            total = full_like(load(x, 0), 0.0)
            for place in range(starts[i], starts[i + 1]):
                if c == 0:
                    prefetch(x, np.int64(neighbours[min(place + AHEAD, end)]) * WIDTH)
                total = total + load(x, np.int64(neighbours[place]) * WIDTH + c)
            at = i * WIDTH + c
            mine = load(x, at) * full_like(total, scale * (diagonal[i] - centre))
            result = mine - total * full_like(total, scale * weight[i])
            store(out, at, result - load(previous, at) * full_like(total, share))


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def products(first, last, x, y, out):
    """``x^T y`` [WIDTH, WIDTH] of the pieces ``first`` to ``last`` of rows, each written to ``out[piece]``."""
    for piece in range(first, last):
        total = np.zeros((WIDTH, WIDTH))
        for i in range(piece * PIECE, min((piece + 1) * PIECE, len(x))):
            for a in range(WIDTH):
                for c in range(WIDTH):
                    total[a, c] += x[i, a] * y[i, c]
        out[piece] = total


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def add_product(first, last, x, factors, keep, out):
    """``keep * out + x @ factors`` for rows ``first`` to ``last``; x, out: [N, WIDTH], factors: [WIDTH, WIDTH]."""
    row = np.empty(WIDTH)
    for i in range(first, last):
        for c in range(WIDTH):
            row[c] = keep * out[i, c]
        for a in range(WIDTH):
            for c in range(WIDTH):
                row[c] += x[i, a] * factors[a, c]
        for c in range(WIDTH):
            out[i, c] = row[c]


@numba.njit(cache=True, nogil=True)
def scale_rows(first, last, x, factor):
    """``x[i] *= factor[i]`` for rows ``first`` to ``last``."""
    for i in range(first, last):
        for c in range(WIDTH):
            x[i, c] *= factor[i]


@numba.njit(cache=True, nogil=True)
def weighted_sums(first, last, weight, x, out):
    """``weight @ x`` [WIDTH] of the pieces ``first`` to ``last`` of rows, each written to ``out[piece]``."""
    for piece in range(first, last):
        total = np.zeros(WIDTH)
        for i in range(piece * PIECE, min((piece + 1) * PIECE, len(x))):
            for c in range(WIDTH):
                total[c] += weight[i] * x[i, c]
        out[piece] = total


@numba.njit(cache=True, nogil=True)
def subtract_outer(first, last, column, row, x):
    """``x -= outer(column, row)`` for rows ``first`` to ``last``."""
    for i in range(first, last):
        for c in range(WIDTH):
            x[i, c] -= column[i] * row[c]
