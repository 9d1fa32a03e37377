"""Average precision as Waymo's evaluation takes it from the counts at the score cutoffs."""

from __future__ import annotations

import numpy as np

RECALL_STEP = 0.05
"""Recalls that lie further apart get points between them."""


def precision_and_recall(true: np.ndarray, share: np.ndarray, false: np.ndarray, missed: np.ndarray) -> np.ndarray:
    """[2, C] precision and recall at C cutoffs.

    Args:
        true: [C] true positives.
        share: [C] what they are worth: their number, or the sum of their heading accuracies.
        false: [C] false positives.
        missed: [C] labels without a detection, at one level. True positives count whatever their level.
    """
    recall = true / np.maximum(true + missed, 1)
    precision = np.where(recall > 0, share / np.maximum(true + false, 1), 1.0)
    return np.stack([precision, recall])


def average_precision(precision: np.ndarray, recall: np.ndarray, step: float = RECALL_STEP) -> float:
    """Area under precision over recall, 0 to 1.

    Each precision is the best at its or a higher recall. Where two recalls lie more than ``step`` apart, points are
    put between them from above, ``step`` apart, at the precision of the higher: few points shall not make a large
    area. The point of recall 0 is that of the least recall above it.

    Args:
        precision, recall: [C] in any order.
        step: Largest distance of recalls.
    """
    if not len(recall):
        return 0.0
    ends = _highest_first(precision, recall)
    best, points = 0.0, [(float(ends[0, 0]), 0.0)]
    for at, value in ends.tolist():
        while points[-1][0] - at > step + 1e-6:
            points.append((points[-1][0] - step, best))
        best = max(best, value)
        points.append((at, best))
    curve = np.array(points[1:])
    if len(curve) > 1:
        curve[-1, 1] = curve[-2, 1]
    return float((-np.diff(curve[:, 0]) * (curve[1:, 1] + curve[:-1, 1]) / 2).sum())


def _highest_first(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """[R, 2] distinct recalls, falling, each with its best precision; recall 0 is among them, at precision 1."""
    at, value = np.append(recall, 0.0), np.append(precision, 1.0)
    distinct, which = np.unique(at, return_inverse=True)
    best = np.full(len(distinct), -np.inf)
    np.maximum.at(best, which, value)
    return np.column_stack([distinct, best])[::-1]
