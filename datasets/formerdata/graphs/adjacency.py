"""Small graphs as dense adjacency matrices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Adjacency = NDArray[np.bool_]
"""[n, n], symmetric, without loops."""


def mirrored(links: NDArray[np.bool_]) -> Adjacency:
    """The undirected graph whose pairs are linked as ``links`` [n, n] has it above the diagonal."""
    upper = np.triu(links, 1)
    return upper | upper.T


def by_size(graphs: Sequence[Adjacency]) -> Iterator[NDArray[np.int64]]:
    """The places of graphs with one number of nodes, rising; the smallest graphs first."""
    sizes = np.array([len(graph) for graph in graphs])
    return (np.flatnonzero(sizes == size) for size in np.unique(sizes))
