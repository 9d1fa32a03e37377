"""Compiled transforms of Winograd's 3 x 3 convolution, tile by tile; see :mod:`pointdet.ops.winograd`.

Channels are neighbours in memory and fill whole registers; a register holds one cell's, so that a transform is sums of
registers. Threads own ranges of tiles.
"""

from __future__ import annotations

import numba

from formerkit.kernels.sequences import buffer_of
from formerkit.kernels.simd import fma, full_like, lanes_of, load, maximum, store


@numba.njit(inline="always")
def _spread(x, at, step):
    """B^T of six registers, ``step`` elements apart."""
    a, b, c = load(x, at), load(x, at + step), load(x, at + 2 * step)
    d, e, f = load(x, at + 3 * step), load(x, at + 4 * step), load(x, at + 5 * step)
    two, four, five = full_like(a, 2.0), full_like(a, 4.0), full_like(a, 5.0)
    even, odd = e - four * c, d - four * b
    near, skew = e - c, two * (d - b)
    return fma(four, a, e) - five * c, even + odd, even - odd, near + skew, near - skew, fma(four, b, f) - five * d


@numba.njit(inline="always")
def _gather(x, at, step):
    """A^T of six registers, ``step`` elements apart."""
    a, b, c = load(x, at), load(x, at + step), load(x, at + 2 * step)
    d, e, f = load(x, at + 3 * step), load(x, at + 4 * step), load(x, at + 5 * step)
    two, four, eight = full_like(a, 2.0), full_like(a, 4.0), full_like(a, 8.0)
    sums, differences, far, skew = b + c, b - c, d + e, d - e
    return a + sums + far, fma(two, skew, differences), fma(four, far, sums), fma(eight, skew, differences) + f


@numba.njit(cache=True, nogil=True)
def spread_inputs(first, last, cells, row, places, spread):
    """``B^T d B`` of the tiles ``first`` to ``last``.

    Args:
        cells: [..., C]. row: Distance of two rows of the map, in elements.
        places: [tiles], where the upper left cell of a tile's 6 x 6 inputs lies in ``cells``, in elements.
        spread: [36, tiles, C], written.
    """
    channels, lanes = spread.shape[2], lanes_of(cells)
    step = spread.shape[1] * channels
    half, at = buffer_of(36, lanes, cells)
    for tile in range(first, last):
        for e in range(0, channels, lanes):
            for column in range(6):
                a, b, c, d, f, g = _spread(cells, places[tile] + column * channels + e, row)
                store(half, at + column * lanes, a)
                store(half, at + (6 + column) * lanes, b)
                store(half, at + (12 + column) * lanes, c)
                store(half, at + (18 + column) * lanes, d)
                store(half, at + (24 + column) * lanes, f)
                store(half, at + (30 + column) * lanes, g)
            for line in range(6):
                a, b, c, d, f, g = _spread(half, at + 6 * line * lanes, lanes)
                here = 6 * line * step + tile * channels + e
                store(spread, here, a)
                store(spread, here + step, b)
                store(spread, here + 2 * step, c)
                store(spread, here + 3 * step, d)
                store(spread, here + 4 * step, f)
                store(spread, here + 5 * step, g)


@numba.njit(cache=True, nogil=True)
def gather_outputs(first, last, products, bias, row, places, out):
    """``relu(A^T m A + bias)`` of the tiles ``first`` to ``last``.

    Args:
        products: [36, tiles, C]. bias: [C].
        row: Distance of two rows of ``out``, in elements.
        places: [tiles], where the upper left cell of a tile's 4 x 4 outputs lies in ``out``, in elements.
        out: [..., C], written.
    """
    channels, lanes = products.shape[2], lanes_of(products)
    step = products.shape[1] * channels
    half, at = buffer_of(24, lanes, products)
    for tile in range(first, last):
        for e in range(0, channels, lanes):
            shift = load(bias, e)
            zero = full_like(shift, 0.0)
            for line in range(6):
                a, b, c, d = _gather(products, 6 * line * step + tile * channels + e, step)
                store(half, at + line * lanes, a)
                store(half, at + (6 + line) * lanes, b)
                store(half, at + (12 + line) * lanes, c)
                store(half, at + (18 + line) * lanes, d)
            for column in range(4):
                a, b, c, d = _gather(half, at + 6 * column * lanes, lanes)
                here = places[tile] + column * channels + e
                store(out, here, maximum(zero, a + shift))
                store(out, here + row, maximum(zero, b + shift))
                store(out, here + 2 * row, maximum(zero, c + shift))
                store(out, here + 3 * row, maximum(zero, d + shift))


@numba.njit(cache=True, nogil=True)
def fill_squares(first, last, row, places, values, out):
    """Write ``values`` [C] to 2 x 2 cells from each of ``places`` on, of the squares ``first`` to ``last``."""
    channels, lanes = len(values), lanes_of(values)
    for square in range(first, last):
        for e in range(0, channels, lanes):
            here, value = places[square] + e, load(values, e)
            store(out, here, value)
            store(out, here + channels, value)
            store(out, here + row, value)
            store(out, here + row + channels, value)
