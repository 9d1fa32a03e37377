"""Measures of ranked links."""

from __future__ import annotations

import torch
from torch import Tensor

from graphformers.metrics.inputs import Array, finite


def hits_at(k: int, y_pred_pos: Array, y_pred_neg: Array) -> float:
    """The fraction of links with a larger score than the k-th largest of the false ones ("hits@k" of OGB).

    Args:
        k: At least 1. With fewer than k false links the result is 1, as in OGB.
        y_pred_pos: [P] scores of links.
        y_pred_neg: [M] scores of links that do not exist, shared by all.

    Raises:
        ValueError: On another shape, scores that are not finite, or k below 1.
    """
    if k < 1:
        raise ValueError(f"k: expected at least 1, got {k}")
    positive, negative = finite(y_pred_pos, "y_pred_pos", 1), finite(y_pred_neg, "y_pred_neg", 1)
    if len(negative) < k:
        return 1.0
    threshold = negative.topk(k).values[-1]
    return float((positive > threshold).double().mean())


def link_ranks(y_pred_pos: Array, y_pred_neg: Array) -> Tensor:
    """The rank of each link among its own false ones: the mean of its first and last place among equal scores.

    Args:
        y_pred_pos: [P] scores of links.
        y_pred_neg: [P, M] scores of the false links of each.

    Returns:
        [P] float64, 1 is best.

    Raises:
        ValueError: On another shape, or scores that are not finite.
    """
    positive, negative = finite(y_pred_pos, "y_pred_pos", 1), finite(y_pred_neg, "y_pred_neg", 2)
    if len(negative) != len(positive):
        raise ValueError(f"y_pred_neg: {len(negative)} rows, but y_pred_pos has {len(positive)}")
    larger = (negative > positive[:, None]).sum(1)
    equal = (negative == positive[:, None]).sum(1)
    return 1 + larger.double() + equal.double() / 2


def mean_reciprocal_rank(y_pred_pos: Array, y_pred_neg: Array) -> float:
    """The mean of 1 / rank ("mrr" of OGB); arguments and errors as of :func:`link_ranks`."""
    return float(torch.mean(1 / link_ranks(y_pred_pos, y_pred_neg)))
