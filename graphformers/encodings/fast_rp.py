"""Places of the nodes of a large graph: random projections of where walks lead.

Chen, Sultan, Tian, Chen and Skiena, *Fast and Accurate Network Embeddings via Very Sparse Random Projection* (2019)::

    U_0 = D^beta R,    U_h = D^-1 A U_(h-1),    places = mean over h of U_h, each row of each U_h scaled to length 1

R has entries sqrt(3), 0 and -sqrt(3) with probabilities 1/6, 2/3 and 1/6 (Achlioptas, 2003): nodes from which walks of
h steps lead to the same nodes have rows that point the same way. A sparse product a hop, and nothing to learn.
"""

from __future__ import annotations

import numpy as np
from formerdata.graphs.csr import CSRGraph

from formerkit.seeds import generator
from graphformers.encodings.context import context_features

ROWS_AT_ONCE = 1 << 16


def fast_random_projection(graph: CSRGraph, k: int, *, hops: int = 4, beta: float = -0.5, seed: int = 0) -> np.ndarray:
    """[N, k] float32, a place of each node.

    Args:
        graph: Row i lists the nodes that a step from node i leads to. A node without any has zeros from then on.
        k: Numbers of a place.
        hops: Steps of the longest walks.
        beta: Power of a node's degree in U_0: below 0, popular nodes count less.
        seed: Of R; a row depends on it and on the row's number alone.

    Raises:
        ValueError: If k or hops is below 1, or the graph has two sides.
    """
    for name, value in (("k", k), ("hops", hops)):
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
    places = np.zeros((graph.num_nodes, k), np.float32)
    walked = _projected(graph, k, beta, seed)
    for _ in range(hops):
        (walked,) = context_features(graph, walked, 1, norm="random_walk", self_loops=False)
        _add_directions(places, walked, 1 / hops)
    return places


def _projected(graph: CSRGraph, k: int, beta: float, seed: int) -> np.ndarray:
    """U_0 [N, k]."""
    rows = np.empty((graph.num_nodes, k), np.float32)
    for first in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[first : first + ROWS_AT_ONCE]
        draws = generator(seed, "fast_rp", first).random(part.shape, np.float32)
        part[:] = np.sqrt(3) * ((draws < 1 / 6).astype(np.float32) - (draws >= 5 / 6))
        degrees = np.diff(graph.starts[first : first + len(part) + 1])
        part *= (np.maximum(degrees, 1).astype(np.float32) ** beta)[:, None]
    return rows


def _add_directions(places: np.ndarray, walked: np.ndarray, weight: float) -> None:
    """Add ``weight`` times each row, scaled to length 1."""
    for first in range(0, len(places), ROWS_AT_ONCE):
        part = walked[first : first + ROWS_AT_ONCE]
        lengths = np.linalg.norm(part, axis=1, keepdims=True)
        places[first : first + len(part)] += weight * part / np.where(lengths > 0, lengths, 1)
