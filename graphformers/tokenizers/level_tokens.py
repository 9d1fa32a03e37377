"""A sequence for each level of a graph's hierarchy: its clusters."""

from __future__ import annotations

import torch
from torch import Tensor

from formerkit.mixers.packing import starts_of
from graphformers.tokenizers.hierarchy import Hierarchy
from graphformers.tokenizers.leaf_order_tokens import of_hierarchy
from graphformers.tokenizers.path_tokens import all_clusters
from graphformers.tokenizers.token_sequences import TokenSequences


def level_tokens(hierarchy: Hierarchy, batch: Tensor) -> TokenSequences:
    """Sequences from the coarsest level that a graph has to its nodes; a token for each cluster, in the leaves' order.

    A node's encoding is the mean of the outputs of the clusters that hold it, one of each level. This is what the
    paper's text calls BFS; see :func:`~graphformers.tokenizers.leaf_order_tokens.leaf_order_tokens`. A level on which
    nothing joins in a graph any more is not one of its levels, whatever other graphs of the batch do.

    Args:
        hierarchy: Of all nodes of the batch.
        batch: [N] int64, sorted.

    Returns:
        L + 1 sequences for each graph that has nodes and joins L times, whose ``kind`` is the level; on the CPU.

    Raises:
        ValueError: If the hierarchy has other nodes, or the batch is not sorted.
    """
    batch, count = of_hierarchy(hierarchy, batch), hierarchy.num_nodes
    levels, graphs = hierarchy.num_levels + 1, int(batch.max()) + 1 if count else 0
    first, members = all_clusters(hierarchy)
    level = torch.repeat_interleave(torch.arange(levels), first.diff())
    graph = batch[members.values[members.starts[:-1]]]
    kept = level <= _tops(level, graph, levels, graphs)[graph]
    # Nodes keep their numbers on level 0; from level 1 on numbers are places in the leaves' order.
    place = torch.arange(len(level)) - first[level]
    place[hierarchy.leaf_order] = torch.arange(count)
    content = torch.nonzero(kept).flatten()
    sequence = graph[content] * levels + levels - 1 - level[content]
    content = content[torch.argsort(sequence * max(1, count) + place[content])]
    tokens = torch.bincount(sequence, minlength=graphs * levels)
    named = torch.nonzero(tokens).flatten()
    row_of = torch.empty_like(level)
    row_of[content] = torch.arange(len(content))
    told = kept[members.rows]
    return TokenSequences(
        "graph", named // levels, starts_of(tokens[named]).int(), content, level[content], members, None,
        row_of[members.rows[told]], members.values[told], count,
    )  # fmt: skip


def _tops(level: Tensor, graph: Tensor, levels: int, graphs: int) -> Tensor:
    """[G] int64: the level on which clusters of each graph joined for the last time."""
    clusters = torch.bincount(graph * levels + level, minlength=graphs * levels).view(graphs, levels)
    return (clusters[:, 1:] < clusters[:, :-1]).sum(1)
