"""Hierarchies of several graphs as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from graphformers.tokenizers.hierarchy import Hierarchy


def side_by_side(trees: Sequence[Hierarchy]) -> Hierarchy:
    """The hierarchy of a batch of graphs, each of which has the clusters and the order of leaves that it has alone.

    Nodes, and clusters of each level, are numbered through the graphs. A graph that has no levels left repeats its last
    one. Graphs of levels are not kept.
    """
    levels = max((tree.num_levels for tree in trees), default=0)
    sizes = [[tree.level_sizes[min(level, tree.num_levels)] for tree in trees] for level in range(levels + 1)]
    first = [torch.tensor([0, *row]).cumsum(0).tolist() for row in sizes]
    parents, partners, joins = [], [], []
    for level in range(levels):
        parts = [_parents(tree, level) + start for tree, start in zip(trees, first[level + 1], strict=False)]
        parents.append(torch.cat(parts))
        ends, worth = zip(*(_marked(tree, level) for tree in trees), strict=True)
        shifted = [torch.where(end < 0, end, end + start) for end, start in zip(ends, first[level], strict=False)]
        partners.append(torch.cat(shifted))
        joins.append(torch.cat(worth))
    leaves = [tree.leaf_order + start for tree, start in zip(trees, first[0], strict=False)]
    order = torch.cat(leaves) if leaves else torch.zeros(0, dtype=torch.int64)
    return Hierarchy(tuple(parents), order, tuple(partners), tuple(joins), ())


def _parents(tree: Hierarchy, level: int) -> Tensor:
    if level < tree.num_levels:
        return tree.parents[level]
    # Above the nodes, numbers are places in the order of leaves.
    return torch.argsort(tree.leaf_order) if level == 0 else torch.arange(tree.level_sizes[-1])


def _marked(tree: Hierarchy, level: int) -> tuple[Tensor, Tensor]:
    """Partners and joins."""
    if level < tree.num_levels:
        return tree.partners[level], tree.joins[level]
    nothing = torch.full((tree.level_sizes[-1],), -1)
    return nothing, torch.full(nothing.shape, torch.nan, dtype=torch.float64)
