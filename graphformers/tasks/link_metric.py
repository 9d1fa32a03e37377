"""Scores of links against false ones, by name."""

from __future__ import annotations

import torch
from torch import Tensor

from formerkit.io import ConfigError
from graphformers.metrics import hits_at, mean_reciprocal_rank, ogb_score, roc_auc
from graphformers.tasks.metric import Metric


def link_metric(measure: str) -> Metric:
    """The score of that name, computed here.

    Args:
        measure: By OGB's names: ``hits@K`` or ``rocauc``, of logits [P] of links and [M] of false ones; or ``mrr``,
            with [P, M], false ones for each link.

    Raises:
        ConfigError: If there is no such measure.
    """
    word, _, k = measure.partition("@")
    if word == "hits" and k.isdecimal() and int(k) > 0:
        return Metric(measure, lambda positive, negative: hits_at(int(k), positive, negative), scale=100)
    if measure == "mrr":
        return Metric(measure, mean_reciprocal_rank, scale=100)
    if measure == "rocauc":
        return Metric(measure, _area, scale=100)
    raise ConfigError(f"data.dataset: links measured by {measure!r} cannot be scored; expected hits@K, mrr or rocauc")


def ogb_link_metric(name: str, measure: str) -> Metric:
    """The same for one of OGB's own data sets, computed by ``ogb``."""

    def function(positive: Tensor, negative: Tensor) -> float:
        return ogb_score(name, y_pred_pos=positive, y_pred_neg=negative)[measure]

    return Metric(measure, function, scale=100)


def _area(positive: Tensor, negative: Tensor) -> float:
    labels = torch.cat([torch.ones(len(positive)), torch.zeros(len(negative))])
    return roc_auc(labels[:, None], torch.cat([positive, negative])[:, None])
