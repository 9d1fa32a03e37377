"""What the scans share: where the tokens of a sequence stand, and memory of their own."""

from __future__ import annotations

import numba
import numpy as np

from formerkit.kernels.simd import aligned_start, prefetch

AHEAD = 8
"""How many tokens before their use rows are asked for: heads lie between them, and no hardware guesses such steps."""


@numba.njit(inline="always")
def row_of(offsets, sequence, step, reverse):
    """Row of the ``step``-th token in the direction of the scan."""
    return offsets[sequence + 1] - 1 - step if reverse else offsets[sequence] + step


@numba.njit(inline="always")
def buffer_of(vectors, panel, like):
    """Memory for ``vectors`` panels of elements as in ``like``, and the element where it is aligned."""
    memory = np.empty(vectors * panel + 64, like.dtype)
    return memory, aligned_start(memory)


@numba.njit(inline="always")
def four_rows(t, step):
    """Rows of four tokens."""
    return (t, t + step, t + 2 * step, t + 3 * step)


@numba.njit(inline="always")
def places_of(t, stride, base):
    """Where the rows of four tokens begin."""
    return (t[0] * stride + base, t[1] * stride + base, t[2] * stride + base, t[3] * stride + base)


@numba.njit(inline="always")
def prefetch_four(x, places, count):
    """Ask for ``count`` elements from each of four places on."""
    line = 64 // x.itemsize
    for i in range(0, count, line):
        prefetch(x, places[0] + i)
        prefetch(x, places[1] + i)
        prefetch(x, places[2] + i)
        prefetch(x, places[3] + i)
