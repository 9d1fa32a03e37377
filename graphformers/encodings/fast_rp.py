"""Places of the nodes of a large graph: random projections of where walks lead.

Chen, Sultan, Tian, Chen and Skiena, *Fast and Accurate Network Embeddings via Very Sparse Random Projection* (2019)::

    U_0 = D^beta R,    U_h = D^-1 A U_(h-1),    places = mean over h of U_h, each row of U_h scaled to length sqrt(k)

R has entries sqrt(3), 0 and -sqrt(3) with probabilities 1/6, 2/3 and 1/6 (Achlioptas, 2003): nodes from which walks of
h steps lead to the same nodes have rows that point the same way. A sparse product a hop, and nothing to learn. Numbers
are about 1, as a linear layer likes them.
"""

from __future__ import annotations

import numpy as np
from formerdata.graphs.csr import CSRGraph
from formerdata.store.resident import release

from formerkit.seeds import generator
from graphformers.encodings.context import context_features

ROWS_AT_ONCE = 1 << 16


def fast_random_projection(
    graph: CSRGraph,
    k: int,
    *,
    hops: int = 4,
    beta: float = -0.5,
    seed: int = 0,
    out: np.ndarray | None = None,
    walked: tuple[np.ndarray, np.ndarray] | None = None,
    max_bytes: int = 1 << 32,
) -> np.ndarray:
    """[N, k] float32, a place of each node.

    Args:
        graph: Row i lists the nodes that a step from node i leads to. A node without any has zeros from then on.
        k: Numbers of a place.
        hops: Steps of the longest walks.
        beta: Power of a node's degree in U_0: below 0, popular nodes count less.
        seed: Of R; a row depends on it and on the row's number alone.
        out: [N, k] float16 or float32 for the places, in memory or mapped; a new array if None.
        walked: Two arrays [N, k] float32 to compute in, in memory or mapped, whose content is lost; new ones if None.
        max_bytes: As of :func:`~graphformers.encodings.context_features`, of use where ``walked`` is mapped.

    Returns:
        ``out``, or the new array.

    Raises:
        ValueError: If k or hops is below 1, the graph has two sides, or an array does not fit.
    """
    for name, value in (("k", k), ("hops", hops)):
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
    shape = (graph.num_nodes, k)
    before, after = walked or (np.empty(shape, np.float32), np.empty(shape, np.float32))
    places = np.empty(shape, np.float32) if out is None else out
    for name, array in (("out", places), ("walked", before), ("walked", after)):
        if array.shape != shape:
            raise ValueError(f"{name}: expected shape {list(shape)}, got {list(array.shape)}")
    _project(graph, beta, seed, before)
    for hop in range(hops):
        context_features(graph, before, 1, norm="random_walk", self_loops=False, out=[after], max_bytes=max_bytes)
        _add_directions(places, after, k**0.5 / hops, first=hop == 0)
        before, after = after, before
    return places


def _project(graph: CSRGraph, beta: float, seed: int, rows: np.ndarray) -> None:
    """Write U_0 [N, k]."""
    for first in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[first : first + ROWS_AT_ONCE]
        draws = generator(seed, "fast_rp", first).random(part.shape, np.float32)
        degrees = np.diff(graph.starts[first : first + len(part) + 1])
        weights = np.sqrt(3) * np.maximum(degrees, 1).astype(np.float32) ** beta
        part[:] = ((draws < 1 / 6).astype(np.float32) - (draws >= 5 / 6)) * weights[:, None]
        release(rows, graph.starts)


def _add_directions(places: np.ndarray, walked: np.ndarray, weight: float, *, first: bool) -> None:
    """Add ``weight`` times each row, scaled to length 1, to the places; the first time they are written."""
    for start in range(0, len(places), ROWS_AT_ONCE):
        part = walked[start : start + ROWS_AT_ONCE]
        lengths = np.linalg.norm(part, axis=1, keepdims=True)
        directions = weight * part / np.where(lengths > 0, lengths, 1)
        rows = slice(start, start + len(part))
        places[rows] = directions if first else places[rows] + directions
        release(places, walked)
