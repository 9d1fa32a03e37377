"""Who is linked to whom, whatever the edges' directions, repetitions and loops."""

from __future__ import annotations

import torch
from formerdata.graphs.edges import check_edge_index
from torch import Tensor

from graphformers.ops.batches import check_sorted, graphs_of_nodes


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


def graphs_with_edges(
    edge_index: Tensor, num_nodes: int, batch: Tensor | None, num_graphs: int | None
) -> tuple[Tensor, int]:
    """The graph of each node [N] int64 and the number of graphs, if the edges [2, E] keep to them.

    Raises:
        ValueError: Those of :func:`~graphformers.ops.batches.graphs_of_nodes`; on a batch that is not sorted; on edges
            that name absent nodes or leave their graph.
    """
    check_edge_index(edge_index, num_nodes, num_nodes)
    batch, num_graphs = graphs_of_nodes(batch, num_graphs, num_nodes, edge_index.device)
    check_sorted(batch)
    if bool((batch[edge_index[0].long()] != batch[edge_index[1].long()]).any()):
        raise ValueError("edge_index: an edge joins two graphs of the batch")
    return batch, num_graphs
