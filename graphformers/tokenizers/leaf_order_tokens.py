"""One token for each node, in the order of the leaves of a hierarchy of clusters; one sequence for each graph."""

from __future__ import annotations

import torch
from torch import Tensor

from graphformers.ops.batches import check_sorted
from graphformers.tokenizers.hierarchy import Hierarchy
from graphformers.tokenizers.node_tokens import sequences_of_nodes
from graphformers.tokenizers.token_sequences import TokenSequences


def leaf_order_tokens(hierarchy: Hierarchy, batch: Tensor) -> TokenSequences:
    """A token for each node, those of one cluster together on every level.

    The paper names two ways to read the tree, DFS and BFS, and from what is known of it one cannot tell which they are.
    In its tables DFS costs as little, and behaves, as this does; by its text it is
    :func:`~graphformers.tokenizers.path_tokens.path_tokens`. So here ways are named by what they do.

    Args:
        hierarchy: Of all nodes of the batch.
        batch: [N] int64, sorted.

    Returns:
        A sequence for each graph that has nodes; on the CPU.

    Raises:
        ValueError: If the hierarchy has other nodes, or the batch is not sorted.
    """
    batch = of_hierarchy(hierarchy, batch)
    return sequences_of_nodes(by_graph(hierarchy, batch), batch)


def of_hierarchy(hierarchy: Hierarchy, batch: Tensor) -> Tensor:
    """``batch`` on the CPU.

    Raises:
        ValueError: If the hierarchy has other nodes, or the batch is not sorted.
    """
    if hierarchy.num_nodes != len(batch):
        raise ValueError(f"hierarchy: expected {len(batch)} nodes, got {hierarchy.num_nodes}")
    check_sorted(batch)
    return batch.cpu()


def by_graph(hierarchy: Hierarchy, batch: Tensor) -> Tensor:
    """[N] int64: the leaves of each graph in their order, one graph after the other."""
    leaves = hierarchy.leaf_order
    return leaves[torch.argsort(batch[leaves], stable=True)]
