"""Scores of future links: against one false event each, or among many candidates."""

from __future__ import annotations

from torch import Tensor

from graphformers.metrics import link_ranks, mean_reciprocal_rank
from graphformers.tasks.metric import Metric
from graphformers.temporal.link_quality import link_quality


def average_precision_of(batch_size: int) -> Metric:
    """Of logits of events [n] and false ones [n], the mean over batches of that size, as in tables; area under the ROC
    curve beside it."""
    auc = Metric("ROC-AUC", lambda true, false: link_quality(true, false, batch_size=batch_size).auc, scale=100)
    return Metric(
        "average precision", lambda true, false: link_quality(true, false, batch_size=batch_size).ap, scale=100,
        also=(auc,),
    )  # fmt: skip


def _hits(k: int) -> Metric:
    def share(true: Tensor, false: Tensor) -> float:
        return float((link_ranks(true, false) <= k).double().mean())

    return Metric(f"hits@{k}", share, scale=100)


RECIPROCAL_RANK = Metric("mrr", mean_reciprocal_rank, scale=100, also=(_hits(1), _hits(3), _hits(10)))
"""Of logits of events [n] and of the candidates of each [n, C], by TGB's formula."""
