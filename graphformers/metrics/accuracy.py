"""Measures of predicted classes."""

from __future__ import annotations

import torch
from torch import Tensor

from graphformers.metrics.inputs import Array, class_pair


def accuracy(y_true: Array, y_pred: Array) -> float:
    """The fraction of right classes in each task, averaged over tasks ("acc" of OGB).

    Args:
        y_true: [n, tasks] classes; NaN where unknown.
        y_pred: [n, tasks] integers.

    Raises:
        ValueError: On another shape or kind of numbers, empty input, or a task without any label.
    """
    labels, predicted = class_pair(y_true, y_pred)
    known = ~labels.isnan()
    if not bool(known.any(0).all()):
        raise ValueError(f"y_true: task {int((~known.any(0)).nonzero()[0])} has no labels")
    right = (labels == predicted) & known
    return float((right.sum(0).double() / known.sum(0)).mean())


def weighted_accuracy(y_true: Array, y_pred: Array) -> float:
    """The mean over classes of the fraction of its nodes that are found.

    Of PATTERN and CLUSTER (Dwivedi et al. 2020, Benchmarking Graph Neural Networks, section B): large and small
    classes count alike. Classes without a node do not count.

    Args:
        y_true, y_pred: [n, 1] integers.

    Raises:
        ValueError: On another shape or kind of numbers, or empty input.
    """
    table = _confusion(y_true, y_pred)
    sizes = table.sum(1)
    return float((table.diagonal() / sizes)[sizes > 0].mean())


def macro_f1(y_true: Array, y_pred: Array) -> float:
    """The mean over classes of the harmonic mean of precision and recall.

    All classes that are labels or predictions count; a class that is never rightly predicted has 0.

    Args:
        y_true, y_pred: [n, 1] integers.

    Raises:
        ValueError: On another shape or kind of numbers, or empty input.
    """
    table = _confusion(y_true, y_pred)
    total = table.sum(0) + table.sum(1)
    return float((2 * table.diagonal() / total)[total > 0].mean())


def _confusion(y_true: Array, y_pred: Array) -> Tensor:
    """[classes, classes] float64: how many of each class (rows) got each prediction."""
    labels, predicted = class_pair(y_true, y_pred, tasks=1)
    known = ~labels.isnan()
    # Classes by their rank among those that are there: their numbers may be large or negative.
    values = torch.cat([labels[known].long(), predicted[known].long()])
    kinds, places = values.unique(return_inverse=True)
    rows, columns = places.chunk(2)
    return torch.bincount(rows * len(kinds) + columns, minlength=len(kinds) ** 2).double().reshape(len(kinds), -1)
