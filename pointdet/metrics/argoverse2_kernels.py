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
