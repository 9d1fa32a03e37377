"""Compiled placing of one scan's points in another's frame."""

from __future__ import annotations

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def place_points(raw, transform, near, delay, out, begin):
    """Write the points of ``raw`` [N, 5] to ``out`` [P, 5] from row ``begin`` on; returns the row after the last.

    A point with both |x| and |y| below ``near`` is left out. The fifth number becomes ``delay``. A point that is not
    finite ends it: the return is then -1 - its row.
    """
    r = transform
    for i in range(raw.shape[0]):
        x, y, z = np.float64(raw[i, 0]), np.float64(raw[i, 1]), np.float64(raw[i, 2])
        if not math.isfinite(x + y + z + raw[i, 3]):
            return -1 - i
        if abs(x) < near and abs(y) < near:
            continue
        out[begin, 0] = r[0, 0] * x + r[0, 1] * y + r[0, 2] * z + r[0, 3]
        out[begin, 1] = r[1, 0] * x + r[1, 1] * y + r[1, 2] * z + r[1, 3]
        out[begin, 2] = r[2, 0] * x + r[2, 1] * y + r[2, 2] * z + r[2, 3]
        out[begin, 3] = raw[i, 3]
        out[begin, 4] = delay
        begin += 1
    return begin
