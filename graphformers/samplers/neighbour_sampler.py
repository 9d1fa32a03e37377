"""Neighbourhoods of seed nodes, hop by hop, with so many neighbours drawn of each node (Hamilton et al., 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from formerdata.graphs.csr import CSRGraph
from torch import Tensor

from formerkit.parallel import run_ranges
from formerkit.seeds import torch_seed
from graphformers.samplers.both_ways import both_ways
from graphformers.samplers.reading import readable

SubgraphType = Literal["directional", "bidirectional", "induced"]
TemporalStrategy = Literal["uniform", "last"]
_NONE_INT, _NONE_FLOAT = np.empty(0, np.int64), np.empty(0, np.float64)


@dataclass(frozen=True)
class Neighbourhood:
    """A sample around seed nodes.

    Attributes:
        node: [n] int64, nodes of the graph as they were found: the seeds first, in their order and as often as they
            were given, then those of the first hop, and so on.
        row: [e] int64, the place in ``node`` of each edge's source.
        column: [e] int64, of its destination, which drew it.
        edge: [e] int64, which edge of the graph it is.
        batch: [n] int64, the place of the seed to which a node belongs, if each seed has a sample of its own.
        num_sampled_nodes: Seeds, then how many nodes each hop found; None unless the edges are those drawn.
        num_sampled_edges: How many edges each hop drew; likewise.
    """

    node: Tensor
    row: Tensor
    column: Tensor
    edge: Tensor
    batch: Tensor | None
    num_sampled_nodes: list[int] | None
    num_sampled_edges: list[int] | None


class NeighborSampler:
    """Draws neighbourhoods; each is a function of the arguments here, its seeds and a key.

    Args:
        graph: Rows are destinations, their neighbours the sources of their edges
            (``csr_graph(edge_index, num_nodes, rows="destination")``).
        num_neighbors: Neighbours of each node, hop by hop; -1 for all. Of fewer than there should be, all are taken.
        replace: Draw with replacement, always so many where there is one at all.
        subgraph_type: ``directional``, the edges drawn; ``bidirectional``, these and their reverses, each once, sorted
            by destination; ``induced``, all edges of the graph between the nodes found.
        disjoint: Each seed has a sample of its own, that shares no node with another's. Always so with times.
        times: [E] numbers in the order of ``graph.neighbours``, ascending in each list
            (:func:`graphformers.samplers.timed_graph`). An edge later than the seed is not there, in any hop.
        temporal_strategy: Of the edges that are early enough, ``uniform`` ones or the ``last``.
        weights: [E] numbers in that order, not negative. Neighbours are drawn by their edges' weights, those without
            weight never; all are taken, whatever their weights, where they are not more than are to be drawn.
        seed: Of all draws.

    Raises:
        ValueError: On arguments that do not fit together or the graph.
    """

    def __init__(
        self,
        graph: CSRGraph,
        num_neighbors: Sequence[int],
        *,
        replace: bool = False,
        subgraph_type: SubgraphType = "directional",
        disjoint: bool = False,
        times: np.ndarray | None = None,
        temporal_strategy: TemporalStrategy = "uniform",
        weights: np.ndarray | None = None,
        seed: int = 0,
    ) -> None:
        self.num_neighbors = [int(count) for count in num_neighbors]
        if any(count < -1 for count in self.num_neighbors):
            raise ValueError(f"num_neighbors: expected numbers from 0, or -1 for all, got {self.num_neighbors}")
        if subgraph_type not in ("directional", "bidirectional", "induced"):
            words = "'directional', 'bidirectional' or 'induced'"
            raise ValueError(f"subgraph_type: expected {words}, got {subgraph_type!r}")
        if temporal_strategy not in ("uniform", "last"):
            raise ValueError(f"temporal_strategy: expected 'uniform' or 'last', got {temporal_strategy!r}")
        if graph.num_columns != graph.num_nodes:
            raise ValueError(f"graph: expected one set of nodes, got {graph.num_nodes} and {graph.num_columns}")
        self.graph, self.replace, self.subgraph_type, self.seed = graph, replace, subgraph_type, seed
        self.starts, self.neighbours = readable(graph.starts), readable(graph.neighbours)
        self.disjoint = disjoint or times is not None
        self.temporal_strategy = temporal_strategy
        self.times = None if times is None else _per_edge("times", times, graph)
        self.weights = None if weights is None else _checked_weights(_per_edge("weights", weights, graph))

    def sample(
        self, seeds: Tensor, seed_times: Tensor | None = None, *, key: tuple[int | str, ...] = ()
    ) -> Neighbourhood:
        """Draw around some seeds.

        Args:
            seeds: [S] integers.
            seed_times: [S], with times: edges later than these are not there for each.
            key: Which draw of this sampler's it is, for example epoch and batch.

        Raises:
            ValueError: If a seed is no node of the graph, or times are missing or too many.
        """
        sample = _Sample(self, seeds, seed_times)
        nodes, edges = [len(seeds)], []
        for hop, fan_out in enumerate(self.num_neighbors):
            before = sample.count
            edges.append(sample.grow(before - nodes[-1], fan_out, np.uint64(torch_seed(self.seed, "hop", hop, *key))))
            nodes.append(sample.count - before)
        if self.subgraph_type == "induced":
            sample.induce()
        row, column, places = (_joined(part) for part in (sample.rows, sample.columns, sample.places))
        ids = self.graph.edge_ids
        edge = places if ids is None else torch.from_numpy(np.asarray(ids[places.numpy()], np.int64))
        if self.subgraph_type == "bidirectional":
            row, column, edge = both_ways(row, column, edge, sample.count)
        drawn = self.subgraph_type == "directional"
        return Neighbourhood(
            torch.from_numpy(sample.nodes[: sample.count]), row, column, edge,
            torch.from_numpy(sample.roots[: sample.count]) if self.disjoint else None,
            nodes if drawn else None, edges if drawn else None,
        )  # fmt: skip


class _Sample:
    """A neighbourhood as it grows."""

    def __init__(self, sampler: NeighborSampler, seeds: Tensor, seed_times: Tensor | None) -> None:
        from graphformers.samplers import neighbour_kernels

        self.sampler, self.kernels = sampler, neighbour_kernels
        self.total = sampler.graph.num_nodes
        self.nodes = _as_nodes(seeds, self.total)
        self.count = len(self.nodes)
        self.roots = np.arange(self.count) if sampler.disjoint else _NONE_INT
        self.root_times = _seed_times(sampler, seed_times, self.count)
        self.table = self.kernels.new_table(self.nodes, self.roots, self.count, 4 * self.count, self.total)
        self.rows: list[np.ndarray] = []
        self.columns: list[np.ndarray] = []
        self.places: list[np.ndarray] = []

    def grow(self, first: int, fan_out: int, key: np.uint64) -> int:
        """Draw neighbours of the nodes from number ``first`` on; returns how many edges that makes."""
        kernels, replace = self.kernels, self.sampler.replace
        weights = _NONE_FLOAT if self.sampler.weights is None else self.sampler.weights
        begins, ends = self._bounds(first, fan_out)
        drawn = np.empty(len(begins), np.int64)
        run_ranges(kernels.counts, len(begins), begins, ends, weights, fan_out, replace, drawn, min_rows=1024)
        offsets = np.concatenate([_NONE_INT, [0], np.cumsum(drawn)])
        edges = int(offsets[-1])
        places, rows, columns = (np.empty(edges, np.int64) for _ in range(3))
        run_ranges(
            kernels.draw, len(begins), begins, ends, weights, offsets, fan_out, replace, key, places, min_rows=1024
        )
        self._make_room(edges)
        self.count = kernels.number_found(
            first, self.sampler.neighbours, offsets, places, self.total, *self.table, self.nodes, self.roots,
            self.count, rows, columns,
        )  # fmt: skip
        if self.sampler.subgraph_type != "induced":
            self.rows.append(rows)
            self.columns.append(columns)
            self.places.append(places)
        return edges

    def induce(self) -> None:
        """Take all edges between the nodes that are there."""
        begins, ends = self._bounds(0, -1)
        found = np.empty(self.count, np.int64)
        args = (self.roots, self.sampler.neighbours, begins, ends, self.total)
        keys, numbers = self.table
        run_ranges(self.kernels.count_induced, self.count, *args, keys, found, min_rows=1024)
        offsets = np.concatenate([_NONE_INT, [0], np.cumsum(found)])
        rows, columns, places = (np.empty(int(offsets[-1]), np.int64) for _ in range(3))
        run_ranges(
            self.kernels.write_induced, self.count, *args, keys, numbers, offsets, rows, columns, places, min_rows=1024
        )
        self.rows, self.columns, self.places = [rows], [columns], [places]

    def _bounds(self, first: int, fan_out: int) -> tuple[np.ndarray, np.ndarray]:
        nodes = self.nodes[first : self.count]
        begins, ends = np.empty(len(nodes), np.int64), np.empty(len(nodes), np.int64)
        times = _NONE_INT if self.sampler.times is None else self.sampler.times
        run_ranges(
            self.kernels.bounds, len(nodes), nodes, self.roots[first : self.count], self.sampler.starts, times,
            self.root_times, fan_out, self.sampler.temporal_strategy == "last", begins, ends, min_rows=1024,
        )  # fmt: skip
        return begins, ends

    def _make_room(self, more: int) -> None:
        """So that each of ``more`` edges may bring a new node."""
        needed = self.count + more
        self.nodes = np.concatenate([self.nodes[: self.count], np.empty(more, np.int64)])
        if self.sampler.disjoint:
            self.roots = np.concatenate([self.roots[: self.count], np.empty(more, np.int64)])
        if 2 * needed > len(self.table[0]):
            self.table = self.kernels.new_table(self.nodes, self.roots, self.count, needed, self.total)


def _joined(parts: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.concatenate([_NONE_INT, *parts]))


def _as_nodes(seeds: Tensor, total: int) -> np.ndarray:
    if seeds.ndim != 1 or seeds.is_floating_point() or seeds.dtype == torch.bool:
        raise ValueError(f"seeds: expected [S] integers, got {seeds.dtype} of shape {tuple(seeds.shape)}")
    if len(seeds) and not 0 <= int(seeds.min()) <= int(seeds.max()) < total:
        raise ValueError(f"seeds: from {int(seeds.min())} to {int(seeds.max())}, expected 0 to {total - 1}")
    return seeds.cpu().numpy().astype(np.int64)


def _seed_times(sampler: NeighborSampler, seed_times: Tensor | None, count: int) -> np.ndarray:
    if (sampler.times is None) != (seed_times is None):
        raise ValueError(f"seed_times: {'missing' if seed_times is None else 'given, but edges have no times'}")
    if seed_times is None:
        return _NONE_INT
    if seed_times.shape != (count,):
        raise ValueError(f"seed_times: expected shape ({count},), got {tuple(seed_times.shape)}")
    return seed_times.cpu().numpy()


def _per_edge(name: str, values: np.ndarray, graph: CSRGraph) -> np.ndarray:
    if values.shape != (graph.num_edges,):
        raise ValueError(f"{name}: expected shape ({graph.num_edges},), got {values.shape}")
    return readable(values)


def _checked_weights(weights: np.ndarray) -> np.ndarray:
    weights = np.asarray(weights, np.float64)
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("weights: expected finite numbers, none of them negative")
    return weights
