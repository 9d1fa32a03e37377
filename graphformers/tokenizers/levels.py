"""The rounds of affinity clustering, from one level to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from formerkit.parallel import run_ranges

FEW = 1 << 17
"""Clusters and ends of edges that are worth a thread of their own: about a millisecond's work."""
_MAX, _SUM, _MEAN = 1, 2, 5


@dataclass(frozen=True)
class Rules:
    """How edges of a level are valued and marked; see :func:`.affinity_clustering`, whose arguments these are."""

    linkage: int
    percentile: float
    min_edges: int
    bound: float
    threshold: float
    all_ties: bool
    refinements: int
    keep_graphs: bool


@dataclass
class Level:
    """The n clusters of a level, its graph, and how it goes on.

    Attributes:
        starts, ends: [n] int64, where the list of each cluster is. neighbours: [M] int32, both ends of each edge.
        value: [M] float64, what an edge is worth; larger is better.
        sums: What values are made of: [M] float64 sums, what was rounded off them, numbers of edges; each may be empty.
        sizes: [n] int64. colours: [n] uint64.
        labels: [n] int32, the cluster of the next level. member_starts, members: [k + 1] int64 and [n] int32, the same
            by clusters of the next level.
        partners, joins: [n] int64 and float64, the other end and the value of the marked edge, -1 and NaN if there is
            none.
    """

    starts: np.ndarray
    ends: np.ndarray
    neighbours: np.ndarray
    value: np.ndarray
    sums: tuple[np.ndarray, np.ndarray, np.ndarray]
    sizes: np.ndarray
    colours: np.ndarray
    labels: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    member_starts: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    members: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    partners: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    joins: np.ndarray = field(default_factory=lambda: np.empty(0))

    @property
    def count(self) -> int:
        return len(self.sizes)

    @property
    def lists(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.starts, self.ends, self.neighbours


class ParallelEdges:
    """All edges of the graph that are still between two clusters, by rising weight: what percentiles are taken of."""

    def __init__(self, level: Level) -> None:
        from graphformers.tokenizers import edge_list_kernels as kernels

        count = len(level.neighbours) // 2
        ends = np.empty(count, np.int32), np.empty(count, np.int32)
        weight = np.empty(count)
        kernels.each_once(*level.lists, level.value, *ends, weight)
        order = np.argsort(weight)
        self.parts = ends[0][order], ends[1][order], weight[order]

    def relabel(self, labels: np.ndarray) -> None:
        from graphformers.tokenizers import edge_list_kernels as kernels

        left = kernels.relabel(labels, *self.parts)
        source, destination, weight = self.parts
        self.parts = source[:left], destination[:left], weight[:left]


def first_level(edge_index: Tensor, weight: np.ndarray, num_nodes: int, keys: np.ndarray) -> Level:
    """The graph, undirected and simple, each node a cluster.

    Args:
        edge_index: [2, E], checked. weight: [E] float64, the larger the better; or none for 1. keys: [N] uint64.
    """
    source, destination = edge_index.detach().cpu().long().numpy()
    lists = simple_lists(source, destination, weight, num_nodes)
    none = np.empty(0), np.empty(0, np.int64)
    starts, neighbours, weights = lists
    return Level(
        starts[:-1], starts[1:], neighbours, weights, (weights, *none), np.ones(num_nodes, np.int64), keys
    )  # fmt: skip


def simple_lists(
    source: np.ndarray, destination: np.ndarray, weight: np.ndarray, num_nodes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lists of neighbours of an undirected graph without loops: of several edges between two nodes the heaviest.

    Args:
        source, destination: [E] int64, below ``num_nodes``. weight: [E] float64, or none for 1.

    Returns:
        Starts [N + 1] int64, neighbours [M] int32 and weights [M] float64.
    """
    from graphformers.tokenizers import edge_list_kernels as kernels

    starts, neighbours = np.zeros(num_nodes + 1, np.int64), np.empty(len(source), np.int32)
    weights = np.empty(len(source))
    kernels.by_smaller_end(source, destination, weight, starts, neighbours, weights)
    pairs = kernels.merge(starts, neighbours, weights)
    lists = np.zeros(num_nodes + 1, np.int64), np.empty(2 * pairs, np.int32), np.empty(2 * pairs)
    kernels.both_ways(starts, neighbours, weights, *lists)
    return lists


def mark(level: Level, rules: Rules) -> bool:
    """Refine the colours of a level and mark the best edge of each cluster; False if there is none to mark."""
    from graphformers.tokenizers import affinity_kernels as kernels

    _refine(level, rules.refinements)
    level.partners, level.joins = np.empty(level.count, np.int64), np.empty(level.count)
    _run(
        kernels.mark, level, level.value, level.sizes, level.colours, rules.threshold, level.partners, level.joins
    )  # fmt: skip
    return bool((level.partners >= 0).any())


def _refine(level: Level, rounds: int) -> None:
    """Refine colours in so many rounds, or fewer if one tells no more clusters apart: none after it would."""
    from graphformers.tokenizers.affinity_kernels import refine

    kinds = _kinds(level.colours) if rounds else 0
    for _ in range(rounds):
        before, colours = kinds, np.empty_like(level.colours)
        _run(refine, level, level.value.view(np.uint64), level.colours, colours)
        level.colours, kinds = colours, _kinds(colours)
        if kinds == before:
            break


def _kinds(colours: np.ndarray) -> int:
    """How many different ones there are."""
    ordered = np.sort(colours)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + min(1, len(colours))


def contracted(level: Level, rules: Rules, parallel: ParallelEdges | None) -> Level:
    """Join the clusters along marked edges: the next level. What only this step needs of the old one is let go."""
    from graphformers.tokenizers import affinity_kernels as kernels

    level.labels = np.empty(level.count, np.int32)
    count = kernels.join(
        *level.lists, level.value, level.sizes, level.colours, level.partners, level.joins, rules.all_ties,
        level.labels,
    )  # fmt: skip
    starts, members = np.zeros(count + 1, np.int64), np.empty(level.count, np.int32)
    sizes, colours = np.zeros(count, np.int64), np.zeros(count, np.uint64)
    kernels.members_of(level.labels, level.sizes, level.colours, starts, members, sizes, colours)
    level.member_starts, level.members = starts, members
    if parallel is not None:
        parallel.relabel(level.labels)
        new = _percentiles(parallel, rules, sizes, colours)
    else:
        new = _merged(level, rules, starts, members, sizes, colours)
    level.sums = np.empty(0), np.empty(0), np.empty(0, np.int64)
    if not rules.keep_graphs:
        level.neighbours, level.value = np.empty(0, np.int32), np.empty(0)
    return new


def _merged(
    level: Level, rules: Rules, member_starts: np.ndarray, members: np.ndarray, sizes: np.ndarray, colours: np.ndarray
) -> Level:
    from graphformers.tokenizers import affinity_kernels as kernels

    linkage = rules.linkage
    starts, ends = np.empty_like(sizes), np.empty_like(sizes)
    room = kernels.room(member_starts, members, level.starts, level.ends, starts)
    neighbours, weight = np.empty(room, np.int32), np.empty(room)
    rest = np.empty(0 if linkage == _MAX else room)
    counts = np.empty(room if linkage == _MEAN else 0, np.int64)
    value = np.empty(0 if linkage in (_MAX, _SUM) else room)
    run_ranges(
        kernels.contract, len(sizes), member_starts, members, level.labels, *level.lists, *level.sums, linkage,
        rules.bound, sizes, starts, ends, neighbours, weight, rest, counts, value, min_rows=_rows(len(sizes), room),
    )  # fmt: skip
    worth = weight if linkage in (_MAX, _SUM) else value
    return Level(starts, ends, neighbours, worth, (weight, rest, counts), sizes, colours)


def _percentiles(parallel: ParallelEdges, rules: Rules, sizes: np.ndarray, colours: np.ndarray) -> Level:
    from graphformers.tokenizers import edge_list_kernels as kernels

    count, room = len(sizes), 2 * len(parallel.parts[0])
    starts, ends = np.zeros(count + 1, np.int64), np.empty(count, np.int64)
    lists = np.empty(room, np.int32), np.empty(room)
    kernels.lists_of(*parallel.parts, starts, *lists)
    neighbours, weights = np.empty(room, np.int32), np.empty(room)
    run_ranges(
        kernels.percentiles, count, starts, *lists, rules.percentile, rules.min_edges, ends, neighbours, weights,
        min_rows=_rows(count, room),
    )  # fmt: skip
    none = np.empty(0), np.empty(0), np.empty(0, np.int64)
    return Level(starts[:-1], ends, neighbours, weights, none, sizes, colours)


def _run(kernel: Any, level: Level, *args: Any) -> None:
    run_ranges(kernel, level.count, *level.lists, *args, min_rows=_rows(level.count, len(level.neighbours)))


def _rows(count: int, ends: int) -> int:
    """Fewest of ``count`` clusters that are worth a thread, if they have ``ends`` ends of edges together."""
    return max(1, FEW * count // max(1, count + ends))
