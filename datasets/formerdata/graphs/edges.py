"""Lists of edges: both directions of each, none twice."""

from __future__ import annotations

import torch
from torch import Tensor


def without_repeats(edge_index: Tensor, num_nodes: int, *, loops: bool = True) -> Tensor:
    """[2, E] int64, each edge once, in ascending order of (source, destination).

    Args:
        edge_index: [2, E] int64, below ``num_nodes``.
        num_nodes: Nodes of the graph.
        loops: Whether edges from a node to itself stay.
    """
    if not loops:
        edge_index = edge_index[:, edge_index[0] != edge_index[1]]
    keys = torch.unique(edge_index[0] * num_nodes + edge_index[1])
    return torch.stack([keys // num_nodes, keys % num_nodes]) if num_nodes else edge_index


def both_ways(edge_index: Tensor, num_nodes: int, *, loops: bool = True) -> Tensor:
    """The same edges and their reverses, each once (see :func:`without_repeats`)."""
    return without_repeats(torch.cat([edge_index, edge_index.flip(0)], dim=1), num_nodes, loops=loops)
