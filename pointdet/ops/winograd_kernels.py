"""Compiled transforms of Winograd's 3 x 3 convolution, tile by tile; see :mod:`pointdet.ops.winograd`.

Channels are neighbours in memory and fill whole registers; a register holds one cell's, so that a transform is sums of
registers. Threads own ranges of tiles.
"""

from __future__ import annotations

import numba

from formerkit.kernels.simd import full_like, lanes_of, load, maximum, store


@numba.njit(inline="always")
def _spread(a, b, c, d):
    """B^T of four neighbours."""
    return a - c, b + c, c - b, b - d


@numba.njit(inline="always")
def _spread_column(cells, at, row):
    """:func:`_spread` of four cells below each other."""
    return _spread(load(cells, at), load(cells, at + row), load(cells, at + 2 * row), load(cells, at + 3 * row))


@numba.njit(inline="always")
def _gather(a, b, c, d):
    """A^T of four neighbours."""
    return a + b + c, b - c - d


@numba.njit(inline="always")
def _gather_row(products, at, step):
    """:func:`_gather` of four products beside each other."""
    return _gather(
        load(products, at), load(products, at + step), load(products, at + 2 * step), load(products, at + 3 * step)
    )


@numba.njit(inline="always")
def _put_row(spread, at, step, a, b, c, d):
    a, b, c, d = _spread(a, b, c, d)
    store(spread, at, a)
    store(spread, at + step, b)
    store(spread, at + 2 * step, c)
    store(spread, at + 3 * step, d)


@numba.njit(cache=True, nogil=True)
def spread_inputs(first, last, cells, row, places, spread):
    """``B^T d B`` of the tiles ``first`` to ``last``.

    Args:
        cells: [..., C]. row: Distance of two rows of the map, in elements.
        places: [tiles], where the upper left cell of a tile's 4 x 4 inputs lies in ``cells``, in elements.
        spread: [16, tiles, C], written.
    """
    channels, lanes = spread.shape[2], lanes_of(cells)
    step = spread.shape[1] * channels
    for tile in range(first, last):
        for e in range(0, channels, lanes):
            at, out = places[tile] + e, tile * channels + e
            a0, a1, a2, a3 = _spread_column(cells, at, row)
            b0, b1, b2, b3 = _spread_column(cells, at + channels, row)
            c0, c1, c2, c3 = _spread_column(cells, at + 2 * channels, row)
            d0, d1, d2, d3 = _spread_column(cells, at + 3 * channels, row)
            _put_row(spread, out, step, a0, b0, c0, d0)
            _put_row(spread, out + 4 * step, step, a1, b1, c1, d1)
            _put_row(spread, out + 8 * step, step, a2, b2, c2, d2)
            _put_row(spread, out + 12 * step, step, a3, b3, c3, d3)


@numba.njit(cache=True, nogil=True)
def gather_outputs(first, last, products, bias, row, places, out):
    """``relu(A^T m A + bias)`` of the tiles ``first`` to ``last``.

    Args:
        products: [16, tiles, C]. bias: [C].
        row: Distance of two rows of ``out``, in elements.
        places: [tiles], where the upper left cell of a tile's 2 x 2 outputs lies in ``out``, in elements.
        out: [..., C], written.
    """
    channels, lanes = products.shape[2], lanes_of(products)
    step = products.shape[1] * channels
    for tile in range(first, last):
        for e in range(0, channels, lanes):
            at, here = tile * channels + e, places[tile] + e
            shift = load(bias, e)
            zero = full_like(shift, 0.0)
            a0, a1 = _gather_row(products, at, step)
            b0, b1 = _gather_row(products, at + 4 * step, step)
            c0, c1 = _gather_row(products, at + 8 * step, step)
            d0, d1 = _gather_row(products, at + 12 * step, step)
            upper, lower = _gather(a0, b0, c0, d0)
            store(out, here, maximum(zero, upper + shift))
            store(out, here + row, maximum(zero, lower + shift))
            upper, lower = _gather(a1, b1, c1, d1)
            store(out, here + channels, maximum(zero, upper + shift))
            store(out, here + row + channels, maximum(zero, lower + shift))


@numba.njit(cache=True, nogil=True)
def fill_tiles(first, last, row, places, values, out):
    """Write ``values`` [C] to the 2 x 2 cells of the tiles ``first`` to ``last``; arguments as above."""
    channels, lanes = len(values), lanes_of(values)
    for tile in range(first, last):
        for e in range(0, channels, lanes):
            here, value = places[tile] + e, load(values, e)
            store(out, here, value)
            store(out, here + channels, value)
            store(out, here + row, value)
            store(out, here + row + channels, value)
