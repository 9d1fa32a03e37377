"""Predictions of future links: who meets whom next, from a stream of events and what is known before each batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from formerdata.temporal import ChronologicalSplit, EventStream, NegativeSampler, known_events
from torch import Tensor, nn

from graphformers.tasks.future_link_metric import RECIPROCAL_RANK, average_precision_of
from graphformers.tasks.future_link_settings import FutureLinkSettings
from graphformers.tasks.link_candidates import checked_candidates, drawn_candidates
from graphformers.tasks.metric import Metric
from graphformers.tasks.of_stream import OfStream
from graphformers.tasks.task import Part
from graphformers.temporal.evaluation import scored_candidates, scored_links


@dataclass(frozen=True)
class EventBatch:
    """Consecutive events, false destinations for each, and what is known.

    Attributes:
        events: The whole stream, of which ``events[:end]`` may be looked at.
        end: Events that are known.
        src, dst: [B] nodes. t: [B] float64.
        negatives: [B, C] false destinations.
    """

    events: EventStream
    end: int
    src: Tensor
    dst: Tensor
    negatives: Tensor
    t: Tensor

    def to(self, device: torch.device | str) -> EventBatch:
        """The same; the stream stays where it is, for a model takes from it what it looks at."""
        src, dst, negatives, t = (x.to(device) for x in (self.src, self.dst, self.negatives, self.t))
        return replace(self, src=src, dst=dst, negatives=negatives, t=t)


@dataclass(frozen=True)
class FutureLinkTask(OfStream):
    """Which events come next.

    Attributes:
        events: The stream.
        split: Its parts.
        source: Where the data come from, for people; "built-in" if they were generated.
        settings: What is known before a batch, and what events are told from.
        learnt_from: Parts whose events training predicts; there is no other choice than training.
        given_candidates: From "valid" or "test" to false destinations [n, C] int64 of each event of that part, -1 where
            one has fewer; None to draw them.
    """

    events: EventStream
    split: ChronologicalSplit
    source: str
    settings: FutureLinkSettings = field(default_factory=FutureLinkSettings)
    learnt_from: tuple[Part, ...] = ("train",)
    given_candidates: Callable[[Part], Tensor] | None = None

    def checked(self) -> FutureLinkTask:
        """Itself, if stream and split are as they should be.

        Raises:
            DataError: Which names the field at fault.
        """
        self.events.checked()
        self.split.checked(self.source)
        return self

    @property
    def metric(self) -> Metric:
        """Of logits of events [n] and of false ones [n] or [n, C]: :mod:`graphformers.tasks.future_link_metric`."""
        if self.settings.measure == "mrr":
            return RECIPROCAL_RANK
        return average_precision_of(self.settings.score_batch)

    @property
    def model_arguments(self) -> dict[str, Any]:
        """What the data say about a model."""
        return dict(self.feature_arguments)

    def objective(self, model: nn.Module) -> nn.Module:
        """The model, called with a batch."""
        return FutureLinkObjective(model)

    def training_batches(
        self, epochs: int, batch_size: int, accumulate: int, *, seed: int, start_step: int, rank: int, world_size: int
    ) -> Iterator[EventBatch]:
        """Batches from ``start_step`` to the end, in the order of time; of a step each process has its part.

        False destinations are those of events of training, drawn anew in each epoch.
        """
        train = self.events[: self.split.train_end]
        sampler = NegativeSampler(train, "random", seed=seed)
        for epoch, batch in self.training_runs(
            epochs, batch_size, accumulate, start_step=start_step, rank=rank, world_size=world_size
        ):
            drawn = [sampler.draw(batch, epoch, batch.start, n)[1] for n in range(self.settings.negatives)]
            rows = slice(batch.start, batch.stop)
            yield EventBatch(
                self.events, known_events(self.events, batch.start, self.settings.ties), self.events.src[rows],
                self.events.dst[rows], torch.stack(drawn, 1), self.events.t[rows],
            )  # fmt: skip

    @cached_property
    def _samplers(self) -> dict[Part, NegativeSampler]:
        """Of the parts that have been scored."""
        return {}

    def _false_events(self, part: Part) -> NegativeSampler:
        """To make one goes through the whole stream."""
        if part not in self._samplers:
            observed = self.split.train_end if part == "valid" else self.split.valid_end
            self._samplers[part] = NegativeSampler(
                self.events, self.settings.tested_with, observed=observed, seed=SCORE_SEEDS[part]
            )
        return self._samplers[part]

    def predictions(
        self, objective: nn.Module, part: Part, batch_size: int, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Logits of a part's events [n] and of as many false ones [n], or of candidates [n, C], on the CPU."""
        model: Any = objective.model
        model.reset_state()  # what older parameters made of the past: a score belongs to the weights of now
        chosen, settings = getattr(self.split, part), self.settings
        if settings.measure == "ap":
            return scored_links(
                model, self.events, chosen, self._false_events(part).draw,
                batch_size=settings.score_batch, ties=settings.ties,
            )  # fmt: skip
        table = self._candidates(part)
        return scored_candidates(
            model, self.events, chosen, lambda run: table[run.start - chosen.start : run.stop - chosen.start].long(),
            batch_size=settings.score_batch, ties=settings.ties,
        )  # fmt: skip

    @cached_property
    def _tables(self) -> dict[Part, Tensor]:
        """Candidates of the parts that have been scored."""
        return {}

    def _candidates(self, part: Part) -> Tensor:
        """[n, C] int32, the same at each call; drawn, or read, at the first."""
        if part not in self._tables:
            if self.given_candidates is not None and part != "train":
                found = checked_candidates(self.given_candidates(part), self.events, getattr(self.split, part))
            else:
                found = drawn_candidates(self.events, self.split, part, self.settings, SCORE_SEEDS[part])
            self._tables[part] = found.int()
        return self._tables[part]


SCORE_SEEDS: dict[Part, int] = {"train": 0, "valid": 0, "test": 2}
"""Of false events when a part is scored: the same for all runs, as in DyGLib."""


class FutureLinkObjective(nn.Module):
    """A :class:`~graphformers.temporal.TrainableLinkScorer` that is called with a batch."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: EventBatch) -> dict[str, Tensor]:
        """The loss, under ``"loss"``."""
        loss = self.model.loss(  # type: ignore[operator]
            batch.events, batch.end, batch.src, batch.dst, batch.negatives, batch.t
        )
        return {"loss": loss}

    def predict(self, batch: EventBatch) -> Tensor:
        """[B, 1 + C] logits, of events and of false ones."""
        dst = torch.cat([batch.dst[:, None], batch.negatives], 1)
        return self.model.scores(batch.events, batch.end, batch.src, dst, batch.t)  # type: ignore[operator]
