"""Measures of scored events against as many false ones, and against many candidates each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graphformers.metrics import average_precision, link_ranks, roc_auc


@dataclass(frozen=True)
class LinkQuality:
    """How well events are told from false ones.

    Attributes:
        ap, auc: Average precision and area under the ROC curve, averaged over batches, each of the same weight, as in
            DyGLib's tables. A batch of few events has a higher average precision by chance than one of many, so these
            figures belong to a batch size.
        pooled_ap, pooled_auc: Of all events at once; they also ask that scores of different batches compare.
        num_events: Events that were scored.
    """

    ap: float
    auc: float
    pooled_ap: float
    pooled_auc: float
    num_events: int


@dataclass(frozen=True)
class RankQuality:
    """How well the true destination is found among candidates.

    Attributes:
        mrr: The mean of 1 / rank.
        hits: For each k, the fraction of events with a rank of at most k.
        ranks: [n] float64, 1 is best.
    """

    mrr: float
    hits: dict[int, float]
    ranks: Tensor


def link_quality(positive: Tensor, negative: Tensor, *, batch_size: int) -> LinkQuality:
    """Measures of scores, in the order of the events.

    Args:
        positive: [n] scores of events. negative: [m] of false ones, m a multiple of n: those of the first event first.
        batch_size: Events of a batch for ``ap`` and ``auc``; the last one may have fewer.

    Raises:
        ValueError: On no events, another number of false ones, or scores that are not finite.
    """
    if len(positive) == 0 or len(negative) == 0 or len(negative) % len(positive):
        raise ValueError(f"negative: {len(negative)} scores, expected a multiple of {len(positive)} events, not 0")
    each = len(negative) // len(positive)
    parts = zip(positive.split(batch_size), negative.split(batch_size * each), strict=True)
    ap, auc = torch.tensor([_areas(*part) for part in parts], dtype=torch.float64).mean(0).tolist()
    pooled_ap, pooled_auc = _areas(positive, negative)
    return LinkQuality(ap, auc, pooled_ap, pooled_auc, len(positive))


def _areas(positive: Tensor, negative: Tensor) -> tuple[float, float]:
    labels = torch.cat([torch.ones(len(positive)), torch.zeros(len(negative))])[:, None]
    scores = torch.cat([positive, negative])[:, None]
    return average_precision(labels, scores), roc_auc(labels, scores)


def candidate_ranks(positive: Tensor, negative: Tensor, missing: Tensor) -> Tensor:
    """[n] float64, ranks by TGB's formula: 1 + the mean of the numbers of candidates above and of those not below.

    Args:
        positive: [n] scores of events. negative: [n, C] of the candidates of each.
        missing: [n, C], True where an event has fewer than C candidates; those scores do not count.

    Raises:
        ValueError: On other shapes, no events, or scores that are not finite.
    """
    return link_ranks(positive, with_missing(positive, negative, missing))


def with_missing(positive: Tensor, negative: Tensor, missing: Tensor) -> Tensor:
    """[n, C]: ``negative``, but where a candidate is missing the next number below the event's own score, so that
    scores stay finite and no rank counts it; arguments as of :func:`candidate_ranks`."""
    below = torch.nextafter(positive, positive.new_tensor(-torch.inf))[:, None]
    return torch.where(missing, below, negative)


def rank_quality(ranks: Tensor, *, hits: tuple[int, ...] = (1, 3, 10)) -> RankQuality:
    """Measures of ranks.

    Args:
        ranks: [n], at least one.
        hits: Each k of hits@k. By TGB's rule a rank between two places because of ties is in the first k if it is not
            above k (OGB's :func:`graphformers.metrics.hits_at` shares its false links among all, and is another).
    """
    return RankQuality(float((1 / ranks).mean()), {k: float((ranks <= k).double().mean()) for k in hits}, ranks)
