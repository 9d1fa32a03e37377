"""Compiled parts of KITTI's evaluation: overlaps frame by frame, and the greedy matching.

Frames lie one after another: true objects of frame f are rows ``truth_starts[f]`` to ``truth_starts[f + 1]``,
detections and DontCare regions likewise, and the overlaps of a frame are a block of true objects x detections that
begins at ``pair_starts[f]``.
"""

from __future__ import annotations

import numba
import numpy as np

from pointdet.boxes.overlap_kernels import intersection


@numba.njit(inline="always")
def _image_intersection(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


@numba.njit(cache=True, nogil=True)
def image_overlaps(first, last, truth, found, truth_starts, found_starts, pair_starts, out):
    """Intersection over union of image boxes (left, top, right, bottom) in frames ``first`` to ``last``."""
    for f in range(first, last):
        at = pair_starts[f]
        for i in range(truth_starts[f], truth_starts[f + 1]):
            area = (truth[i, 2] - truth[i, 0]) * (truth[i, 3] - truth[i, 1])
            for j in range(found_starts[f], found_starts[f + 1]):
                shared = _image_intersection(truth[i], found[j])
                union = area + (found[j, 2] - found[j, 0]) * (found[j, 3] - found[j, 1]) - shared
                out[at] = shared / union if shared > 0 else 0.0
                at += 1


@numba.njit(cache=True, nogil=True)
def box_overlaps(first, last, truth, found, truth_starts, found_starts, pair_starts, bev, space):
    """Bird's-eye and 3D intersection over union; boxes are (x, z, l, w, angle, bottom y, h), y pointing down."""
    one, two = np.empty((16, 2)), np.empty((16, 2))
    for f in range(first, last):
        at = pair_starts[f]
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
def matched_scores(
    overlaps, least, truth_flags, found_flags, scores, truth_starts, found_starts, pair_starts, out
):  # fmt: skip
    """Scores of the true positives when every detection takes part; returns how many there are.

    Each true object takes the free detection with the best score among those that overlap it enough.
    """
    count = 0
    taken = np.zeros(len(scores), dtype=np.bool_)
    for f in range(len(truth_starts) - 1):
        begin, end = found_starts[f], found_starts[f + 1]
        for i in range(truth_starts[f], truth_starts[f + 1]):
            if truth_flags[i] == -1:
                continue
            row = pair_starts[f] + (i - truth_starts[f]) * (end - begin) - begin
            best = -1
            for j in range(begin, end):
                if taken[j] or found_flags[j] == -1 or overlaps[row + j] <= least:
                    continue
                if best < 0 or scores[j] > scores[best]:
                    best = j
            if best < 0:
                continue
            taken[best] = True
            if truth_flags[i] == 0 and found_flags[best] == 0:
                out[count] = scores[best]
                count += 1
    return count


@numba.njit(cache=True, nogil=True)
def count_frame(
    f, threshold, overlaps, least, truth_flags, found_flags, scores, truth_starts, found_starts, pair_starts,
    truth_alpha, found_alpha, regions, region_starts, found_boxes, use_regions, taken, out,
):  # fmt: skip
    """Add true positives, false positives, misses and orientation similarity of a frame to ``out`` [4].

    Each true object takes the free detection that overlaps it most, one that is ignored only for want of another.
    """
    begin, end = found_starts[f], found_starts[f + 1]
    for j in range(begin, end):
        taken[j] = False
    for i in range(truth_starts[f], truth_starts[f + 1]):
        if truth_flags[i] == -1:
            continue
        row = pair_starts[f] + (i - truth_starts[f]) * (end - begin) - begin
        best, most, only_ignored = -1, 0.0, False
        for j in range(begin, end):
            if taken[j] or found_flags[j] == -1 or scores[j] < threshold or overlaps[row + j] <= least:
                continue
            if found_flags[j] == 0 and (overlaps[row + j] > most or only_ignored):
                best, most, only_ignored = j, overlaps[row + j], False
            elif found_flags[j] == 1 and best < 0:
                best, only_ignored = j, True
        if best < 0:
            if truth_flags[i] == 0:
                out[2] += 1
            continue
        taken[best] = True
        if truth_flags[i] == 0 and found_flags[best] == 0:
            out[0] += 1
            out[3] += (1.0 + np.cos(truth_alpha[i] - found_alpha[best])) / 2.0
    for j in range(begin, end):
        if found_flags[j] != 0 or taken[j] or scores[j] < threshold:
            continue
        excused = False
        if use_regions:
            area = (found_boxes[j, 2] - found_boxes[j, 0]) * (found_boxes[j, 3] - found_boxes[j, 1])
            for r in range(region_starts[f], region_starts[f + 1]):
                if _image_intersection(regions[r], found_boxes[j]) > least * area:
                    excused = True
                    break
        if not excused:
            out[1] += 1


@numba.njit(cache=True, nogil=True)
def count_all(
    thresholds, overlaps, least, truth_flags, found_flags, scores, truth_starts, found_starts, pair_starts,
    truth_alpha, found_alpha, regions, region_starts, found_boxes, use_regions, out,
):  # fmt: skip
    """``out[t]`` = true positives, false positives, misses, orientation similarity at each score threshold."""
    taken = np.zeros(len(scores), dtype=np.bool_)
    for t in range(len(thresholds)):
        for f in range(len(truth_starts) - 1):
            count_frame(
                f, thresholds[t], overlaps, least, truth_flags, found_flags, scores, truth_starts, found_starts,
                pair_starts, truth_alpha, found_alpha, regions, region_starts, found_boxes, use_regions, taken, out[t],
            )  # fmt: skip
