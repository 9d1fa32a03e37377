"""One evaluation for all models of future links: each batch is scored from what was known before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from formerdata.temporal import EventStream
from formerdata.temporal.borders import Ties, batches, check_range, known_events
from torch import Tensor, nn

from graphformers.metrics import link_ranks
from graphformers.temporal.link_quality import LinkQuality, RankQuality, link_quality, rank_quality, with_missing
from graphformers.temporal.link_scorer import LinkScorer


def evaluate_links(
    scorer: LinkScorer,
    events: EventStream,
    chosen: range,
    negatives: Callable[[range, int], tuple[Tensor, Tensor]],
    *,
    batch_size: int = 200,
    ties: Ties = "time",
    only: Tensor | None = None,
) -> LinkQuality:
    """Average precision and area under the ROC curve of events against one false event each.

    The scorer is asked once a batch, for its events and their false ones together, with the same known history.

    Args:
        scorer: A model, which is put into evaluation for the time being; or anything else that scores.
        events: The whole stream.
        chosen: The events that are scored, such as ``split.test``.
        negatives: From a batch and its number, from 0 on, to sources and destinations [B] of the false events, each at
            the time of its true one: ``formerdata.temporal.NegativeSampler.draw``.
        batch_size: Events of a batch; the last may have fewer.
        ties: What is known before a batch; see :func:`formerdata.temporal.borders.known_events`.
        only: [n] int64, the events that count, such as those with a node unseen in training (the inductive setting,
            ``formerdata.temporal.HiddenNodes.test``). What is known stays that of whole batches; ``ap`` and ``auc``
            are means over every ``batch_size`` events that count, so that figures with and without ``only`` compare.

    Raises:
        ValueError: On a run that is not there or empty, negatives of another shape, no event that counts, or scores of
            another shape or not finite.
    """
    positive, negative = scored_links(scorer, events, chosen, negatives, batch_size=batch_size, ties=ties, only=only)
    return link_quality(positive, negative, batch_size=batch_size)


def scored_links(
    scorer: LinkScorer,
    events: EventStream,
    chosen: range,
    negatives: Callable[[range, int], tuple[Tensor, Tensor]],
    *,
    batch_size: int = 200,
    ties: Ties = "time",
    only: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Scores of events [n] and of their false ones [n], on the CPU; arguments as of :func:`evaluate_links`."""
    positive, negative = [], []
    with evaluating(scorer):
        for number, batch, rows in _batches(events, chosen, batch_size, only):
            false = negatives(batch, number)
            if any(nodes.shape != (len(batch),) for nodes in false):
                raise ValueError(f"negatives: {[list(x.shape) for x in false]} for {batch}, expected [{len(batch)}]")
            src, dst = (
                torch.cat([true[rows], drawn[rows - batch.start]])
                for true, drawn in zip((events.src, events.dst), false, strict=True)
            )
            end = known_events(events, batch.start, ties)
            found = _ask(scorer, events, end, src, dst[:, None], events.t[rows].repeat(2))[:, 0]
            positive.append(found[: len(rows)])
            negative.append(found[len(rows) :])
    return torch.cat(positive), torch.cat(negative)


def evaluate_one_vs_many(
    scorer: LinkScorer,
    events: EventStream,
    chosen: range,
    candidates: Callable[[range], Tensor],
    *,
    batch_size: int = 200,
    ties: Ties = "time",
    only: Tensor | None = None,
    hits: tuple[int, ...] = (1, 3, 10),
) -> RankQuality:
    """The rank of each event's destination among candidates, by TGB's formula.

    The scorer is asked once a batch of B events, for [B, 1 + C] destinations: a model that encodes what is known once
    has only its decoder to run for the candidates.

    Args:
        candidates: From a batch to its false destinations [B, C] int64, -1 where an event has fewer than C:
            ``partial(formerdata.temporal.candidates, events, number=100)``.
        hits: Each k of hits@k.
        scorer, events, chosen, batch_size, ties, only: As of :func:`evaluate_links`.

    Raises:
        ValueError: On a run that is not there or empty, candidates of another shape or with an event's own destination
            among them, no event that counts, or scores of another shape or not finite.
    """
    parts = _scored_candidates(scorer, events, chosen, candidates, batch_size, ties, only)
    return rank_quality(torch.cat([link_ranks(*part) for part in parts]), hits=hits)


def scored_candidates(
    scorer: LinkScorer,
    events: EventStream,
    chosen: range,
    candidates: Callable[[range], Tensor],
    *,
    batch_size: int = 200,
    ties: Ties = "time",
    only: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Scores of events [n] and of the candidates of each [n, C], on the CPU; arguments as of
    :func:`evaluate_one_vs_many`.

    Where an event has fewer than C candidates, the others have a score below its own, so that no rank counts them.
    """
    positive, negative = zip(
        *_scored_candidates(scorer, events, chosen, candidates, batch_size, ties, only), strict=True
    )
    return torch.cat(positive), torch.cat(negative)


def _scored_candidates(
    scorer: LinkScorer, events: EventStream, chosen: range, candidates: Callable[[range], Tensor], batch_size: int,
    ties: Ties, only: Tensor | None,
) -> Iterator[tuple[Tensor, Tensor]]:  # fmt: skip
    """Batch by batch."""
    with evaluating(scorer):
        for _, batch, rows in _batches(events, chosen, batch_size, only):
            others = candidates(batch)
            if others.ndim != 2 or len(others) != len(batch):
                raise ValueError(f"candidates: shape {list(others.shape)} for {batch}, expected [{len(batch)}, C]")
            true, others = events.dst[rows][:, None], others[rows - batch.start]
            own = (others == true).any(1)
            if bool(own.any()):
                raise ValueError(f"candidates: event {int(rows[own][0])} has its own destination among them")
            absent = others < 0
            asked = torch.cat([true, torch.where(absent, true, others)], 1)
            end = known_events(events, batch.start, ties)
            found = _ask(scorer, events, end, events.src[rows], asked, events.t[rows])
            yield found[:, 0], with_missing(found[:, 0], found[:, 1:], absent)


@contextmanager
def evaluating(scorer: LinkScorer) -> Iterator[None]:
    """A model in evaluation, without gradients; it goes back to what it was."""
    model = scorer if isinstance(scorer, nn.Module) else nn.Module()
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def _batches(events: EventStream, chosen: range, size: int, only: Tensor | None) -> Iterator[tuple[int, range, Tensor]]:
    """Number and range of each batch with events that count, and those events."""
    check_range(events, chosen, "chosen")
    counts = torch.ones(len(events), dtype=torch.bool)
    if only is not None:
        counts = torch.zeros_like(counts).index_fill_(0, only, True)
        if not bool(counts[chosen.start : chosen.stop].any()):
            raise ValueError(f"only: none of those events is in {chosen}")
    for number, batch in enumerate(batches(chosen, size)):
        rows = batch.start + counts[batch.start : batch.stop].nonzero()[:, 0]
        if len(rows):
            yield number, batch, rows


def _ask(scorer: LinkScorer, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
    found = scorer.scores(events, end, src, dst, t)
    if found.shape != dst.shape:
        raise ValueError(f"scores: shape {list(found.shape)}, expected {list(dst.shape)}")
    return found.detach().cpu()
