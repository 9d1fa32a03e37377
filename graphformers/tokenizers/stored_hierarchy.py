"""Hierarchies of many graphs, made once and kept beside their nodes, and those of a batch out of them."""

from __future__ import annotations

from dataclasses import replace

import torch
from formerdata.graphs import PackedGraphs
from formerdata.graphs.runs import blocks_of_runs
from torch import Tensor

from formerkit.mixers.packing import starts_of
from graphformers.ops.batches import graph_counts
from graphformers.tokenizers.affinity import Linkage
from graphformers.tokenizers.batch_hierarchy import batch_hierarchy
from graphformers.tokenizers.hierarchy import Hierarchy

NODES_AT_ONCE = 1 << 17


def with_hierarchies(graphs: PackedGraphs, linkage: Linkage = "average") -> PackedGraphs:
    """The data set with ``clusters`` [N, K + 1], those of :func:`~graphformers.tokenizers.batch_hierarchy`.

    Raises:
        ValueError: If the graphs have no ``x``.
    """
    if graphs.x is None:
        raise ValueError("x: expected features or types of nodes, of which clusters are made")
    parts = []
    for numbers in blocks_of_runs(graphs.node_starts, NODES_AT_ONCE):
        part = graphs.batch(numbers)
        assert part.x is not None
        tree = batch_hierarchy(part.x, part.edge_index, part.batch, part.num_graphs, pe=part.pe, linkage=linkage)
        parts.append(cluster_columns(tree, part.batch, part.num_graphs))
    width = max((part.shape[1] for part in parts), default=1)
    # A graph that has no levels left repeats its last one.
    padded = [torch.cat([part, part[:, -1:].expand(-1, width - part.shape[1])], 1) for part in parts]
    return replace(graphs, clusters=torch.cat(padded) if padded else torch.zeros(0, 1, dtype=torch.int32))


def cluster_columns(tree: Hierarchy, batch: Tensor, num_graphs: int) -> Tensor:
    """[N, K + 1] int32 of a hierarchy of K levels: a node's place among its graph's leaves, and its cluster on each
    level above, both counted from 0 in each graph.

    Args:
        tree: Of a batch, each graph's clusters apart and in the leaves' order, as ``batch_hierarchy`` has them.
        batch: [N] int64, sorted. num_graphs: G.
    """
    place = torch.empty_like(tree.leaf_order)
    place[tree.leaf_order] = torch.arange(len(place))
    rows = torch.cat([place[None], tree.clusters[1:]])
    lowest = torch.zeros(len(rows), num_graphs, dtype=torch.int64)
    lowest.scatter_reduce_(1, batch.expand(len(rows), -1), rows, "amin", include_self=False)
    return (rows - lowest[:, batch]).T.to(torch.int32).contiguous()


def hierarchy_of(clusters: Tensor, batch: Tensor, num_graphs: int) -> Hierarchy:
    """The hierarchy of a batch of graphs; which edges joined its clusters is not known.

    Args:
        clusters: [N, K + 1], as :func:`cluster_columns` has them.
        batch: [N] int64, sorted. num_graphs: G.

    Returns:
        On the CPU, with as many levels as those of these graphs have that have most.
    """
    rows, batch = clusters.T.cpu().long(), batch.cpu()
    starts = starts_of(graph_counts(batch, num_graphs))
    order = torch.empty(len(batch), dtype=torch.int64)
    order[starts[batch] + rows[0]] = torch.arange(len(batch))
    counts = torch.zeros(len(rows), num_graphs, dtype=torch.int64)
    counts.scatter_reduce_(1, batch.expand(len(rows), -1), rows + 1, "amax")
    # Levels above the last one that joined anything say nothing.
    levels = int((counts.sum(1).diff() < 0).sum())
    first = counts.cumsum(1) - counts
    numbers = rows + first[:, batch]
    numbers[0] = torch.arange(len(batch))
    parents = []
    for level in range(levels):
        parent = torch.empty(int(counts[level].sum()), dtype=torch.int64)
        parent[numbers[level]] = numbers[level + 1]
        parents.append(parent)
    unknown = tuple(torch.full_like(parent, -1) for parent in parents)
    worth = tuple(torch.full(parent.shape, torch.nan, dtype=torch.float64) for parent in parents)
    return Hierarchy(tuple(parents), order, unknown, worth, ())
