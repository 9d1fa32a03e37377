"""nuScenes' curves over recall, and the figures that are taken from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pointdet.metrics.nuscenes_rules import MIN_PRECISION, MIN_RECALL

RECALLS = np.linspace(0.0, 1.0, 101)
_FIRST = round(100 * MIN_RECALL) + 1


@dataclass(frozen=True)
class Curves:
    """At the recalls 0, 0.01 .. 1.

    Attributes:
        precision: [101], 0 where the recall is not reached.
        scores: [101] of the detections there, 0 where it is not reached.
    """

    precision: np.ndarray
    scores: np.ndarray

    @property
    def average_precision(self) -> float:
        """Mean precision above the least recall, with the least precision taken off and the rest stretched to 1."""
        return float(np.maximum(self.precision[_FIRST:] - MIN_PRECISION, 0.0).mean()) / (1.0 - MIN_PRECISION)


def curves(matched: np.ndarray, scores: np.ndarray, num_truth: int) -> Curves:
    """Of the detections of a class, best first.

    Args:
        matched: [D] whether each has a label.
        scores: [D].
        num_truth: Number of labels.
    """
    if not num_truth or not matched.any():
        return Curves(np.zeros(len(RECALLS)), np.zeros(len(RECALLS)))
    hits = np.cumsum(matched)
    recall = hits / num_truth
    precision = hits / np.arange(1, len(hits) + 1)
    return Curves(np.interp(RECALLS, recall, precision, right=0), np.interp(RECALLS, recall, scores, right=0))


def mean_errors(errors: np.ndarray, scores: np.ndarray, of: Curves) -> np.ndarray:
    """[E] mean errors of true positives, best first: the means so far, over the recalls from 0.11 to the largest.

    A figure is 1 where that recall is not reached.

    Args:
        errors: [T, E]; NaN does not count, and if there is nothing else the error is 1.
        scores: [T].
        of: The class' curves.
    """
    reached = np.flatnonzero(of.scores)
    last = int(reached[-1]) if len(reached) else 0
    if last < _FIRST or not len(errors):
        return np.ones(errors.shape[1])
    rows = slice(_FIRST, last + 1)
    totals, counts = np.cumsum(np.nan_to_num(errors), axis=0), np.cumsum(~np.isnan(errors), axis=0)
    means = [
        np.interp(of.scores[::-1], scores[::-1], _means(total, count)[::-1])[::-1][rows].mean()
        for total, count in zip(totals.T, counts.T, strict=True)
    ]
    return np.array(means)


def _means(totals: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Means so far; 0 before the first number, 1 if there is none."""
    if not counts[-1]:
        return np.ones(len(totals))
    return np.where(counts > 0, totals / np.maximum(counts, 1), 0.0)
