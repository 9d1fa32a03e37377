"""What the scans share: where the tokens of a sequence stand, and memory of their own."""

from __future__ import annotations

import numba
import numpy as np

from formerkit.kernels.simd import aligned_start

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
