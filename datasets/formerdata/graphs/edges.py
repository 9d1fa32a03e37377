"""Lists of edges: what they must be; both directions of each, none twice."""

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


def check_edge_index(edge_index: Tensor, sources: int, destinations: int) -> None:
    """Raise ValueError unless edge_index is [2, E] of integers, sources above destinations, each of which is there."""
    if edge_index.ndim != 2 or edge_index.shape[0] != 2:
        raise ValueError(f"edge_index: expected shape [2, E], got {tuple(edge_index.shape)}")
    if edge_index.is_floating_point() or edge_index.is_complex() or edge_index.dtype == torch.bool:
        raise ValueError(f"edge_index: expected integers, got {edge_index.dtype}")
    for name, row, count in (("sources", edge_index[0], sources), ("destinations", edge_index[1], destinations)):
        if row.numel() and (int(row.min()) < 0 or int(row.max()) >= count):
            raise ValueError(
                f"edge_index: {name} from {int(row.min())} to {int(row.max())}, expected 0 to {count - 1} "
                f"({count} nodes)"
            )
