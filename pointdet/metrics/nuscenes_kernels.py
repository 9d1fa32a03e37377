"""Compiled matching of nuScenes' evaluation: each detection, best first, takes the nearest label that is still free.

Objects of one class lie sample after sample: labels of sample s are rows ``truth_starts[s]`` to ``truth_starts[s +
1]``, detections likewise, best first. A detection of one sample never meets a label of another, so samples are
independent.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def match_samples(first, last, distances, truth, truth_starts, found, found_starts, out):
    """``out[t, d]`` = the label that detection d takes at the distance ``distances[t]``, or -1.

    For the samples ``first`` to ``last``. ``truth`` [G, 2] and ``found`` [D, 2] are centres in the plane. Of labels at
    the same distance the first is taken.
    """
    for s in range(first, last):
        begin, end = truth_starts[s], truth_starts[s + 1]
        free = np.ones(end - begin, dtype=np.bool_)
        for t in range(len(distances)):
            free[:] = True
            for d in range(found_starts[s], found_starts[s + 1]):
                nearest, best = np.inf, -1
                for g in range(begin, end):
                    if free[g - begin]:
                        x, y = found[d, 0] - truth[g, 0], found[d, 1] - truth[g, 1]
                        distance = np.sqrt(x * x + y * y)
                        if distance < nearest:
                            nearest, best = distance, g
                if nearest < distances[t]:
                    free[best - begin] = False
                    out[t, d] = best
                else:
                    out[t, d] = -1
