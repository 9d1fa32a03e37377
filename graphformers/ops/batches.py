"""Graphs that lie one after another in one batch: means over each, and edges between all nodes of each."""

from __future__ import annotations

import torch
from torch import Tensor


def check_sorted(batch: Tensor) -> None:
    """Raise ValueError unless the nodes of each graph lie together, in the order of the graphs."""
    if bool((batch[1:] < batch[:-1]).any()):
        raise ValueError("batch: expected the nodes of each graph to lie together, in the order of the graphs")


def graph_counts(batch: Tensor, num_graphs: int) -> Tensor:
    """[G] nodes of each graph; ``batch`` is [N], the graph of each node."""
    return torch.bincount(batch, minlength=num_graphs)


def graph_mean(x: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
    """[N, C] to [G, C]; zero for a graph without nodes."""
    total = x.new_zeros(num_graphs, x.shape[1]).index_add(0, batch, x)
    return total / graph_counts(batch, num_graphs).clamp(min=1).to(x.dtype)[:, None]


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
