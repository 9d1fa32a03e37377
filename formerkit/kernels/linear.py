"""Products of many rows with a small matrix: the linear layers around a mixer.

General matrix libraries are tuned for large square products, and some run at half speed on processors that are not
their maker's. Here the small matrix stays in the first-level cache and a tile of the output in registers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numba

from formerkit.kernels.simd import lanes_of
from formerkit.kernels.tiles import (
    MAX_VECTORS,
    ROWS,
    add_outer_product,
    add_product,
    add_tile,
    row_tile,
    store_tile,
    zero_tile,
)


def tile_shape(columns: int, lanes: int) -> tuple[int, int]:
    """(rows, vectors) of the tiles for that many output columns, a multiple of ``lanes``."""
    vectors = next(v for v in (MAX_VECTORS, 3, 2, 1) if columns // lanes % v == 0 and v <= MAX_VECTORS)
    accumulators = 6 * MAX_VECTORS if MAX_VECTORS > 2 else 8
    return min(12, accumulators // vectors), vectors


@lru_cache
def product(tile_rows: int, vectors: int) -> Any:
    """The kernel of ``y = x @ w + bias`` for tiles of that shape."""

    @numba.njit(cache=True, nogil=True)
    def forward(first, last, x, w, bias, y):
        """Rows ``first`` to ``last``; x: [T, K] and y: [T, N], unit stride inside a row; w: [K, N]; bias: [N]."""
        depth, columns = w.shape
        panel = vectors * lanes_of(x)
        sx, sy = x.strides[0] // x.itemsize, y.strides[0] // y.itemsize
        for column in range(0, columns, panel):
            row = first
            while row + tile_rows <= last:
                tile = row_tile(bias, column, tile_rows, vectors)
                for k in range(depth):
                    tile = add_product(tile, x, row * sx + k, sx, w, k * columns + column)
                store_tile(tile, y, row * sy + column, sy)
                row += tile_rows
            while row < last:
                single = row_tile(bias, column, 1, vectors)
                for k in range(depth):
                    single = add_product(single, x, row * sx + k, sx, w, k * columns + column)
                store_tile(single, y, row * sy + column, sy)
                row += 1

    return forward


@lru_cache
def outer(vectors: int) -> Any:
    """The kernel of ``gw += x.T @ g`` for panels of that many registers."""

    @numba.njit(cache=True, nogil=True)
    def backward(first, last, x, g, gw):
        """Tiles ``first`` to ``last`` of ROWS rows of gw: [K, N]; x: [T, K], g: [T, N], unit stride inside a row."""
        columns = gw.shape[1]
        panel = vectors * lanes_of(x)
        sx, sg = x.strides[0] // x.itemsize, g.strides[0] // g.itemsize
        for begin in range(0, x.shape[0], 128):
            end = min(begin + 128, x.shape[0])
            for index in range(first, last):
                k = index * ROWS
                for column in range(0, columns, panel):
                    tile = zero_tile(x, ROWS, vectors)
                    for row in range(begin, end):
                        tile = add_outer_product(tile, x, row * sx + k, g, row * sg + column)
                    add_tile(tile, gw, k * columns + column, columns)

    return backward
