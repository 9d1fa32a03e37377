"""Predictions of a graph's nodes, each from its own tokens: no batch touches the edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from formerdata.graphs import Splits
from formerdata.store import Prefetch, Resident, gather
from torch import Tensor, nn

from formerkit.io import DataError
from formerkit.seeds import generator
from formerkit.training.sampler import RunSampler
from graphformers.losses import Loss
from graphformers.ops.processes import own_share
from graphformers.samplers import KeptTokens, TokenTable
from graphformers.tasks.graph_task import Objective
from graphformers.tasks.labels import check_labels
from graphformers.tasks.metric import Metric
from graphformers.tasks.parts import OfParts
from graphformers.tasks.task import Part

SAMPLE = 1 << 16
"""Nodes that a codebook begins with, at most."""


@dataclass(frozen=True)
class TokenBatch:
    """Some nodes of a graph.

    Attributes:
        tokens: [B, K, 1 + hops, D] float32, features of each token and their averages.
        pe: [B, P] float32, places of the nodes; None without.
        y: [B] classes or [B, T] numbers.
    """

    tokens: Tensor
    pe: Tensor | None
    y: Tensor

    def to(self, device: torch.device | str) -> TokenBatch:
        """The same on ``device``."""
        return TokenBatch(self.tokens.to(device), None if self.pe is None else self.pe.to(device), self.y.to(device))


@dataclass(frozen=True)
class TokenTask(OfParts):
    """What is to be predicted, from what.

    Attributes:
        table: [N, 1 + hops, D], in memory or mapped, see :func:`graphformers.encodings.features_with_context`.
        sampler: Draws the tokens.
        y: [N] int64 classes, -1 where unknown; or [N, T] numbers, NaN where unknown.
        splits: Nodes of each part.
        loss: What training makes small.
        metric: What is reported.
        outputs: Classes, or numbers T.
        source: Where the data come from, for people; "built-in" if they were generated.
        places: [N, P], in memory or mapped; None without.
        resample: Draw the tokens of training anew each epoch.
        learnt_from: Parts whose targets training sees.
    """

    table: np.ndarray
    sampler: TokenTable | KeptTokens
    y: Tensor
    splits: Splits
    loss: Loss
    metric: Metric
    outputs: int
    source: str
    places: np.ndarray | None = None
    resample: bool = False
    learnt_from: tuple[Part, ...] = ("train",)
    _pages: Resident = field(init=False, repr=False)

    def __post_init__(self) -> None:
        graph = self.sampler.graph
        object.__setattr__(self, "_pages", Resident(self.table, graph.starts, graph.neighbours))

    def checked(self) -> TokenTask:
        """Itself, if features, parts and targets are as they should be.

        Raises:
            DataError: Which names the field at fault.
        """
        nodes = self.sampler.graph.num_nodes
        self.splits.checked(nodes, self.source)
        for name, rows in (("x", self.table), ("pe", self.places), ("y", self.y)):
            if rows is not None and len(rows) != nodes:
                raise DataError(self.source, f"{len(rows)} rows", field=name, expected=f"{nodes} nodes")
        check_labels(self.y, self.loss, self.outputs, self.source)
        return self

    @property
    def model_arguments(self) -> dict[str, Any]:
        """What the data say about a model."""
        places = 0 if self.places is None else self.places.shape[1]
        hops, features = self.table.shape[1] - 1, self.table.shape[2]
        return {"in_channels": features, "out_channels": self.outputs, "pe_channels": places, "hops": hops}

    @property
    def summary(self) -> str:
        """One line for people."""
        graph, sizes = self.sampler.graph, ", ".join(f"{size:,}" for size in self.part_sizes)
        shown = f"{self.sampler.size} tokens of {self.table.shape[1]} x {self.table.shape[2]} numbers a node"
        return f"{self.source}: {graph.num_nodes:,} nodes, {graph.num_edges:,} edges; parts of {sizes}; {shown}"

    def steps_per_epoch(self, samples_per_step: int) -> int:
        return len(self.training_ids) // samples_per_step

    def batch(self, nodes: np.ndarray, epoch: int = 0) -> TokenBatch:
        """Some nodes [B], with the tokens of that epoch."""
        tokens = self.sampler.rows(nodes, epoch=epoch)
        places = None if self.places is None else torch.from_numpy(gather(self.places, nodes))
        self._pages.taken(tokens.size)
        return TokenBatch(torch.from_numpy(gather(self.table, tokens)), places, self.y[torch.from_numpy(nodes)])

    def training_batches(
        self, epochs: int, batch_size: int, accumulate: int, *, seed: int, start_step: int, rank: int, world_size: int
    ) -> Iterator[TokenBatch]:
        """Batches from ``start_step`` to the end; each is made while the one before is used."""
        ids = self.training_ids.numpy()
        sampler = RunSampler(
            len(ids), epochs, batch_size * accumulate * world_size,
            seed=seed, start_step=start_step, rank=rank, world_size=world_size,
        )  # fmt: skip
        batches = (
            self.batch(ids[chosen], epoch if self.resample else 0)
            for epoch, chosen in sampler.epoch_batches(batch_size)
        )
        with Prefetch(batches) as ready:
            yield from ready

    def objective(self, model: nn.Module) -> nn.Module:
        """The model with the task's loss; a codebook begins with a sample of all nodes."""
        if getattr(model, "has_codebook", False):
            model.start_codebook(*self._share_of_sample())  # type: ignore[operator]
        return TokenObjective(model, self.loss)

    def _share_of_sample(self) -> tuple[Tensor, Tensor | None]:
        """Features and places of nodes to begin with; of several processes each has its part."""
        count = self.sampler.graph.num_nodes
        draw = generator(self.sampler.seed, "codebook")
        sample = draw.choice(count, min(count, SAMPLE), replace=False)
        sample = own_share(sample)
        x = torch.from_numpy(gather(self.table, sample)[:, 0])
        return x, None if self.places is None else torch.from_numpy(gather(self.places, sample))

    def score(self, objective: nn.Module, part: Part, batch_size: int, device: torch.device) -> float:
        """The metric over a part."""
        return self.metric(*self.predictions(objective, part, batch_size, device))

    @torch.no_grad()
    def predictions(
        self, objective: nn.Module, part: Part, batch_size: int, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Targets and predictions of a part, in its order, on the CPU."""
        objective.eval()
        chosen = getattr(self.splits, part)
        with Prefetch(self.batch(nodes.numpy()) for nodes in chosen.split(batch_size)) as batches:
            found = [objective.predict(batch.to(device)).float().cpu() for batch in batches]  # type: ignore[operator]
        return self.y[chosen], torch.cat(found)


class TokenObjective(Objective):
    """A model of tokens, called as :class:`~graphformers.models.LargeGT` is, and a loss."""

    def predict(self, batch: TokenBatch) -> Tensor:  # type: ignore[override]
        """The model's predictions."""
        return self.model(batch.tokens, pe=batch.pe)
