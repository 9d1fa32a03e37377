"""Pairs of nodes that are not linked, drawn uniformly and without a second try."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class NonEdges:
    """All ordered pairs of two different nodes that are not among some edges.

    Pair (a, b) has the key ``a * num_nodes + b``. With the forbidden keys k_0 < k_1 < ..., k_i - i allowed ones lie
    below k_i; so the r-th allowed key is r plus the number of i with k_i - i <= r, which one binary search finds.

    Attributes:
        num_nodes: Nodes of the graph.
        below: [K] int64, ascending: how many allowed keys lie below each forbidden one.
    """

    num_nodes: int
    below: Tensor

    def __len__(self) -> int:
        return self.num_nodes**2 - len(self.below)

    def draw(self, count: int, rng: np.random.Generator) -> Tensor:
        """[count, 2] int64, each pair uniform among all, independently (one may come twice).

        Raises:
            ValueError: If there is no such pair.
        """
        if len(self) == 0:
            raise ValueError("edges: all pairs of nodes are linked, there is nothing to draw from")
        return self.at(torch.from_numpy(rng.integers(0, len(self), count)))

    def at(self, ranks: Tensor) -> Tensor:
        """[n, 2] int64, the pairs of those ranks in ascending order; ranks are [n] int64 below ``len``."""
        keys = ranks + torch.searchsorted(self.below, ranks, right=True)
        return torch.stack([keys // self.num_nodes, keys % self.num_nodes], 1)


def non_edges(edge_index: Tensor, num_nodes: int, *, directed: bool = False) -> NonEdges:
    """The pairs that are not linked, and not of a node with itself.

    Args:
        edge_index: [2, E] int64, below ``num_nodes``; repeated edges and loops do no harm.
        num_nodes: N, at most 3 * 10^9, so that a pair has a key.
        directed: Whether (a, b) may be drawn where only (b, a) is an edge.

    Returns:
        16 bytes for each ordered pair that is linked, while it is made; then 8.
    """
    edges = edge_index if directed else torch.cat([edge_index, edge_index.flip(0)], 1)
    nodes = torch.arange(num_nodes)
    forbidden = torch.unique(torch.cat([edges[0] * num_nodes + edges[1], nodes * (num_nodes + 1)]))
    return NonEdges(num_nodes, forbidden - torch.arange(len(forbidden)))
