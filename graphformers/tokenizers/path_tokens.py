"""A sequence for each node: the clusters that hold it, from the whole to itself."""

from __future__ import annotations

import torch
from torch import Tensor

from formerkit.mixers.packing import starts_of
from graphformers.tokenizers.hierarchy import Hierarchy
from graphformers.tokenizers.leaf_order_tokens import of_hierarchy
from graphformers.tokenizers.token_sequences import Ragged, TokenSequences


def path_tokens(hierarchy: Hierarchy, batch: Tensor) -> TokenSequences:
    """A token for each cluster above a node, the root first and the node itself last; its output is the encoding.

    This is what the paper's text calls DFS; see :func:`~graphformers.tokenizers.leaf_order_tokens.leaf_order_tokens`.
    What is true of all nodes of a graph, such as its size, has to come in by the clusters' encodings.

    Args:
        hierarchy: Of all nodes of the batch.
        batch: [N] int64, sorted.

    Returns:
        A sequence for each node, whose ``kind`` is the level of the cluster, 0 for the node; on the CPU.

    Raises:
        ValueError: If the hierarchy has other nodes, or the batch is not sorted.
    """
    of_hierarchy(hierarchy, batch)
    paths, nodes = hierarchy.paths, torch.arange(hierarchy.num_nodes)
    first, members = all_clusters(hierarchy)
    content = first[paths.level] + paths.cluster
    last = paths.cu_seqlens[1:].long() - 1
    return TokenSequences("node", nodes, paths.cu_seqlens, content, paths.level, members, None, last, nodes, len(nodes))


def all_clusters(hierarchy: Hierarchy) -> tuple[Tensor, Ragged]:
    """Where the clusters of each level begin [L + 2] if all are numbered one level after the other, and their nodes."""
    first = starts_of(torch.tensor(hierarchy.level_sizes))
    rows = (hierarchy.clusters + first[:-1, None]).flatten()
    nodes = torch.arange(hierarchy.num_nodes).repeat(hierarchy.num_levels + 1)
    return first, Ragged.of_rows(rows, nodes, int(first[-1]))
