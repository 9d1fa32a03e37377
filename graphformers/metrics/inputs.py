"""Looks at labels and predictions before they are scored: a score of bad input is a number that means nothing."""

from __future__ import annotations

import numpy.typing as npt
import torch
from torch import Tensor

from formerkit.io import FormerkitError

Array = Tensor | npt.NDArray


def as_tensor(value: Array, field: str) -> Tensor:
    """A tensor on the CPU, without gradient.

    Raises:
        ValueError: If it is no array of numbers.
    """
    try:
        tensor = torch.as_tensor(value).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{field}: expected a tensor or an array of numbers ({error})") from None
    if tensor.is_complex():
        raise ValueError(f"{field}: expected real numbers, got {tensor.dtype}")
    return tensor


class NonFiniteError(FormerkitError, ValueError):
    """Predictions that are infinite or not a number: of a model that has come apart in training, say."""


def finite(value: Array, field: str, ndim: int) -> Tensor:
    """Predictions of ``ndim`` dimensions, at least one, all finite.

    Raises:
        ValueError: That names the field; :class:`NonFiniteError` if they are not finite.
    """
    tensor = as_tensor(value, field)
    if tensor.ndim != ndim:
        raise ValueError(f"{field}: expected {ndim} dimensions, got shape {list(tensor.shape)}")
    if tensor.numel() == 0:
        raise ValueError(f"{field}: is empty, shape {list(tensor.shape)}")
    if not bool(torch.isfinite(tensor).all()):
        bad = ~torch.isfinite(tensor)
        where = bad.nonzero()[0].tolist()
        raise NonFiniteError(f"{field}: {int(bad.sum())} values are not finite, the first at {where}")
    return tensor


def pair(y_true: Array, y_pred: Array, *, tasks: int | None = None) -> tuple[Tensor, Tensor]:
    """Labels, NaN where unknown, and finite predictions, both [n, tasks].

    Raises:
        ValueError: That names the field.
    """
    predicted = finite(y_pred, "y_pred", 2)
    labels = as_tensor(y_true, "y_true")
    if labels.shape != predicted.shape:
        raise ValueError(f"y_true: shape {list(labels.shape)}, but y_pred has {list(predicted.shape)}")
    if tasks is not None and labels.shape[1] != tasks:
        raise ValueError(f"y_true: {labels.shape[1]} columns, expected {tasks} tasks")
    if bool(labels.isinf().any()):
        raise ValueError(f"y_true: infinite at {labels.isinf().nonzero()[0].tolist()}")
    if bool(labels.isnan().all()):
        raise ValueError("y_true: all labels are NaN")
    return labels, predicted


def class_pair(y_true: Array, y_pred: Array, *, tasks: int | None = None) -> tuple[Tensor, Tensor]:
    """The same for classes: predictions are integers, labels whole numbers or NaN.

    Raises:
        ValueError: That names the field.
    """
    labels, predicted = pair(y_true, y_pred, tasks=tasks)
    if predicted.is_floating_point() or predicted.dtype == torch.bool:
        raise ValueError(f"y_pred: expected classes as integers, got {predicted.dtype} (scores need an argmax first)")
    if labels.is_floating_point() and bool((labels.nan_to_num() != labels.nan_to_num().floor()).any()):
        raise ValueError("y_true: expected whole numbers, the classes")
    return labels, predicted


def binary_pair(y_true: Array, y_pred: Array, *, tasks: int | None = None) -> tuple[Tensor, Tensor]:
    """The same for scores: labels are 0, 1 or NaN.

    Raises:
        ValueError: That names the field; also if no task has labels of both classes.
    """
    labels, predicted = pair(y_true, y_pred, tasks=tasks)
    other = (labels != 0) & (labels != 1) & ~labels.isnan()
    if bool(other.any()):
        place = other.nonzero()[0].tolist()
        raise ValueError(f"y_true: {labels[tuple(place)].item()} at {place}, expected 0, 1 or NaN")
    if not bool(((labels == 0).any(0) & (labels == 1).any(0)).any()):
        raise ValueError("y_true: no task has labels of both classes")
    return labels, predicted
