"""Compiled parts of Waymo's evaluation: overlaps of a frame, and the matching at every score cutoff.

Frames lie one after another: labels of frame f are rows ``truth_starts[f]`` to ``truth_starts[f + 1]``, detections
likewise, best first. Boxes are (x, y, z, length, width, height, heading).

Overlaps are those of :mod:`pointdet.metrics.waymo_overlap_kernels`: the official ones to the last bit.

The matching has the largest sum of overlaps. It is the assignment by shortest augmenting paths (Kuhn, 1955; Jonker and
Volgenant, 1987), which takes one detection after another and is at each moment optimal for those that it has seen. So
detections that come by falling score need one run for all cutoffs: what stands when the next score is below a cutoff
is the best matching at that cutoff.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from pointdet.metrics.waymo_overlap_kernels import SCRATCH_ROWS, shared_area

TRUE, FALSE, HEADING, MISSED_1, MISSED_2 = 0, 1, 2, 3, 4
COUNTS = 5
_LEAST_SIDE = 0.01  # metres; the official tool takes a box that is so thin for none
_UNITS = 1_000_000  # overlaps are compared to so many parts, as the official matcher does


@numba.njit(cache=True, nogil=True)
def _plan(box, out):
    out[0], out[1], out[2], out[3], out[4] = box[0], box[1], box[3], box[4], box[6]


@numba.njit(cache=True, nogil=True)
def overlap_3d(a, b, plans, outlines, polygon):
    """Intersection over union of two upright boxes; which of them is first may matter where their sides coincide.

    The last three arguments are scratch, [2, 5], [2, 4, 2] and [SCRATCH_ROWS, 2].
    """
    if min(a[3], a[4], a[5]) <= _LEAST_SIDE or min(b[3], b[4], b[5]) <= _LEAST_SIDE:
        return 0.0
    height = min(a[2] + a[5] / 2, b[2] + b[5] / 2) - max(a[2] - a[5] / 2, b[2] - b[5] / 2)
    if height <= 0:
        return 0.0
    _plan(a, plans[0])
    _plan(b, plans[1])
    shared = shared_area(plans[0], plans[1], outlines, polygon) * height
    return shared / (a[3] * a[4] * a[5] + b[3] * b[4] * b[5] - shared)


@numba.njit(cache=True, nogil=True)
def weights_of(found, truth, least, out):
    """``out[d, g]`` = overlap of detection d and label g in millionths, 0 where it is below ``least``.

    Overlap and ``least`` are compared in single precision, as the official matcher does.
    """
    plans, outlines, polygon = np.empty((2, 5)), np.empty((2, 4, 2)), np.empty((SCRATCH_ROWS, 2))
    for d in range(len(found)):
        for g in range(len(truth)):
            share = np.float32(overlap_3d(found[d], truth[g], plans, outlines, polygon))
            out[d, g] = math.floor(share * np.float32(_UNITS) + 0.5) if share >= np.float32(least) else 0


@numba.njit(cache=True, nogil=True)
def add_row(weights, d, num_columns, row_of, row_price, column_price, cost, way, done):
    """Bring detection ``d`` into the best matching of those before it.

    Columns 0 to ``num_truth - 1`` are labels, those behind stand for "no label" and weigh 0. Column ``num_columns``
    is where a path begins. ``row_of[c]`` is the detection in column c or -1.
    """
    num_truth = weights.shape[1]
    for c in range(num_columns + 1):
        cost[c] = np.iinfo(np.int64).max
        done[c] = False
    here = num_columns
    row_of[here] = d
    while True:
        done[here] = True
        row, least, best = row_of[here], np.iinfo(np.int64).max, -1
        for c in range(num_columns):
            if done[c]:
                continue
            weight = weights[row, c] if c < num_truth else 0
            reduced = -weight - row_price[row] - column_price[c]
            if reduced < cost[c]:
                cost[c], way[c] = reduced, here
            if cost[c] < least:
                least, best = cost[c], c
        for c in range(num_columns + 1):
            if done[c]:
                row_price[row_of[c]] += least
                column_price[c] -= least
            else:
                cost[c] -= least
        here = best
        if row_of[here] < 0:
            break
    while here != num_columns:
        row_of[here] = row_of[way[here]]
        here = way[here]


@numba.njit(cache=True, nogil=True)
def _heading_accuracy(a, b):
    """1 for the same heading, 0 for the opposite one."""
    difference = abs(a - b) % (2 * math.pi)
    return 1.0 - min(difference, 2 * math.pi - difference) / math.pi


@numba.njit(cache=True, nogil=True)
def _count(weights, truth, levels, found, free_of_blame, seen, blamed, row_of, out):
    """Add what the matching of the first ``seen`` detections is worth; ``blamed`` of them may be false alarms."""
    for g in range(len(truth)):
        d = row_of[g]
        if d >= 0 and weights[d, g] > 0:
            out[TRUE] += 1
            out[HEADING] += _heading_accuracy(found[d, 6], truth[g, 6])
            if not free_of_blame[d]:
                blamed -= 1
        else:
            out[MISSED_2] += 1
            if levels[g] == 1:
                out[MISSED_1] += 1
    out[FALSE] += blamed


@numba.njit(cache=True, nogil=True)
def count_matches(
    first, last, block_starts, least, cutoffs, truth, levels, truth_starts, found, scores, free_of_blame, found_starts,
    out,
):  # fmt: skip
    """``out[b, c]`` = the counts of block b of frames at cutoff c, for blocks ``first`` to ``last``.

    Counts are true positives, false positives, the sum of the true ones' heading accuracies, and the labels without a
    detection at level 1 and at level 2. ``free_of_blame`` marks detections that are never false positives.
    """
    for block in range(first, last):
        for f in range(block_starts[block], block_starts[block + 1]):
            t, d = slice(truth_starts[f], truth_starts[f + 1]), slice(found_starts[f], found_starts[f + 1])
            _count_frame(least, cutoffs, truth[t], levels[t], found[d], scores[d], free_of_blame[d], out[block])


@numba.njit(cache=True, nogil=True)
def _count_frame(least, cutoffs, truth, levels, found, scores, free_of_blame, out):
    weights = np.empty((len(found), len(truth)), dtype=np.int64)
    weights_of(found, truth, least, weights)
    num_columns = len(truth) + len(found)
    row_of, way = np.full(num_columns + 1, -1), np.empty(num_columns + 1, dtype=np.int64)
    row_price, column_price = np.zeros(len(found), dtype=np.int64), np.zeros(num_columns + 1, dtype=np.int64)
    cost, done = np.empty(num_columns + 1, dtype=np.int64), np.empty(num_columns + 1, dtype=np.bool_)
    seen = blamed = 0
    for c in range(len(cutoffs) - 1, -1, -1):
        while seen < len(found) and scores[seen] >= cutoffs[c]:
            if weights[seen].any():
                add_row(weights, seen, num_columns, row_of, row_price, column_price, cost, way, done)
            blamed += not free_of_blame[seen]
            seen += 1
        _count(weights, truth, levels, found, free_of_blame, seen, blamed, row_of, out[c])
