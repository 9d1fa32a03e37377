"""Predictions of future links: who meets whom next, from a stream of events and what is known before each batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from formerdata.temporal import ChronologicalSplit, EventStream, NegativeSampler, known_events
from torch import Tensor, nn

from formerkit.io import ConfigError
from graphformers.tasks.future_link_settings import FutureLinkSettings
from graphformers.tasks.metric import Metric
from graphformers.tasks.task import Part
from graphformers.temporal.evaluation import scored_links
from graphformers.temporal.link_quality import link_quality


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
class FutureLinkTask:
    """Which events come next.

    Attributes:
        events: The stream.
        split: Its parts.
        source: Where the data come from, for people; "built-in" if they were generated.
        settings: What is known before a batch, and what events are told from.
        learnt_from: Parts whose events training predicts; there is no other choice than training.
    """

    events: EventStream
    split: ChronologicalSplit
    source: str
    settings: FutureLinkSettings = field(default_factory=FutureLinkSettings)
    learnt_from: tuple[Part, ...] = ("train",)

    def __post_init__(self) -> None:
        """Raise ConfigError if events of other parts are to be learnt from: in their turn they are seen as the past."""
        if self.learnt_from != ("train",):
            raise ConfigError(f"learn_from: expected [train] for future links, got {list(self.learnt_from)}")

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
        """Average precision, of logits of events [n] and of false ones [n]; the mean over batches, as in tables."""
        size = self.settings.score_batch
        return Metric("average precision", lambda true, false: link_quality(true, false, batch_size=size).ap, scale=100)

    @property
    def labels_seen(self) -> tuple[Part, ...]:
        return self.learnt_from

    @property
    def model_arguments(self) -> dict[str, Any]:
        """What the data say about a model."""
        edge_attr, x = self.events.edge_attr, self.events.x
        return {
            "edge_dim": None if edge_attr is None else edge_attr.shape[1],
            "node_dim": None if x is None else x.shape[1],
        }

    @property
    def part_sizes(self) -> tuple[int, int, int]:
        """Events for training, validation and test."""
        return len(self.split.train), len(self.split.valid), len(self.split.test)

    @property
    def summary(self) -> str:
        """One line for people."""
        sizes = ", ".join(f"{size:,}" for size in self.part_sizes)
        return f"{self.source}: {len(self.events):,} events of {self.events.num_nodes:,} nodes; parts of {sizes}"

    @property
    def splits_sha256(self) -> str:
        """Of the events and the parts, to tell whether two runs had the same."""
        digest = hashlib.sha256(repr(self.split).encode())
        for column in (self.events.src, self.events.dst, self.events.t):
            digest.update(column.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def objective(self, model: nn.Module) -> nn.Module:
        """The model, called with a batch."""
        return FutureLinkObjective(model)

    def steps_per_epoch(self, samples_per_step: int) -> int:
        return len(self.split.train) // samples_per_step

    def training_batches(
        self, epochs: int, batch_size: int, accumulate: int, *, seed: int, start_step: int, rank: int, world_size: int
    ) -> Iterator[EventBatch]:
        """Batches from ``start_step`` to the end, in the order of time; of a step each process has its part.

        False destinations are those of events of training, drawn anew in each epoch.
        """
        train = self.events[: self.split.train_end]
        sampler = NegativeSampler(train, "random", seed=seed)
        size = batch_size * accumulate * world_size
        steps = self.steps_per_epoch(size)
        for step in range(start_step, epochs * steps):
            epoch, place = divmod(step, steps)
            for number in range(accumulate):
                first = place * size + (number * world_size + rank) * batch_size
                batch = range(first, first + batch_size)
                drawn = [sampler.draw(batch, epoch, first, n)[1] for n in range(self.settings.negatives)]
                rows = slice(batch.start, batch.stop)
                yield EventBatch(
                    self.events, known_events(self.events, first, self.settings.ties), self.events.src[rows],
                    self.events.dst[rows], torch.stack(drawn, 1), self.events.t[rows],
                )  # fmt: skip

    def score(self, objective: nn.Module, part: Part, batch_size: int, device: torch.device) -> float:
        """The metric over a part; batches are those of the settings, whatever ``batch_size``."""
        return self.metric(*self.predictions(objective, part, batch_size, device))

    @cached_property
    def _false_events(self) -> dict[Part, NegativeSampler]:
        """Of each part; to make one goes through the whole stream."""
        split = self.split
        observed: dict[Part, int] = {"train": split.valid_end, "valid": split.train_end, "test": split.valid_end}
        return {
            part: NegativeSampler(self.events, self.settings.tested_with, observed=count, seed=SCORE_SEEDS[part])
            for part, count in observed.items()
        }

    def predictions(
        self, objective: nn.Module, part: Part, batch_size: int, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Logits of a part's events [n] and of as many false ones [n], on the CPU."""
        return scored_links(
            objective.model, self.events, getattr(self.split, part), self._false_events[part].draw,  # type: ignore[arg-type]
            batch_size=self.settings.score_batch, ties=self.settings.ties,
        )  # fmt: skip


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
