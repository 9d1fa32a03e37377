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
    eye = torch.eye(adjacency.shape[-1])
    stay_or_step = adjacency.to(torch.float32) + eye
    reached, missing = eye.expand(adjacency.shape), (1 - eye).expand(adjacency.shape)
    steps, before = missing, None
    while before is None or not torch.equal(before, missing):
        before = missing
        reached = torch.bmm(reached, stay_or_step).clamp_(max=1)
        missing = 1 - reached
        steps = steps + missing
    # Pairs without a path were counted in every round.
    return torch.where(missing > 0, -1, steps).to(torch.int64)


def node_labels(adjacency: Tensor, steps: Tensor, *, source: Tensor, values: Tensor) -> Tensor:
    """Three properties of each node.

    Args:
        adjacency: [G, n, n] bool, symmetric, without loops.
        steps: [G, n, n] its ``shortest_paths``.
        source: [G] int64, a node of each graph.
        values: [G, n] float32.

    Returns:
        [G, n, 3] float32: steps from the source, 0 where it cannot be reached; eccentricity among the nodes that can be
        reached; (D - A) values.
    """
    from_source = steps[torch.arange(len(steps)), source].clamp(min=0)
    links = adjacency.to(torch.float64)
    laplacian = links.sum(2) * values - torch.einsum("gij,gj->gi", links, values.to(torch.float64))
    return torch.stack([from_source, steps.amax(2), laplacian], dim=2).to(torch.float32)


def graph_labels(adjacency: Tensor, steps: Tensor, *, bipartite_connected: bool = True) -> Tensor:
    """Three properties of each graph.

    Args:
        adjacency: [G, n, n] bool, symmetric, without loops.
        steps: [G, n, n] its ``shortest_paths``.
        bipartite_connected: Whether a graph that is connected counts as such if it is bipartite too.

    Returns:
        [G, 3] float32: 1 if connected, else 0; the longest of the shortest paths there are; the largest absolute
        eigenvalue of the adjacency.
    """
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
