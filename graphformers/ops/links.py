"""Who is linked to whom, whatever the edges' directions, repetitions and loops."""

from __future__ import annotations

import torch
from torch import Tensor

from graphformers.ops.adjacency import check_edge_index
from graphformers.ops.batches import check_sorted


def simple_links(edge_index: Tensor, num_nodes: int) -> Tensor:
    """[2, E] int64: each pair of linked nodes once in each direction, sorted; without loops.

    Raises:
        ValueError: On edges that name absent nodes.
    """
    check_edge_index(edge_index, num_nodes, num_nodes)
    edges = edge_index.long()
    edges = edges[:, edges[0] != edges[1]]
    keys = torch.cat([edges[0] * num_nodes + edges[1], edges[1] * num_nodes + edges[0]])
    keys = torch.unique(keys)
    return torch.stack([keys // max(1, num_nodes), keys % max(1, num_nodes)])


def checked_batch(
    edge_index: Tensor, num_nodes: int, batch: Tensor | None, num_graphs: int | None
) -> tuple[Tensor, int]:
    """``batch`` and the number of graphs; one graph if ``batch`` is None.

    Raises:
        ValueError: On a batch that is not sorted or has another length, or edges that name absent nodes or leave their
            graph.
    """
    check_edge_index(edge_index, num_nodes, num_nodes)
    if batch is None:
        return torch.zeros(num_nodes, dtype=torch.int64, device=edge_index.device), num_graphs or 1
    if len(batch) != num_nodes:
        raise ValueError(f"batch: expected {num_nodes} entries, got {len(batch)}")
    check_sorted(batch)
    if bool((batch[edge_index[0].long()] != batch[edge_index[1].long()]).any()):
        raise ValueError("edge_index: an edge joins two graphs of the batch")
    return batch, (int(batch[-1]) + 1 if len(batch) else 0) if num_graphs is None else num_graphs
