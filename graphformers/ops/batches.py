"""Graphs that lie one after another in one batch: means over each, and edges between all nodes of each."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Reduction = Literal["mean", "sum", "max", "min"]


def graphs_of_nodes(
    batch: Tensor | None, num_graphs: int | None, num_nodes: int, device: torch.device
) -> tuple[Tensor, int]:
    """The graph of each node [N] int64, and how many graphs there are.

    Args:
        batch: [N]; one graph if None.
        num_graphs: Graphs of the batch, if its last ones may be empty.
        num_nodes: N.
        device: Where the nodes are.

    Raises:
        ValueError: If batch is not [N], or names a graph that is not there.
    """
    if batch is None:
        batch = torch.zeros(num_nodes, dtype=torch.int64, device=device)
        num_graphs = 1 if num_graphs is None else num_graphs
    if tuple(batch.shape) != (num_nodes,) or batch.is_floating_point():
        raise ValueError(
            f"batch: expected {num_nodes} integers, one a node, got {batch.dtype} of shape {tuple(batch.shape)}"
        )
    smallest, largest = (int(batch.min()), int(batch.max())) if len(batch) else (0, -1)
    num_graphs = largest + 1 if num_graphs is None else num_graphs
    if smallest < 0 or largest >= num_graphs:
        raise ValueError(f"batch: expected graphs from 0 to {num_graphs - 1}, got {smallest} to {largest}")
    return batch.long(), num_graphs


def check_sorted(batch: Tensor) -> None:
    """Raise ValueError unless the nodes of each graph lie together, in the order of the graphs."""
    if bool((batch[1:] < batch[:-1]).any()):
        raise ValueError("batch: expected the nodes of each graph to lie together, in the order of the graphs")


def graph_counts(batch: Tensor, num_graphs: int) -> Tensor:
    """[G] nodes of each graph; ``batch`` is [N], the graph of each node."""
    return torch.bincount(batch, minlength=num_graphs)


def graph_sum(x: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
    """[N, C] to [G, C]; the nodes in any order."""
    return x.new_zeros(num_graphs, x.shape[1]).index_add(0, batch, x)


def graph_mean(x: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
    """[N, C] to [G, C]; zero for a graph without nodes."""
    return graph_sum(x, batch, num_graphs) / graph_counts(batch, num_graphs).clamp(min=1).to(x.dtype)[:, None]


def graph_reduce(x: Tensor, batch: Tensor, num_graphs: int, reduction: Reduction) -> Tensor:
    """[N, C] to [G, C]: the nodes of each graph taken together, in any order; zero for a graph without nodes.

    Gradients of the largest and the smallest are shared between equals.
    """
    if reduction == "sum":
        return graph_sum(x, batch, num_graphs)
    if reduction == "mean":
        return graph_mean(x, batch, num_graphs)
    out = x.new_zeros(num_graphs, x.shape[1])
    return out.scatter_reduce(0, batch[:, None].expand_as(x), x, f"a{reduction}", include_self=False)


def complete_edges(batch: Tensor, num_graphs: int) -> Tensor:
    """[2, E] edges from every node to every other of its graph; ``batch`` must be sorted.

    Raises:
        ValueError: If batch is not sorted.
    """
    check_sorted(batch)
    counts = graph_counts(batch, num_graphs)
    starts = torch.cumsum(counts, 0) - counts
    size = counts[batch]  # of each node's graph
    destination = torch.repeat_interleave(torch.arange(len(batch), device=batch.device), size)
    first = torch.cumsum(size, 0) - size
    source = torch.arange(len(destination), device=batch.device) - first[destination] + starts[batch][destination]
    other = source != destination
    return torch.stack([source[other], destination[other]])
