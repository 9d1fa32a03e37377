"""Many graphs in a few long tensors, and batches cut out of them by gathers alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

from formerdata.graphs.packed_checks import check_graphs
from formerdata.graphs.runs import rows_of_runs, starts_of
from formerkit.io import DataError

PER_NODE = ("x", "pe", "wl", "clusters")
PER_EDGE = ("edge_attr",)
PER_GRAPH = ("eigenvalues",)


@dataclass(frozen=True)
class GraphBatch:
    """Some graphs as one graph in several parts; models take its fields by name.

    Attributes:
        edge_index: [2, E] int64, sources above destinations, counted over the whole batch.
        batch: [N] int64, the graph of each node, sorted.
        num_graphs: G; the last graphs may have no nodes.
        x: [N, ...] features or types of nodes.
        edge_attr: [E, ...] features or types of edges.
        y: [N, ...] or [G, ...] targets, of nodes or of graphs.
        pe: [N, K] positional or structural encodings. eigenvalues: [G, K], NaN where a graph has fewer.
        wl: [N] int64 Weisfeiler-Lehman colours.
        clusters: [N, K + 1] int32, of a hierarchy of clusters, counted in each graph: the place of each node in the
            order of leaves, and its cluster on levels 1 to K.
    """

    edge_index: Tensor
    batch: Tensor
    num_graphs: int
    x: Tensor | None = None
    edge_attr: Tensor | None = None
    y: Tensor | None = None
    pe: Tensor | None = None
    eigenvalues: Tensor | None = None
    wl: Tensor | None = None
    clusters: Tensor | None = None

    @property
    def num_nodes(self) -> int:
        return len(self.batch)

    @property
    def num_edges(self) -> int:
        return self.edge_index.shape[1]

    def to(self, device: torch.device | str) -> GraphBatch:
        """The same on ``device``."""
        moved: dict[str, Any] = {name: value.to(device) for name, value in tensors_of(self).items()}
        return replace(self, **moved)


@dataclass(frozen=True)
class PackedGraphs:
    """A data set of graphs, or one graph alone.

    Attributes:
        node_starts: [G + 1] int64, where each graph's nodes begin; the last is their number.
        edge_starts: [G + 1] int64, likewise of edges.
        edge_index: [2, E] int64; nodes are counted from 0 in each graph.
        y_of: Whether ``y`` is of nodes or of graphs.
        x, edge_attr, y, pe, eigenvalues, wl, clusters: As in :class:`GraphBatch`, over all graphs.
        name: For messages.
    """

    node_starts: Tensor
    edge_starts: Tensor
    edge_index: Tensor
    x: Tensor | None = None
    edge_attr: Tensor | None = None
    y: Tensor | None = None
    y_of: str = "graph"
    pe: Tensor | None = None
    eigenvalues: Tensor | None = None
    wl: Tensor | None = None
    clusters: Tensor | None = None
    name: str = field(default="graphs", compare=False)

    def __len__(self) -> int:
        return len(self.node_starts) - 1

    @property
    def num_nodes(self) -> int:
        return int(self.node_starts[-1])

    @property
    def num_edges(self) -> int:
        return int(self.edge_starts[-1])

    @property
    def batch_vector(self) -> Tensor:
        """[N], the graph of each node."""
        return torch.repeat_interleave(torch.arange(len(self)), self.node_starts.diff())

    @property
    def global_edge_index(self) -> Tensor:
        """[2, E], nodes counted over the whole data set."""
        return self.edge_index + torch.repeat_interleave(self.node_starts[:-1], self.edge_starts.diff())

    def batch(self, graphs: Tensor | list[int] | range) -> GraphBatch:
        """The batch of those graphs, in that order; one may stand in it several times.

        Raises:
            IndexError: If there is no such graph.
        """
        chosen = torch.as_tensor(graphs, dtype=torch.int64)
        if len(chosen) and (int(chosen.min()) < 0 or int(chosen.max()) >= len(self)):
            raise IndexError(f"{self.name}: graphs {int(chosen.min())} to {int(chosen.max())} of {len(self)} asked for")
        nodes, sizes = rows_of_runs(self.node_starts, chosen)
        edges, edge_counts = rows_of_runs(self.edge_starts, chosen)
        shift = torch.repeat_interleave(torch.cumsum(sizes, 0) - sizes, edge_counts)
        parts: dict[str, Tensor] = {}
        for name, value in tensors_of(self).items():
            if name in PER_NODE or (name == "y" and self.y_of == "node"):
                parts[name] = value[nodes]
            elif name in PER_EDGE:
                parts[name] = value[edges]
            elif name in PER_GRAPH or name == "y":
                parts[name] = value[chosen]
        return GraphBatch(
            self.edge_index[:, edges] + shift,
            torch.repeat_interleave(torch.arange(len(chosen)), sizes),
            len(chosen),
            **parts,
        )

    def select(self, graphs: Tensor | list[int] | range) -> PackedGraphs:
        """A data set of those graphs alone."""
        taken = self.batch(graphs)
        sizes = torch.bincount(taken.batch, minlength=taken.num_graphs)
        chosen = torch.as_tensor(graphs, dtype=torch.int64)
        edge_starts = starts_of(self.edge_starts.diff()[chosen])
        node_starts = starts_of(sizes)
        local = taken.edge_index - torch.repeat_interleave(node_starts[:-1], edge_starts.diff())
        kept = {name: getattr(taken, name) for name in (*PER_NODE, *PER_EDGE, *PER_GRAPH, "y")}
        return replace(self, node_starts=node_starts, edge_starts=edge_starts, edge_index=local, **kept)

    def whole(self) -> GraphBatch:
        """All graphs as one batch."""
        return self.batch(range(len(self)))

    def __iter__(self) -> Iterator[GraphBatch]:
        return (self.batch([number]) for number in range(len(self)))

    def checked(self) -> PackedGraphs:
        """Itself, after a look at every field.

        Raises:
            DataError: On edges that name absent nodes, counts that do not agree, or values that are not finite; the
                message names the field and the first graph at fault. Targets may be NaN where they are unknown.
        """
        rows = dict.fromkeys(PER_NODE, self.num_nodes) | dict.fromkeys(PER_EDGE, self.num_edges)
        rows |= dict.fromkeys(PER_GRAPH, len(self)) | {"y": self.num_nodes if self.y_of == "node" else len(self)}
        check_graphs(self, rows)
        return self


@dataclass(frozen=True)
class Splits:
    """Which graphs (or nodes, or edges) are for training, validation and test: [n] int64 each."""

    train: Tensor
    valid: Tensor
    test: Tensor

    def checked(self, count: int, name: str) -> Splits:
        """Itself, if its parts are filled, apart, and below ``count``.

        Raises:
            DataError: If one is empty, names something twice or something absent, or if two overlap.
        """
        parts = {part.name: getattr(self, part.name) for part in fields(self)}
        seen = torch.zeros(count, dtype=torch.bool)
        for part, chosen in parts.items():
            if chosen.ndim != 1 or chosen.is_floating_point() or chosen.dtype == torch.bool:
                raise DataError(
                    name, f"{tuple(chosen.shape)} {chosen.dtype}", field=f"split {part}", expected="a list of integers"
                )
            if len(chosen) == 0:
                raise DataError(name, "is empty", field=f"split {part}", expected="at least one entry")
            if int(chosen.min()) < 0 or int(chosen.max()) >= count:
                raise DataError(
                    name, f"entries from {int(chosen.min())} to {int(chosen.max())}", field=f"split {part}",
                    expected=f"0 to {count - 1}",
                )  # fmt: skip
            if len(chosen.unique()) < len(chosen):
                raise DataError(name, "names an entry twice", field=f"split {part}", expected="each entry once")
            if bool(seen[chosen].any()):
                both = int(chosen[seen[chosen]][0])
                raise DataError(
                    name, f"entry {both} stands in another part too", field=f"split {part}",
                    expected="parts that do not overlap",
                )  # fmt: skip
            seen[chosen] = True
        return self


def pack(graphs: list[GraphBatch], *, y_of: str = "graph", name: str = "graphs") -> PackedGraphs:
    """A data set from graphs one by one; each is a batch of one graph, and all have the same fields.

    Args:
        graphs: At least one.
        y_of: Whether targets are of "node" or "graph".
        name: For messages.

    Raises:
        DataError: If there are none, or one has another field, or lacks one, that the first has.
    """
    if not graphs:
        raise DataError(name, "no graphs", expected="at least one")
    for number, graph in enumerate(graphs):
        if other := tensors_of(graph).keys() ^ tensors_of(graphs[0]).keys():
            raise DataError(name, f"graph {number} differs", field=min(other), expected="the fields of graph 0")
    node_starts = starts_of(torch.tensor([graph.num_nodes for graph in graphs]))
    edge_starts = starts_of(torch.tensor([graph.num_edges for graph in graphs]))
    joined = {
        part: torch.cat([getattr(graph, part) for graph in graphs])
        for part in (*PER_NODE, *PER_EDGE, *PER_GRAPH, "y")
        if getattr(graphs[0], part) is not None
    }
    edge_index = torch.cat([graph.edge_index for graph in graphs], dim=1)
    return PackedGraphs(node_starts, edge_starts, edge_index, y_of=y_of, name=name, **joined)


def single(edge_index: Tensor, num_nodes: int, *, name: str = "graph", **parts: Any) -> PackedGraphs:
    """One graph; its targets are those of its nodes unless ``y_of`` says otherwise."""
    ends = torch.tensor([0, num_nodes]), torch.tensor([0, edge_index.shape[1]])
    return PackedGraphs(*ends, edge_index, **{"y_of": "node", **parts}, name=name)


def tensors_of(value: GraphBatch | PackedGraphs | Splits) -> dict[str, Tensor]:
    """The fields that are tensors, by name."""
    named = {part.name: getattr(value, part.name) for part in fields(value)}
    return {name: part for name, part in named.items() if torch.is_tensor(part)}
