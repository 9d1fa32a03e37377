"""Losses that leave out what is unknown."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

Loss = Literal["cross_entropy", "balanced_cross_entropy", "binary_cross_entropy", "l1", "mse"]
UNKNOWN = -1
"""The class of a node or graph whose class is not known; numbers are NaN."""


def is_classification(loss: Loss) -> bool:
    """Whether targets are classes [n]; else they are numbers [n, T]."""
    return loss in ("cross_entropy", "balanced_cross_entropy")


def unknown_like(y: Tensor) -> Tensor:
    """Targets of the same shape, all unknown."""
    return torch.full_like(y, torch.nan if y.is_floating_point() else UNKNOWN)


def loss_of(loss: Loss, predictions: Tensor, y: Tensor) -> Tensor:
    """The mean loss over all known targets; 0, with zero gradients, if none is known.

    ``balanced_cross_entropy`` weighs class c by (n - n_c) / n, n_c of the n known targets being of class c, and those
    that do not occur by 0 (Dwivedi et al., *Benchmarking Graph Neural Networks*, 2020); the mean is a weighted one.

    Args:
        loss: Which.
        predictions: [n, classes] logits; or [n, T] logits (``binary_cross_entropy``) or numbers.
        y: [n] int64 classes, ``UNKNOWN`` where unknown; or [n, T] numbers, NaN where unknown.

    Raises:
        ValueError: If there is no such loss, or shapes or types do not agree.
    """
    if loss not in get_args(Loss):
        raise ValueError(f"loss: expected one of {', '.join(get_args(Loss))}, got {loss!r}")
    if predictions.dtype in (torch.float16, torch.bfloat16):
        predictions = predictions.float()  # float16 soon overflows in sums
    if is_classification(loss):
        return _of_classes(predictions, y, balanced=loss == "balanced_cross_entropy")
    if predictions.shape != y.shape or not y.is_floating_point():
        raise ValueError(f"y: expected numbers {list(predictions.shape)}, got {y.dtype} {list(y.shape)}")
    known = ~torch.isnan(y)
    # What is unknown is set to something finite first: NaN times zero is NaN, in gradients too.
    target = torch.where(known, y, 0)
    kinds: dict[str, Any] = {
        "binary_cross_entropy": F.binary_cross_entropy_with_logits,
        "l1": F.l1_loss,
        "mse": F.mse_loss,
    }
    each = kinds[loss](predictions, target.to(predictions.dtype), reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1)


def _of_classes(predictions: Tensor, y: Tensor, *, balanced: bool) -> Tensor:
    if y.shape != predictions.shape[:1] or y.dtype != torch.int64:
        raise ValueError(f"y: expected int64 {[len(predictions)]}, got {y.dtype} {list(y.shape)}")
    classes = predictions.shape[1]
    if y.numel() and (int(y.min()) < UNKNOWN or int(y.max()) >= classes):
        raise ValueError(f"y: expected classes from 0 to {classes - 1}, got {int(y.min())} to {int(y.max())}")
    known = y != UNKNOWN
    weights = known.to(predictions.dtype)
    target = y.clamp(min=0)
    if balanced:
        counts = torch.bincount(target[known], minlength=classes)
        total = counts.sum()
        # A batch with one class only weighs nothing, as in the recipe.
        weights = weights * ((total - counts) / total.clamp(min=1)).to(predictions.dtype)[target]
    each = F.cross_entropy(predictions, target, reduction="none")
    # Divided by nothing only where nothing is known (or weighs anything), and then the sum is 0 as well.
    return (each * weights).sum() / weights.sum().clamp(min=1e-12)
