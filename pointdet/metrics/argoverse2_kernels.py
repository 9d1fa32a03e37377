"""Compiled part of Argoverse 2's evaluation: which label each detection is given to.

Groups (a category in a sweep) lie one after another: labels of group g are rows ``truth_starts[g]`` to
``truth_starts[g + 1]``, detections likewise, best first.
"""

from __future__ import annotations

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def assign(first, last, truth, truth_starts, found, found_starts, partner, distance):
    """``partner[d]`` = row of the label nearest to detection d, -1 if a better detection has it or there is none.

    ``truth`` and ``found`` are centres [., 3]; ``distance[d]`` is that to the partner, infinite without one.
    """
    for g in range(first, last):
        begin, end = truth_starts[g], truth_starts[g + 1]
        taken = np.zeros(end - begin, dtype=np.bool_)
        for d in range(found_starts[g], found_starts[g + 1]):
            partner[d], distance[d] = -1, np.inf
            nearest, least = -1, np.inf
            for t in range(begin, end):
                dx, dy, dz = found[d, 0] - truth[t, 0], found[d, 1] - truth[t, 1], found[d, 2] - truth[t, 2]
                here = math.sqrt(dx * dx + dy * dy + dz * dz)
                if here < least:
                    nearest, least = t, here
            if nearest >= 0 and not taken[nearest - begin]:
                taken[nearest - begin] = True
                partner[d], distance[d] = nearest, least


@numba.njit(cache=True, nogil=True)
def rows_to_nearest(mask, most, out):
    """``out`` [H, W] uint8 = rows from each cell to the nearest one in its column whose ``mask`` is set.

    ``most`` + 1 stands for all that is further away; ``most`` is below 255.
    """
    height, width = mask.shape
    for column in range(width):
        out[0, column] = 0 if mask[0, column] else most + 1
    for row in range(1, height):
        for column in range(width):
            out[row, column] = 0 if mask[row, column] else min(most + 1, out[row - 1, column] + 1)
    for row in range(height - 2, -1, -1):
        for column in range(width):
            out[row, column] = min(out[row, column], out[row + 1, column] + 1)


@numba.njit(cache=True, nogil=True)
def near(away, cells, reach, out):
    """Set ``out[i]`` where a marked cell is within ``reach`` cells of ``cells[i]`` (column, row), in a straight line.

    ``away`` is of :func:`rows_to_nearest`. Cells off the raster are near nothing.
    """
    height, width = away.shape
    for i in range(len(cells)):
        column, row = cells[i, 0], cells[i, 1]
        if not (0 <= column < width and 0 <= row < height):
            continue
        for other in range(max(0, column - reach), min(width, column + reach + 1)):
            rows = np.int64(away[row, other])
            if rows * rows + (other - column) ** 2 <= reach * reach:
                out[i] = True
                break
