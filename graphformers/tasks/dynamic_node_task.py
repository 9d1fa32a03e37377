"""Dynamic node classification: of which class the source of an event is, from what is known before its batch.

The label of event i is that of its source at its time, as in JODIE's sets (was the user banned after this edit?). It is
predicted from the source's state out of the events known before the batch, from when the event is, and from its own
features where the model takes them; never from a label. Who the source meets is not told. Labels of other events, past
or to come, reach a model only through what it has learnt in training.

The score is the area under the ROC curve over all labelled events of a part, the average precision beside it: where
positives are rare (of Wikipedia's edits 217 in 157,474), a high area can go with a ranking that finds few of them.
The encoder is trained with the classes, from the start to the end. (TGN and DyGLib train it on links first and freeze
it.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from formerdata.temporal import ChronologicalSplit, EventStream, batches, known_events
from torch import Tensor, nn
from torch.nn import functional as F

from graphformers.losses import UNKNOWN
from graphformers.tasks.class_labels import as_scored, balanced_weights, check_classes, class_count
from graphformers.tasks.dynamic_node_settings import DynamicNodeSettings
from graphformers.tasks.metric import AVERAGE_PRECISION, ROC_AUC, Metric
from graphformers.tasks.of_stream import OfStream
from graphformers.tasks.task import Part
from graphformers.temporal.evaluation import evaluating


@dataclass(frozen=True)
class NodeBatch:
    """Consecutive events whose sources are to be classified, and what is known.

    Attributes:
        events: The whole stream, of which ``events[:end]`` may be looked at.
        end: Events that are known.
        src: [B] nodes. t: [B] float64. y: [B] int64, -1 where unknown.
        edge_attr: [B, D] float32, or None.
    """

    events: EventStream
    end: int
    src: Tensor
    t: Tensor
    y: Tensor
    edge_attr: Tensor | None

    def to(self, device: torch.device | str) -> NodeBatch:
        """The same; the stream stays where it is, for a model takes from it what it looks at."""
        names = ("src", "t", "y", "edge_attr")
        moved = {name: getattr(self, name).to(device) for name in names if getattr(self, name) is not None}
        return replace(self, **moved)


@dataclass(frozen=True)
class DynamicNodeTask(OfStream):
    """Classes of nodes at events.

    Attributes:
        events: The stream, with labels.
        split: Its parts.
        source: Where the data come from, for people; "built-in" if they were generated.
        settings: What is known before a batch, and how classes are weighed.
        learnt_from: Parts whose labels training sees; there is no other choice than training.
    """

    events: EventStream
    split: ChronologicalSplit
    source: str
    settings: DynamicNodeSettings = field(default_factory=DynamicNodeSettings)
    learnt_from: tuple[Part, ...] = ("train",)

    def checked(self) -> DynamicNodeTask:
        """Itself, if stream, split and labels are as they should be.

        Raises:
            DataError: Which names the field at fault; also if a part has labels of one class alone.
        """
        self.events.checked()
        self.split.checked(self.source)
        check_classes(self.events, self.split)
        return self

    @property
    def metric(self) -> Metric:
        """Area under the ROC curve; of more than two classes, the mean over them, each against the others."""
        return replace(ROC_AUC, also=(AVERAGE_PRECISION,))

    @property
    def model_arguments(self) -> dict[str, Any]:
        """What the data say about a model."""
        return {**self.feature_arguments, "classes": class_count(self.events)}

    def objective(self, model: nn.Module) -> nn.Module:
        """The model, called with a batch."""
        weights = None
        if self.settings.weighting == "balanced":
            assert self.events.y is not None
            weights = balanced_weights(self.events.y[: self.split.train_end], class_count(self.events))
        return DynamicNodeObjective(model, weights)

    def training_batches(
        self, epochs: int, batch_size: int, accumulate: int, *, seed: int, start_step: int, rank: int, world_size: int
    ) -> Iterator[NodeBatch]:
        """Batches from ``start_step`` to the end, in the order of time; nothing is drawn."""
        for _, batch in self.training_runs(
            epochs, batch_size, accumulate, start_step=start_step, rank=rank, world_size=world_size
        ):
            yield self._batch(batch)

    def predictions(
        self, objective: nn.Module, part: Part, batch_size: int, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Targets and predictions of a part's events, on the CPU: [n, 1], or [n, K] of more than two classes."""
        objective.model.reset_state()  # type: ignore[operator, union-attr]  # what older parameters made of the past
        runs = batches(getattr(self.split, part), self.settings.score_batch)
        found = [(batch.y, logits) for batch, logits in self._answers(objective, runs, device)]
        y, logits = (torch.cat(column) for column in zip(*found, strict=True))
        return as_scored(y, logits)

    def _answers(
        self, objective: nn.Module, runs: Iterator[range], device: torch.device
    ) -> Iterator[tuple[NodeBatch, Tensor]]:
        with evaluating(objective):  # type: ignore[arg-type]
            for run in runs:
                batch = self._batch(run)
                yield batch, objective.predict(batch.to(device)).float().cpu()  # type: ignore[operator]

    def _batch(self, run: range) -> NodeBatch:
        events, rows = self.events, slice(run.start, run.stop)
        assert events.y is not None
        end = known_events(events, run.start, self.settings.ties)
        told = None if events.edge_attr is None else events.edge_attr[rows]
        return NodeBatch(events, end, events.src[rows], events.t[rows], events.y[rows], told)


class DynamicNodeObjective(nn.Module):
    """A :class:`~graphformers.temporal.NodeClassScorer` that is called with a batch.

    Args:
        model: The scorer.
        weights: [K], what an event of each class counts; None for 1.
    """

    weights: Tensor | None

    def __init__(self, model: nn.Module, weights: Tensor | None = None) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("weights", weights, persistent=False)

    def predict(self, batch: NodeBatch) -> Tensor:
        """[B, K] logits."""
        return self.model.class_logits(batch.events, batch.end, batch.src, batch.t, batch.edge_attr)  # type: ignore[operator]

    def forward(self, batch: NodeBatch) -> dict[str, Tensor]:
        """Under ``"loss"``, the cross entropy: its weighted sum over the number of events with a label."""
        logits = self.predict(batch)
        summed = F.cross_entropy(
            logits.float(), batch.y, self.weights, ignore_index=UNKNOWN, reduction="sum"
        )  # the mean would divide by the weights of the batch, and make a batch without positives count as much
        return {"loss": summed / (batch.y != UNKNOWN).sum().clamp(min=1)}
