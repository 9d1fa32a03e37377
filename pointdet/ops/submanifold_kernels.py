"""Compiled submanifold convolution: index map, forward product, gradient of the weights.

For each of the K offsets of the kernel the map lists pairs (input row, output row), sorted by output row. Threads own
ranges of output rows (or of weight rows), and each sum runs in the order of the offsets: the same bits with any number
of threads.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numba
import numpy as np

from formerkit.kernels.simd import lanes_of
from formerkit.kernels.tiles import (
    MAX_VECTORS,
    ROWS,
    add_gathered_product,
    add_outer_product,
    add_tile,
    lower_bound,
    scatter_add_tile,
    zero_tile,
)

_EMPTY = np.int64(-1)


@numba.njit(cache=True, nogil=True)
def insert(keys, table, table_rows):
    """Fill an open-addressing table (a power of two long, preset to -1) with ``keys``; returns a row that repeats an
    earlier key, or -1."""
    mask, shift = len(table) - 1, _shift(len(table))
    for row in range(len(keys)):
        slot = _slot(keys[row], shift)
        while table[slot] != _EMPTY:
            if table[slot] == keys[row]:
                return row
            slot = (slot + 1) & mask
        table[slot] = keys[row]
        table_rows[slot] = row
    return -1


@numba.njit(inline="always")
def _shift(size):
    bits = 0
    while (1 << bits) < size:
        bits += 1
    return np.uint64(64 - bits)


@numba.njit(inline="always")
def _slot(key, shift):
    # Fibonacci hashing: the multiplier is 2**64 divided by the golden ratio.
    return np.int64((np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> shift)


@numba.njit(cache=True, nogil=True)
def find_neighbors(first, last, keys, deltas, table, table_rows, neighbors):
    """``neighbors[k, row]`` is the row with key ``keys[row] + deltas[k]``, or the -1 that stands there already.

    The offsets mirror each other, ``deltas[K - 1 - k] == -deltas[k]``: who finds a neighbour is its neighbour on the
    other side. So rows ``first`` to ``last`` look for one half only and write both; no place is written twice.
    """
    mask, shift = len(table) - 1, _shift(len(table))
    middle = len(deltas) // 2
    for row in range(first, last):
        neighbors[middle, row] = row
    for k in range(middle):
        for row in range(first, last):
            key = keys[row] + deltas[k]
            slot = _slot(key, shift)
            while table[slot] != _EMPTY:
                if table[slot] == key:
                    found = table_rows[slot]
                    neighbors[k, row] = found
                    neighbors[len(deltas) - 1 - k, found] = row
                    break
                slot = (slot + 1) & mask


@numba.njit(cache=True, nogil=True)
def list_pairs(first, last, neighbors, starts, inputs, outputs):
    """Pairs of offsets ``first`` to ``last``, sorted by output row; ``starts`` [K + 1] holds the running counts."""
    for k in range(first, last):
        position = starts[k]
        for row in range(neighbors.shape[1]):
            if neighbors[k, row] >= 0:
                inputs[position] = neighbors[k, row]
                outputs[position] = row
                position += 1


@numba.njit(cache=True, nogil=True)
def count_pairs(first, last, neighbors, counts):
    """``counts[k]`` = number of rows with a neighbour, for offsets ``first`` to ``last``."""
    for k in range(first, last):
        count = 0
        for row in range(neighbors.shape[1]):
            count += neighbors[k, row] >= 0
        counts[k] = count


@lru_cache
def product(vectors: int) -> Any:
    """The forward kernel for panels of ``vectors`` registers of output channels."""

    @numba.njit(cache=True, nogil=True)
    def forward(first, last, x, w, inputs, outputs, starts, out):
        """``out[o] += x[i] @ w[k]`` over the pairs whose output row is ``first`` to ``last``.

        x: [N, Ci], w: [K, Ci, Co], out: [N, Co], all contiguous; Co is a multiple of the panel.
        """
        depth, width = w.shape[1], w.shape[2]
        panel = vectors * lanes_of(x)
        for k in range(w.shape[0]):
            begin = lower_bound(outputs, starts[k], starts[k + 1], first)
            end = lower_bound(outputs, begin, starts[k + 1], last)
            for column in range(0, width, panel):
                w_at = k * depth * width + column
                p = begin
                while p + ROWS <= end:
                    tile = zero_tile(x, ROWS, vectors)
                    for c in range(depth):
                        tile = add_gathered_product(tile, x, inputs, p, depth, c, w, w_at + c * width)
                    scatter_add_tile(tile, out, outputs, p, width, column)
                    p += ROWS
                while p < end:
                    single = zero_tile(x, 1, vectors)
                    for c in range(depth):
                        single = add_gathered_product(single, x, inputs, p, depth, c, w, w_at + c * width)
                    scatter_add_tile(single, out, outputs, p, width, column)
                    p += 1

    return forward


@lru_cache
def weight_gradient(vectors: int) -> Any:
    """The kernel of the weights' gradient for panels of ``vectors`` registers of output channels."""

    @numba.njit(cache=True, nogil=True)
    def backward(first, last, x, g, inputs, outputs, starts, gw):
        """``gw[k] += x[i].T @ g[o]`` for the input-channel tiles ``first`` to ``last`` (ROWS channels each)."""
        depth, width = gw.shape[1], gw.shape[2]
        panel = vectors * lanes_of(x)
        for k in range(gw.shape[0]):
            # Blocks of pairs that stay in the cache while the tiles go over them.
            for begin in range(starts[k], starts[k + 1], 256):
                end = min(begin + 256, starts[k + 1])
                for tile_index in range(first, last):
                    row = tile_index * ROWS
                    for column in range(0, width, panel):
                        tile = zero_tile(x, ROWS, vectors)
                        for p in range(begin, end):
                            tile = add_outer_product(tile, x, inputs[p] * depth + row, g, outputs[p] * width + column)
                        add_tile(tile, gw, (k * depth + row) * width + column, width)

    return backward


def panel_vectors(channels: int, lanes: int) -> int:
    """Registers a panel: the widest that divides ``channels`` (a multiple of ``lanes``)."""
    vectors = MAX_VECTORS
    while channels % (vectors * lanes):
        vectors //= 2
    return vectors
