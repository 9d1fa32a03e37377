"""Lists of neighbours in the order of time, and of edges that are in order already."""

from __future__ import annotations

import numpy as np
import torch
from formerdata.graphs.csr import CSRGraph, csr_graph
from formerdata.graphs.runs import starts_of
from torch import Tensor


def timed_graph(edge_index: Tensor, num_nodes: int, times: Tensor) -> tuple[CSRGraph, np.ndarray]:
    """The graph with rows by destination, each list ascending in time, and the times [E] in the order of its lists.

    Args:
        edge_index: [2, E].
        times: [E], of edges; of nodes [N] give ``times[edge_index[0]]``, those of the sources.

    Raises:
        ValueError: If times are not one an edge, or not numbers in an order.
    """
    _check_times(times, edge_index)
    order = torch.argsort(times, stable=True)
    graph = csr_graph(edge_index[:, order], num_nodes, rows="destination")
    edge_ids = order.numpy()[graph.edge_ids]
    return CSRGraph(graph.starts, graph.neighbours, edge_ids, graph.num_columns), times.numpy()[edge_ids]


def sorted_graph(edge_index: Tensor, num_nodes: int, times: Tensor | None = None) -> tuple[CSRGraph, np.ndarray | None]:
    """The same, of edges that are sorted by destination, and for each by time if there is one; nothing is copied.

    Raises:
        ValueError: If they are not, or as for ``timed_graph`` and ``csr_graph``.
    """
    if not _is_integer_pairs(edge_index):
        raise ValueError(f"edge_index: expected [2, E] integers, got {edge_index.dtype} {tuple(edge_index.shape)}")
    sources, destinations = edge_index
    if sources.numel() and not 0 <= int(edge_index.min()) <= int(edge_index.max()) < num_nodes:
        found = f"{int(edge_index.min())} to {int(edge_index.max())}"
        raise ValueError(f"edge_index: nodes from {found}, expected 0 to {num_nodes - 1}")
    in_order = destinations[1:] >= destinations[:-1]
    if times is not None:
        _check_times(times, edge_index)
        in_order &= (destinations[1:] != destinations[:-1]) | (times[1:] >= times[:-1])
    if not bool(in_order.all()):
        raise ValueError("is_sorted: edges are not sorted by destination" + (" and time" if times is not None else ""))
    starts = starts_of(torch.bincount(destinations, minlength=num_nodes))
    graph = CSRGraph(starts.numpy(), sources.contiguous().numpy(), None, num_nodes)
    return graph, None if times is None else times.numpy()


def _is_integer_pairs(edge_index: Tensor) -> bool:
    return edge_index.ndim == 2 and edge_index.shape[0] == 2 and edge_index.dtype in (torch.int32, torch.int64)


def _check_times(times: Tensor, edge_index: Tensor) -> None:
    if times.shape != (edge_index.shape[1],):
        raise ValueError(f"times: expected shape ({edge_index.shape[1]},), got {tuple(times.shape)}")
    if times.is_floating_point() and bool(times.isnan().any()):
        raise ValueError("times: NaN is neither early nor late")
