"""Predictions of nodes or graphs: a data set, which part of it may be learnt from, and the score."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from formerdata.graphs import GraphBatch, PackedGraphs, Splits
from torch import Tensor, nn

from formerkit.io import DataError
from formerkit.training.sampler import RunSampler
from graphformers.losses import Loss, loss_of, unknown_like
from graphformers.tasks.inputs import Types, apply, input_arguments
from graphformers.tasks.labels import check_labels
from graphformers.tasks.metric import Metric
from graphformers.tasks.parts import OfParts
from graphformers.tasks.task import Part


@dataclass(frozen=True)
class GraphTask(OfParts):
    """What is to be predicted.

    Attributes:
        graphs: Features and targets. Classes are [n] int64, -1 where unknown; numbers [n, T], NaN where unknown.
        splits: Graphs of each part; or, of a single graph with targets of nodes, its nodes.
        loss: What training makes small.
        metric: What is reported.
        outputs: Predictions of a node or graph: classes, or numbers T.
        source: Where the data come from, for people; "built-in" if they were generated.
        learnt_from: Parts whose targets training sees.
        node_types, edge_types: Types of nodes or edges (of each column, if there are several); None for features.
    """

    graphs: PackedGraphs
    splits: Splits
    loss: Loss
    metric: Metric
    outputs: int
    source: str
    learnt_from: tuple[Part, ...] = ("train",)
    node_types: Types = None
    edge_types: Types = None

    @property
    def level(self) -> str:
        """ "node" or "graph"."""
        return self.graphs.y_of

    @property
    def transductive(self) -> bool:
        """Whether the parts are nodes of one graph."""
        return self.level == "node" and len(self.graphs) == 1

    def checked(self) -> GraphTask:
        """Itself, if graphs, parts and targets are as they should be.

        Raises:
            DataError: Which names the field at fault.
        """
        graphs = self.graphs.checked()
        if graphs.num_nodes == 0:
            raise DataError(graphs.name, "no nodes", field="x", expected="at least one node")
        self.splits.checked(graphs.num_nodes if self.transductive else len(graphs), graphs.name)
        y = graphs.y
        if y is None:
            raise DataError(graphs.name, "is absent", field="y", expected="targets")
        check_labels(y, self.loss, self.outputs, graphs.name)
        return self

    @property
    def model_arguments(self) -> dict[str, Any]:
        """What the data say about a model."""
        inputs = input_arguments(self.graphs, self.node_types, self.edge_types)
        return {"out_channels": self.outputs, "readout": self.level, **inputs}

    def objective(self, model: nn.Module) -> nn.Module:
        """The model with the task's loss."""
        return Objective(model, self.loss)

    @property
    def summary(self) -> str:
        """One line for people."""
        counts = f"{len(self.graphs):,} graphs, {self.graphs.num_nodes:,} nodes, {self.graphs.num_edges:,} edges"
        return f"{self.source}: {counts}; parts of {', '.join(f'{size:,}' for size in self.part_sizes)}"

    def steps_per_epoch(self, samples_per_step: int) -> int:
        return 1 if self.transductive else len(self.training_ids) // samples_per_step

    def training_batches(
        self, epochs: int, batch_size: int, accumulate: int, *, seed: int, start_step: int, rank: int, world_size: int
    ) -> Iterator[GraphBatch]:
        """Batches from ``start_step`` to the end; what is not for training is unknown in them."""
        graphs = self._for_training()
        if self.transductive:
            yield from itertools.repeat(graphs.whole())
        sampler = RunSampler(
            len(graphs), epochs, batch_size * accumulate * world_size,
            seed=seed, start_step=start_step, rank=rank, world_size=world_size,
        )  # fmt: skip
        yield from map(graphs.batch, sampler.batches(batch_size))

    def _for_training(self) -> PackedGraphs:
        """Training graphs alone; or the one graph, its other nodes' targets unknown."""
        if not self.transductive:
            return self.graphs.select(self.training_ids)
        y = self.graphs.y
        assert y is not None
        kept = unknown_like(y)
        kept[self.training_ids] = y[self.training_ids]
        return replace(self.graphs, y=kept)

    def score(self, objective: nn.Module, part: Part, batch_size: int, device: torch.device) -> float:
        """The metric over a part."""
        targets, predictions = self.predictions(objective, part, batch_size, device)
        return self.metric(targets, predictions)

    @torch.no_grad()
    def predictions(
        self, objective: nn.Module, part: Part, batch_size: int, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Targets and predictions of a part, in its order (nodes of its graphs, for targets of nodes), on the CPU."""
        chosen = getattr(self.splits, part)
        batches = [self.graphs.whole()] if self.transductive else map(self.graphs.batch, chosen.split(batch_size))
        objective.eval()
        parts = [(batch.y, objective.predict(batch.to(device)).float().cpu()) for batch in batches]  # type: ignore[operator]
        targets, predictions = (torch.cat(column) for column in zip(*parts, strict=True))
        return (targets[chosen], predictions[chosen]) if self.transductive else (targets, predictions)


class Objective(nn.Module):
    """A model and a loss.

    Args:
        model: Called with the fields of a batch. If it then has an ``auxiliary_loss`` it is added.
        loss: Which.
    """

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model, self.loss = model, loss

    def predict(self, batch: GraphBatch) -> Tensor:
        """The model's predictions."""
        return apply(self.model, batch)

    def forward(self, batch: GraphBatch) -> dict[str, Tensor]:
        assert batch.y is not None
        loss = loss_of(self.loss, self.predict(batch), batch.y)
        # What a model wants to be small beside its errors, such as tokenisers that are not all taken.
        more: Tensor | None = getattr(self.model, "auxiliary_loss", None)
        return {"loss": loss} if more is None else {"loss": loss + more, "auxiliary": more.detach()}
