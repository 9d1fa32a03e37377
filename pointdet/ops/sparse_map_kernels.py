"""Compiled moves of blocks of cells between maps; see :mod:`pointdet.ops.sparse_map`. Threads own ranges of blocks."""

from __future__ import annotations

import numba

from formerkit.kernels.simd import full_like, lanes_of, load, maximum, store


@numba.njit(cache=True, nogil=True)
def gather_blocks(first, last, cells, busy, rest, where, out):
    """Blocks ``first`` to ``last`` of a map: its busy cells, and ``rest`` for the others.

    Args:
        cells: [B, H + 2, W + 2, P], with a border. busy: [B, H, W] bool. rest: [P].
        where: [N, 3] (sample, y, x), counted in blocks.
        out: [N, k, k, C], C at most P; written.
    """
    _, k, _, channels = out.shape
    for n in range(first, last):
        b, y, x = where[n, 0], k * where[n, 1], k * where[n, 2]
        for i in range(k):
            for j in range(k):
                if busy[b, y + i, x + j]:
                    out[n, i, j] = cells[b, y + i + 1, x + j + 1, :channels]
                else:
                    out[n, i, j] = rest[:channels]


@numba.njit(cache=True, nogil=True)
def spread_relu(first, last, products, bias, out):
    """``out[n, u i + p, u j + q] = relu(products[n, i, j, p, q] + bias)`` for the blocks ``first`` to ``last``.

    Args:
        products: [N, k, k, u, u, C], contiguous. bias: [C].
        out: [N, k u, k u, C], unit stride in the last axis; written.
    """
    _, k, _, u, _, channels = products.shape
    lanes = lanes_of(products)
    whole = channels - channels % lanes
    for n in range(first, last):
        for y in range(k * u):
            for x in range(k * u):
                source = ((((n * k + y // u) * k + x // u) * u + y % u) * u + x % u) * channels
                target = (n * out.strides[0] + y * out.strides[1] + x * out.strides[2]) // out.itemsize
                for c in range(0, whole, lanes):
                    value = load(products, source + c) + load(bias, c)
                    store(out, target + c, maximum(full_like(value, 0.0), value))
                for c in range(whole, channels):
                    single = products[n, y // u, x // u, y % u, x % u, c] + bias[c]
                    # A NaN goes through.
                    out[n, y, x, c] = 0 if single < 0 else single
