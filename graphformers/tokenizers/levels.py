"""The rounds of affinity clustering, from one level to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from formerkit.parallel import run_ranges

FEW_ROWS = 2048
"""Clusters that are worth a thread of their own."""
_MAX, _SUM, _MEAN, _PERCENTILE = 1, 2, 5, 6


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
        starts: [n + 1] int64. neighbours: [M] int32. value: [M] float64, what an edge is worth; larger is better.
        sums: What values are made of: [M] float64 sums, what was rounded off them, numbers of edges; each may be empty.
        sizes: [n] int64. colours: [n] uint64.
        labels: [n] int32, the cluster of the next level. partners, joins: [n] int64 and float64, the other end and the
            value of the marked edge, -1 and NaN if there is none.
    """

    starts: np.ndarray
    neighbours: np.ndarray
    value: np.ndarray
    sums: tuple[np.ndarray, np.ndarray, np.ndarray]
    sizes: np.ndarray
    colours: np.ndarray
    labels: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    partners: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    joins: np.ndarray = field(default_factory=lambda: np.empty(0))

    @property
    def count(self) -> int:
        return len(self.sizes)


class ParallelEdges:
    """All edges of the graph that are still between two clusters, by rising weight: what percentiles are taken of."""

    def __init__(self, level: Level) -> None:
        from graphformers.tokenizers import edge_list_kernels as kernels

        count = len(level.neighbours) // 2
        ends = np.empty(count, np.int32), np.empty(count, np.int32)
        weight = np.empty(count)
        kernels.each_once(level.starts, level.neighbours, level.value, *ends, weight)
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
    return Level(*lists, (lists[2], *none), np.ones(num_nodes, np.int64), keys)


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

    for _ in range(rules.refinements):
        colours = np.empty_like(level.colours)
        _run(kernels.refine, level, level.value.view(np.uint64), level.colours, colours)
        level.colours = colours
    level.partners, level.joins = np.empty(level.count, np.int64), np.empty(level.count)
    _run(
        kernels.mark, level, level.value, level.sizes, level.colours, rules.threshold, level.partners, level.joins
    )  # fmt: skip
    return bool((level.partners >= 0).any())


def contracted(level: Level, rules: Rules, parallel: ParallelEdges | None) -> Level:
    """Join the clusters along marked edges: the next level. What only this step needs of the old one is let go."""
    from graphformers.tokenizers import affinity_kernels as kernels

    level.labels = np.empty(level.count, np.int32)
    count = kernels.join(
        level.starts, level.neighbours, level.value, level.sizes, level.colours, level.partners, level.joins,
        rules.all_ties, level.labels,
    )  # fmt: skip
    starts, members = np.zeros(count + 1, np.int64), np.empty(level.count, np.int32)
    sizes, colours = np.zeros(count, np.int64), np.zeros(count, np.uint64)
    kernels.members_of(level.labels, level.sizes, level.colours, starts, members, sizes, colours)
    if parallel is not None:
        parallel.relabel(level.labels)
        lists = _percentiles(parallel, count, rules)
        new = Level(*lists, (lists[2], np.empty(0), np.empty(0, np.int64)), sizes, colours)
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

    count, linkage = len(sizes), rules.linkage
    limits, lengths = np.zeros(count + 1, np.int64), np.empty(count, np.int64)
    kernels.room(member_starts, members, level.starts, limits)
    room = len(level.neighbours)
    parts: list[np.ndarray] = [
        np.empty(room, np.int32), np.empty(room), np.empty(0 if linkage == _MAX else room),
        np.empty(room if linkage == _MEAN else 0, np.int64),
    ]  # fmt: skip
    run_ranges(
        kernels.contract, count, member_starts, members, level.labels, level.starts, level.neighbours, *level.sums,
        linkage, limits, lengths, *parts, min_rows=FEW_ROWS,
    )  # fmt: skip
    starts = _starts(lengths)
    neighbours, weight, rest, counts = (_packed(limits, starts, part) for part in parts)
    value = weight
    if linkage not in (_MAX, _SUM):
        value = np.empty_like(weight)
        run_ranges(
            kernels.values, count, starts, neighbours, weight, counts, sizes, linkage, rules.bound, value,
            min_rows=FEW_ROWS,
        )  # fmt: skip
    return Level(starts, neighbours, value, (weight, rest, counts), sizes, colours)


def _percentiles(parallel: ParallelEdges, count: int, rules: Rules) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from graphformers.tokenizers import edge_list_kernels as kernels

    ends = 2 * len(parallel.parts[0])
    limits, lengths = np.zeros(count + 1, np.int64), np.empty(count, np.int64)
    lists = np.empty(ends, np.int32), np.empty(ends)
    kernels.lists_of(*parallel.parts, limits, *lists)
    neighbours, weights = np.empty(ends, np.int32), np.empty(ends)
    run_ranges(
        kernels.percentiles, count, limits, *lists, rules.percentile, rules.min_edges, lengths, neighbours, weights,
        min_rows=FEW_ROWS,
    )  # fmt: skip
    starts = _starts(lengths)
    return starts, _packed(limits, starts, neighbours), _packed(limits, starts, weights)


def _run(kernel: Any, level: Level, *args: Any) -> None:
    run_ranges(kernel, level.count, level.starts, level.neighbours, *args, min_rows=FEW_ROWS)


def _starts(lengths: np.ndarray) -> np.ndarray:
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def _packed(limits: np.ndarray, starts: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Lists one right after the other; nothing of what is empty."""
    from graphformers.tokenizers.affinity_kernels import pack_rows

    target = np.empty(starts[-1] if len(source) else 0, source.dtype)
    if len(source):
        run_ranges(pack_rows, len(starts) - 1, limits, starts, source, target, min_rows=FEW_ROWS)
    return target
