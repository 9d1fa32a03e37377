"""Lists of neighbours in the order of time."""

from __future__ import annotations

import numpy as np
import torch
from formerdata.graphs.csr import CSRGraph, csr_graph
from torch import Tensor


def timed_graph(edge_index: Tensor, num_nodes: int, times: Tensor) -> tuple[CSRGraph, np.ndarray]:
    """The graph with rows by destination, each list ascending in time, and the times [E] in the order of its lists.

    Args:
        edge_index: [2, E].
        times: [E], of edges; of nodes [N] give ``times[edge_index[0]]``, those of the sources.

    Raises:
        ValueError: If times are not one an edge, or not numbers in an order.
    """
    if times.shape != (edge_index.shape[1],):
        raise ValueError(f"times: expected shape ({edge_index.shape[1]},), got {tuple(times.shape)}")
    if times.is_floating_point() and bool(times.isnan().any()):
        raise ValueError("times: NaN is neither early nor late")
    order = torch.argsort(times, stable=True)
    graph = csr_graph(edge_index[:, order], num_nodes, rows="destination")
    edge_ids = order.numpy()[graph.edge_ids]
    return CSRGraph(graph.starts, graph.neighbours, edge_ids, graph.num_columns), times.numpy()[edge_ids]
