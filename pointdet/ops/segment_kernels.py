"""Compiled sums and maxima over groups of rows; a thread owns a range of groups."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def sums(first, last, x, order, starts, out):
    """``out[m] = sum of x[order[starts[m] : starts[m + 1]]]``, in that order."""
    channels = x.shape[1]
    for m in range(first, last):
        if starts[m] == starts[m + 1]:
            out[m] = 0
            continue
        row = order[starts[m]]
        for c in range(channels):
            out[m, c] = x[row, c]
        for j in range(starts[m] + 1, starts[m + 1]):
            row = order[j]
            for c in range(channels):
                out[m, c] += x[row, c]


@numba.njit(cache=True, nogil=True)
def maxima(first, last, x, order, starts, out, winners):
    """Largest value of each group and channel and the row that has it (the first of equals)."""
    channels = x.shape[1]
    for m in range(first, last):
        row = order[starts[m]]
        for c in range(channels):
            out[m, c] = x[row, c]
            winners[m, c] = row
        for j in range(starts[m] + 1, starts[m + 1]):
            row = np.int32(order[j])
            for c in range(channels):
                larger = x[row, c] > out[m, c]
                out[m, c] = x[row, c] if larger else out[m, c]
                winners[m, c] = row if larger else winners[m, c]
