"""Predictions of links: one graph of those that are known, pairs to be told from false ones, and the score."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import torch
from formerdata.graphs import GraphBatch, PackedGraphs
from formerdata.graphs.edges import both_ways
from formerdata.graphs.non_edges import non_edges
from formerdata.ogb import LinkSplits
from torch import Tensor, nn

from formerkit.io import DataError
from formerkit.seeds import generator
from formerkit.training.sampler import RunSampler
from graphformers.layers.link_decoder import LinkDecoder
from graphformers.tasks.inputs import Types, input_arguments
from graphformers.tasks.link_objective import LinkBatch, LinkObjective
from graphformers.tasks.link_parts import check_parts, false_links, false_shape, links_of
from graphformers.tasks.link_settings import LinkSettings
from graphformers.tasks.metric import Metric
from graphformers.tasks.task import Part

PAIRS_AT_ONCE = 1 << 16
"""Pairs that are decoded together when a part is scored; fixed, so that no setting changes a score's last bits."""


@dataclass(frozen=True)
class LinkTask:
    """Which pairs of nodes are linked.

    Attributes:
        graphs: One graph, of training links (and whatever else is known): what messages pass along.
        splits: Links of each part; those of validation and test with false ones.
        metric: Of the logits of links [P] and of false ones, [M] or [P, M].
        source: Where the data come from, for people; "built-in" if they were generated.
        own_false: Whether each link has false ones of its own.
        directed: Whether (a, b) and (b, a) are two links.
        settings: How links are learnt.
        learnt_from: Parts whose links training sees, as pairs to be found; they do not enter the graph.
        node_types, edge_types: Types of nodes or edges (of each column, if there are several); None for features.
    """

    graphs: PackedGraphs
    splits: LinkSplits
    metric: Metric
    source: str
    own_false: bool = False
    directed: bool = False
    settings: LinkSettings = field(default_factory=LinkSettings)
    learnt_from: tuple[Part, ...] = ("train",)
    node_types: Types = None
    edge_types: Types = None

    def checked(self) -> LinkTask:
        """Itself, if graph and links are as they should be.

        Raises:
            DataError: Which names the field at fault; also if the graph holds links of validation or test that are not
                links of training as well (those of ogbl-collab may be: authors may meet again).
        """
        graph = self.graphs.checked()
        if len(graph) != 1:
            raise DataError(graph.name, f"{len(graph)} graphs", field="node_starts", expected="one graph")
        if graph.num_nodes == 0:
            raise DataError(graph.name, "no nodes", field="x", expected="at least one node")
        if self.settings.use_valid_edges and graph.edge_attr is not None:
            raise DataError(
                graph.name, "validation links have no features to enter the graph with", field="edge_attr",
                expected="edges without features with data.links.use_valid_edges",
            )  # fmt: skip
        check_parts(self.splits, graph.name, own_false=self.own_false)
        self.splits.checked(graph.num_nodes, graph.name, directed=self.directed)
        self._check_hidden()
        return self

    def _check_hidden(self) -> None:
        graph, known = self.graphs, self._keys(links_of(self.splits.train))
        # What is in the graph, in either direction, and not because of a training link.
        edges = self._keys(graph.edge_index.T)
        others = edges[~torch.isin(edges, known)]
        for part in ("valid", "test"):
            links = links_of(getattr(self.splits, part))
            if bool((seen := torch.isin(self._keys(links), others)).any()):
                raise DataError(
                    graph.name, f"{int(seen.sum())} links are edges of the graph, the first is "
                    f"{links[seen][0].tolist()}", field=f"split {part}", expected="links that the model does not see",
                )  # fmt: skip

    def _keys(self, pairs: Tensor) -> Tensor:
        """[n], one number for each pair of nodes whatever their order."""
        low, high = pairs.min(1).values, pairs.max(1).values
        return low * self.graphs.num_nodes + high

    @property
    def labels_seen(self) -> tuple[Part, ...]:
        """Parts whose links the model sees: to learn from, or in the graph when it is tested."""
        more: tuple[Part, ...] = ("valid",) if self.settings.use_valid_edges else ()
        return tuple(dict.fromkeys((*self.learnt_from, *more)))

    @property
    def model_arguments(self) -> dict[str, Any]:
        """What the data say about a model: the embedding of each node is wanted."""
        inputs = input_arguments(self.graphs, self.node_types, self.edge_types)
        return {"out_channels": self.settings.channels, "readout": "node", **inputs}

    def objective(self, model: nn.Module) -> nn.Module:
        """The model with a decoder and the loss."""
        settings = self.settings
        return LinkObjective(model, LinkDecoder(settings.channels, settings.decoder, settings.decoder_layers))

    @property
    def part_sizes(self) -> tuple[int, int, int]:
        """Links for training, validation and test."""
        train, valid, test = (len(getattr(self.splits, part)) for part in get_args(Part))
        return train, valid, test

    @property
    def summary(self) -> str:
        """One line for people."""
        counts = f"{self.graphs.num_nodes:,} nodes, {self.graphs.num_edges:,} edges"
        return f"{self.source}: {counts}; links of {', '.join(f'{size:,}' for size in self.part_sizes)}"

    @property
    def training_links(self) -> Tensor:
        """[P, 2], links that training sees."""
        return torch.cat([links_of(getattr(self.splits, part)) for part in self.learnt_from])

    @property
    def splits_sha256(self) -> str:
        """Of links and false links, to tell whether two runs had the same."""
        digest = hashlib.sha256()
        for part in get_args(Part):
            for name, value in sorted(getattr(self.splits, part).as_dict().items()):
                digest.update(f"{part} {name} {value.dtype} {tuple(value.shape)}".encode())
                digest.update(value.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def steps_per_epoch(self, samples_per_step: int) -> int:
        return len(self.training_links) // samples_per_step

    def training_batches(
        self, epochs: int, batch_size: int, accumulate: int, *, seed: int, start_step: int, rank: int, world_size: int
    ) -> Iterator[LinkBatch]:
        """Batches from ``start_step`` to the end: links in an order of each epoch, and as many false ones.

        False links are uniform among all pairs that are neither edges of the graph nor links that are learnt from;
        links of other parts may be among them, for training does not know of those. They are drawn anew for each batch
        from its seed, step and place in the step.
        """
        links, graph = self.training_links, self.graphs.whole()
        absent = non_edges(torch.cat([graph.edge_index, links.T], 1), graph.num_nodes, directed=self.directed)
        if len(absent) == 0:
            raise DataError(self.graphs.name, "all nodes are linked", field="edge_index", expected="pairs that are not")
        edges = self._keys(graph.edge_index.T)
        sampler = RunSampler(
            len(links), epochs, batch_size * accumulate * world_size,
            seed=seed, start_step=start_step, rank=rank, world_size=world_size,
        )  # fmt: skip
        for number, chosen in enumerate(sampler.batches(batch_size), start_step * accumulate):
            rng = generator(seed, "false links", number // accumulate, number % accumulate, rank)
            targets = links[chosen]
            kept = _without(graph, ~torch.isin(edges, self._keys(targets))) if self.settings.drop_targets else graph
            yield LinkBatch(kept, targets, absent.draw(batch_size, rng))

    def score(self, objective: nn.Module, part: Part, batch_size: int, device: torch.device) -> float:
        """The metric over a part."""
        return self.metric(*self.predictions(objective, part, batch_size, device))

    @torch.no_grad()
    def predictions(
        self, objective: nn.Module, part: Part, batch_size: int, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Logits of a part's links [P] and of its false ones [M] or [P, M], on the CPU, whatever ``batch_size``.

        Raises:
            ValueError: If the part has no false links, as that for training.
        """
        links: Any = getattr(self.splits, part)
        shape = false_shape(links)
        if 0 in shape:
            raise ValueError(f"part: {part} has no false links")
        objective.eval()
        embeddings = objective.predict(self.graph_for(part).whole().to(device))  # type: ignore[operator]

        def logits(pairs: Tensor) -> Tensor:
            return objective.decode(embeddings, pairs.to(device)).float().cpu()  # type: ignore[operator]

        true = torch.cat([logits(pairs) for pairs in links_of(links).split(PAIRS_AT_ONCE)])
        false = torch.cat([logits(pairs) for pairs in false_links(links, PAIRS_AT_ONCE)])
        return true, false.reshape(shape)

    def graph_for(self, part: Part) -> PackedGraphs:
        """What the model sees when that part is scored."""
        if part != "test" or not self.settings.use_valid_edges:
            return self.graphs
        known, more = self.graphs.edge_index, links_of(self.splits.valid).T
        # Edges that stand several times stay so: only what is new is added.
        more = both_ways(more, self.graphs.num_nodes)
        more = more[:, ~torch.isin(self._keys(more.T), self._keys(known.T))]
        edges = torch.cat([known, more], 1)
        return replace(self.graphs, edge_index=edges, edge_starts=torch.tensor([0, edges.shape[1]]))


def _without(graph: GraphBatch, kept: Tensor) -> GraphBatch:
    edge_attr = None if graph.edge_attr is None else graph.edge_attr[kept]
    return replace(graph, edge_index=graph.edge_index[:, kept], edge_attr=edge_attr)
