"""Properties of nodes and graphs, for many graphs with one number of nodes, from their dense adjacency matrices."""

from __future__ import annotations

import torch
from torch import Tensor


def shortest_paths(adjacency: Tensor) -> Tensor:
    """Steps between any two nodes.

    Args:
        adjacency: [G, n, n] bool, symmetric.

    Returns:
        [G, n, n] int64; -1 where there is no path.
    """
    links = adjacency.to(torch.float32)
    reached = torch.eye(adjacency.shape[-1], dtype=torch.bool).expand(adjacency.shape).clone()
    steps = torch.where(reached, 0, -1)
    newly, step = reached, 0
    while newly.any():
        step += 1
        newly = (torch.bmm(newly.to(torch.float32), links) > 0) & ~reached
        reached |= newly
        steps[newly] = step
    return steps


def node_labels(adjacency: Tensor, *, source: Tensor, values: Tensor) -> Tensor:
    """Three properties of each node.

    Args:
        adjacency: [G, n, n] bool, symmetric, without loops.
        source: [G] int64, a node of each graph.
        values: [G, n] float32.

    Returns:
        [G, n, 3] float32: steps from the source, 0 where it cannot be reached; eccentricity among the nodes that can be
        reached; (D - A) values.
    """
    steps = shortest_paths(adjacency)
    from_source = steps[torch.arange(len(steps)), source].clamp(min=0)
    links = adjacency.to(torch.float64)
    laplacian = links.sum(2) * values - torch.einsum("gij,gj->gi", links, values.to(torch.float64))
    return torch.stack([from_source, steps.amax(2), laplacian], dim=2).to(torch.float32)


def graph_labels(adjacency: Tensor, *, bipartite_connected: bool = True) -> Tensor:
    """Three properties of each graph.

    Args:
        adjacency: [G, n, n] bool, symmetric, without loops.
        bipartite_connected: Whether a graph that is connected counts as such if it is bipartite too.

    Returns:
        [G, 3] float32: 1 if connected, else 0; the longest of the shortest paths there are; the largest absolute
        eigenvalue of the adjacency.
    """
    steps = shortest_paths(adjacency)
    connected = (steps >= 0).flatten(1).all(1)
    if not bipartite_connected:
        connected &= ~_bipartite_if_connected(adjacency, steps)
    radius = torch.linalg.eigvalsh(adjacency.to(torch.float64)).abs().amax(1)
    return torch.stack([connected, steps.flatten(1).amax(1), radius], dim=1).to(torch.float32)


def _bipartite_if_connected(adjacency: Tensor, steps: Tensor) -> Tensor:
    """[G] bool: no edge joins two nodes at the same distance, even or odd, from node 0."""
    odd = steps[:, 0] % 2 == 1
    same_side = odd[:, :, None] == odd[:, None, :]
    return ~(adjacency & same_side).flatten(1).any(1)
