"""Compiled parts of KITTI's evaluation: overlaps frame by frame, and the greedy matching.

Frames lie one after another: true objects of frame f are rows ``truth_starts[f]`` to ``truth_starts[f + 1]``,
detections and DontCare regions likewise, and the overlaps of a frame are a block of true objects x detections that
begins at ``block_starts[f]``.

The matching sees pairs that overlap enough and nothing else: those of true object i are ``starts[i]`` to
``starts[i + 1]`` of ``pair_found`` and ``pair_overlap``, detections in file order.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from pointdet.boxes.overlap_kernels import SCRATCH_ROWS, intersection


@numba.njit(inline="always")
def _image_intersection(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


@numba.njit(cache=True, nogil=True)
def image_overlaps(first, last, truth, found, truth_starts, found_starts, block_starts, out):
    """Intersection over union of image boxes (left, top, right, bottom) in frames ``first`` to ``last``."""
    for f in range(first, last):
        at = block_starts[f]
        for i in range(truth_starts[f], truth_starts[f + 1]):
            area = (truth[i, 2] - truth[i, 0]) * (truth[i, 3] - truth[i, 1])
            for j in range(found_starts[f], found_starts[f + 1]):
                shared = _image_intersection(truth[i], found[j])
                union = area + (found[j, 2] - found[j, 0]) * (found[j, 3] - found[j, 1]) - shared
                out[at] = shared / union if shared > 0 else 0.0
                at += 1


@numba.njit(cache=True, nogil=True)
def box_overlaps(first, last, truth, found, truth_starts, found_starts, block_starts, bev, space):
    """Bird's-eye and 3D intersection over union; boxes are (x, z, l, w, angle, bottom y, h), y pointing down."""
    one, two = np.empty((SCRATCH_ROWS, 2)), np.empty((SCRATCH_ROWS, 2))
    for f in range(first, last):
        at = block_starts[f]
        for i in range(truth_starts[f], truth_starts[f + 1]):
            area = truth[i, 2] * truth[i, 3]
            for j in range(found_starts[f], found_starts[f + 1]):
                shared = intersection(truth[i], found[j], one, two)
                bev[at] = space[at] = 0.0
                if shared > 0:
                    other = found[j, 2] * found[j, 3]
                    bev[at] = shared / (area + other - shared)
                    top = max(truth[i, 5] - truth[i, 6], found[j, 5] - found[j, 6])
                    height = min(truth[i, 5], found[j, 5]) - top
                    if height > 0:
                        volume = shared * height
                        space[at] = volume / (area * truth[i, 6] + other * found[j, 6] - volume)
                at += 1


@numba.njit(cache=True, nogil=True)
def share_in_regions(regions, region_starts, found, found_starts, out):
    """``out[j]`` = largest share of the image box of detection j that lies in one DontCare region of its frame."""
    for f in range(len(found_starts) - 1):
        for j in range(found_starts[f], found_starts[f + 1]):
            out[j] = 0.0
            for r in range(region_starts[f], region_starts[f + 1]):
                shared = _image_intersection(regions[r], found[j])
                if shared > 0:
                    area = (found[j, 2] - found[j, 0]) * (found[j, 3] - found[j, 1])
                    out[j] = max(out[j], shared / area)


@numba.njit(cache=True, nogil=True)
def matched_scores(starts, pair_found, truth_flags, found_flags, scores, out):
    """Scores of the true positives when every detection takes part; returns how many there are.

    Each true object takes the free detection with the best score.
    """
    count = 0
    taken = np.zeros(len(scores), dtype=np.bool_)
    for i in range(len(starts) - 1):
        best = -1
        for k in range(starts[i], starts[i + 1]):
            j = pair_found[k]
            if not taken[j] and (best < 0 or scores[j] > scores[best]):
                best = j
        if best < 0:
            continue
        taken[best] = True
        if truth_flags[i] == 0 and found_flags[best] == 0:
            out[count] = scores[best]
            count += 1
    return count


@numba.njit(cache=True, nogil=True)
def count_matches(
    thresholds, starts, pair_found, pair_overlap, truth_flags, found_flags, scores, may_be_wrong,
    truth_alpha, found_alpha, out,
):  # fmt: skip
    """Match at each score threshold.

    Each true object takes the free detection that overlaps it most, one that is ignored only for want of another.

    ``out[t]`` = true positives, their orientation similarity, and how many of the detections that would be false
    alarms if they were free (``may_be_wrong``) are taken.
    """
    taken_at = np.full(len(scores), -1)  # the threshold at which a detection was last taken
    for t in range(len(thresholds)):
        for i in range(len(starts) - 1):
            best, most = -1, 0.0  # ``most`` stays 0 beside an ignored detection: any that counts replaces it
            for k in range(starts[i], starts[i + 1]):
                j = pair_found[k]
                if taken_at[j] == t or scores[j] < thresholds[t]:
                    continue
                if found_flags[j] == 0 and pair_overlap[k] > most:
                    best, most = j, pair_overlap[k]
                elif found_flags[j] == 1 and best < 0:
                    best = j
            if best < 0:
                continue
            taken_at[best] = t
            out[t, 2] += may_be_wrong[best]
            if truth_flags[i] == 0 and found_flags[best] == 0:
                out[t, 0] += 1
                out[t, 1] += (1.0 + math.cos(truth_alpha[i] - found_alpha[best])) / 2.0
