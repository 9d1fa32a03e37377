"""Errors of predicted numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from graphformers.metrics.inputs import Array, pair


def rmse(y_true: Array, y_pred: Array) -> float:
    """The root of the mean squared error of each task, averaged over tasks ("rmse" of OGB).

    Args:
        y_true: [n, tasks], NaN where unknown.
        y_pred: [n, tasks].

    Raises:
        ValueError: On another shape, predictions that are not finite, or a task without labels.
    """
    error, known = _errors(y_true, y_pred)
    return float((error.square().sum(0) / known.sum(0)).sqrt().mean())


def mae(y_true: Array, y_pred: Array) -> float:
    """The mean absolute error of each task, averaged over tasks; arguments and errors as of :func:`rmse`."""
    error, known = _errors(y_true, y_pred)
    return float((error.abs().sum(0) / known.sum(0)).mean())


def log_mse(y_true: Array, y_pred: Array) -> float:
    """log10 of the mean squared error of each task, averaged over tasks, as PNA's tables have it (Corso et al., 2020).

    Arguments and errors as of :func:`rmse`. An error of nil counts as the smallest there is.
    """
    error, known = _errors(y_true, y_pred)
    mean = error.square().sum(0) / known.sum(0)
    return float(mean.clamp(min=torch.finfo(mean.dtype).tiny).log10().mean())


def _errors(y_true: Array, y_pred: Array) -> tuple[Tensor, Tensor]:
    labels, predicted = pair(y_true, y_pred)
    known = ~labels.isnan()
    if not bool(known.any(0).all()):
        raise ValueError(f"y_true: task {int((~known.any(0)).nonzero()[0])} has no labels")
    return (labels.double() - predicted.double()).nan_to_num(nan=0.0), known
