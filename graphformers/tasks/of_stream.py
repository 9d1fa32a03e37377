"""What follows from a stream of events and its parts, whatever is predicted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from formerdata.temporal import ChronologicalSplit, EventStream
from torch import nn

from formerkit.io import ConfigError
from graphformers.tasks.task import Part, Task


class OfStream:
    """A task whose samples are the events of a stream, in the order of time.

    Attributes:
        events: The stream.
        split: Its parts.
        source: Where the data come from, for people.
        learnt_from: Parts whose events training predicts; there is no other choice than training.
    """

    events: EventStream
    split: ChronologicalSplit
    source: str
    learnt_from: tuple[Part, ...]

    def __post_init__(self) -> None:
        """Raise ConfigError if events of other parts are to be learnt from: in their turn they are seen as the past."""
        if self.learnt_from != ("train",):
            raise ConfigError(f"learn_from: expected [train] for a stream of events, got {list(self.learnt_from)}")

    @property
    def labels_seen(self) -> tuple[Part, ...]:
        return self.learnt_from

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
        """Of the events, their labels and the parts, to tell whether two runs had the same."""
        digest = hashlib.sha256(repr(self.split).encode())
        for column in (self.events.src, self.events.dst, self.events.t, self.events.y):
            if column is not None:
                digest.update(column.contiguous().numpy().tobytes())
        return digest.hexdigest()

    @property
    def feature_arguments(self) -> dict[str, int | None]:
        """What the features say about a model."""
        edge_attr, x = self.events.edge_attr, self.events.x
        return {
            "edge_dim": None if edge_attr is None else edge_attr.shape[1],
            "node_dim": None if x is None else x.shape[1],
        }

    def score(self: Task, objective: nn.Module, part: Part, batch_size: int, device: torch.device) -> float:
        """The metric over a part; batches are those of the settings, whatever ``batch_size``."""
        return self.metric(*self.predictions(objective, part, batch_size, device))

    def steps_per_epoch(self, samples_per_step: int) -> int:
        return len(self.split.train) // samples_per_step

    def training_runs(
        self, epochs: int, batch_size: int, accumulate: int, *, start_step: int, rank: int, world_size: int
    ) -> Iterator[tuple[int, range]]:
        """Epoch and events of each batch from ``start_step`` to the end; of a step each process has its part."""
        size = batch_size * accumulate * world_size
        steps = self.steps_per_epoch(size)
        for step in range(start_step, epochs * steps):
            epoch, place = divmod(step, steps)
            for number in range(accumulate):
                first = place * size + (number * world_size + rank) * batch_size
                yield epoch, range(first, first + batch_size)


def has_state(objective: object) -> bool:
    """Whether a task's objective carries a state along in which parameters have a part, so that a training that was
    broken off can go on at the start of an epoch alone; see :class:`~graphformers.temporal.TrainableLinkScorer`."""
    return bool(getattr(getattr(objective, "model", None), "stateful", False))
