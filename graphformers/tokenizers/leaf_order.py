"""From the rounds of a clustering to a hierarchy: the order of clusters, and their final numbers."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from formerkit.parallel import run_ranges
from graphformers.tokenizers.hierarchy import Hierarchy, LevelGraph
from graphformers.tokenizers.levels import Level


def assemble(levels: list[Level], similarity: bool, keep_graphs: bool) -> Hierarchy:
    """Order the clusters of each level from the top down, and number them in that order; nodes keep their numbers."""
    orders = _orders(levels)
    places = [np.arange(levels[0].count), *(_inverse(order) for order in orders[1:])]
    rows = [places[0], *orders[1:]]
    parents, partners, joins = [], [], []
    for number, (level, order) in enumerate(zip(levels[:-1], rows, strict=False)):
        parents.append(_tensor(places[number + 1][level.labels[order]]))
        other = level.partners[order]
        partners.append(_tensor(np.where(other >= 0, places[number][other], -1)))
        joins.append(_tensor(level.joins[order] if similarity else 0.0 - level.joins[order]))
    graphs: tuple[LevelGraph, ...] = ()
    if keep_graphs:
        graphs = tuple(
            _graph(level, order, place, similarity, renumber=level is not levels[0])
            for level, order, place in zip(levels, rows, places, strict=True)
        )
    return Hierarchy(tuple(parents), _tensor(orders[0]), tuple(partners), tuple(joins), graphs)


def _orders(levels: list[Level]) -> list[np.ndarray]:
    """For each level the clusters in their order, children of one cluster together."""
    from graphformers.tokenizers.affinity_kernels import order_children

    top = levels[-1]
    # The last key is the first to count; what is equal in both keeps the order of the numbers.
    orders = [np.lexsort((top.colours, -top.sizes))]
    for level in reversed(levels[:-1]):
        order = np.empty(level.count, np.int64)
        order_children(
            orders[0], level.member_starts, level.members, level.sizes, level.joins, level.colours, order
        )  # fmt: skip
        orders.insert(0, order)
    return orders


def _graph(level: Level, order: np.ndarray, places: np.ndarray, similarity: bool, *, renumber: bool) -> LevelGraph:
    from graphformers.tokenizers.affinity_kernels import renumber_rows

    starts, neighbours, value = np.zeros(level.count + 1, np.int64), level.neighbours, level.value
    np.cumsum((level.ends - level.starts)[order], out=starts[1:])
    if renumber:
        neighbours, value = np.empty(starts[-1], np.int32), np.empty(starts[-1])
        run_ranges(
            renumber_rows, level.count, order, places, level.starts, level.neighbours, level.value, starts, neighbours,
            value, min_rows=2048,
        )  # fmt: skip
    # Not needed any more; the next graph may take its place.
    level.neighbours, level.value = level.neighbours[:0], level.value[:0]
    return LevelGraph(_tensor(starts), _tensor(neighbours), _tensor(value if similarity else 0.0 - value))


def _inverse(order: np.ndarray) -> np.ndarray:
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return places


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array)
