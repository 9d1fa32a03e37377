"""Measures of scores for two classes: areas under the curve of all thresholds, ties counted as ties."""

from __future__ import annotations

import torch
from torch import Tensor

from graphformers.metrics.inputs import Array, binary_pair


def roc_auc(y_true: Array, y_pred: Array) -> float:
    """The area under the ROC curve, averaged over the tasks that have labels of both classes ("rocauc" of OGB).

    It is the probability that a positive has a larger score than a negative; equal scores count half.

    Args:
        y_true: [n, tasks]: 0, 1, or NaN where unknown.
        y_pred: [n, tasks] scores.

    Raises:
        ValueError: On other labels or shapes, scores that are not finite, or if no task has both classes.
    """
    return _mean_over_tasks(y_true, y_pred, _area)


def average_precision(y_true: Array, y_pred: Array) -> float:
    """The mean precision over the positives, averaged over the tasks that have both classes ("ap" of OGB).

    The sum over thresholds of precision times the increase in recall; equal scores share a threshold.

    Args:
        y_true: [n, tasks]: 0, 1, or NaN where unknown.
        y_pred: [n, tasks] scores.

    Raises:
        ValueError: On other labels or shapes, scores that are not finite, or if no task has both classes.
    """
    return _mean_over_tasks(y_true, y_pred, _precision)


def _mean_over_tasks(y_true: Array, y_pred: Array, measure) -> float:  # type: ignore[no-untyped-def]
    labels, scores = binary_pair(y_true, y_pred)
    found = []
    for task in ((labels == 0).any(0) & (labels == 1).any(0)).nonzero()[:, 0].tolist():
        known = ~labels[:, task].isnan()
        found.append(measure(labels[known, task] == 1, scores[known, task]))
    return float(torch.stack(found).mean())


def _by_threshold(positive: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Positives and negatives at each distinct score, from the largest down: float64."""
    place = scores.unique(return_inverse=True)[1]
    counts = torch.bincount(place * 2 + positive, minlength=2 * (int(place.max()) + 1)).double().reshape(-1, 2).flip(0)
    return counts[:, 1], counts[:, 0]


def _area(positive: Tensor, scores: Tensor) -> Tensor:
    hits, false = _by_threshold(positive, scores)
    above = hits.cumsum(0) - hits
    return ((above + hits / 2) * false).sum() / (hits.sum() * false.sum())


def _precision(positive: Tensor, scores: Tensor) -> Tensor:
    hits, false = _by_threshold(positive, scores)
    precision = hits.cumsum(0) / (hits + false).cumsum(0)
    return (precision * hits).sum() / hits.sum()
