"""Random projections of walks: against dense matrices, and what the places say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from formerdata.graphs.csr import CSRGraph, csr_graph
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from graphformers.encodings import fast_random_projection, fast_rp


def graph_of(pairs: list[tuple[int, int]], nodes: int) -> CSRGraph:
    return csr_graph(torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T, nodes)


def projected(graph: CSRGraph, k: int, beta: float, seed: int) -> np.ndarray:
    rows = np.empty((graph.num_nodes, k), np.float32)
    fast_rp._project(graph, beta, seed, rows)
    return rows


def literal(graph: CSRGraph, start: np.ndarray, hops: int, beta: float) -> np.ndarray:
    """As the formula stands, with the matrix of the graph written out."""
    matrix = np.zeros((graph.num_nodes, graph.num_nodes))
    for i in range(graph.num_nodes):
        for j in graph.neighbours[graph.starts[i] : graph.starts[i + 1]]:
            matrix[i, j] += 1
    degrees = np.maximum(matrix.sum(1), 1)
    walked, total = degrees[:, None] ** beta * start, np.zeros(start.shape)
    for _ in range(hops):
        walked = matrix @ walked / degrees[:, None]
        for i, row in enumerate(walked):
            length = np.sqrt((row**2).sum())
            # Where all but cancels, rounding points somewhere, and somewhere else in float32.
            assume(length == 0 or length > 1e-5)
            total[i] += np.sqrt(len(row)) * row / length / hops if length > 0 else 0
    return total


@settings(deadline=None, max_examples=30)
@given(
    nodes=st.integers(1, 12), edges=st.integers(0, 40), k=st.integers(1, 5), hops=st.integers(1, 4),
    seed=st.integers(0, 9),
)  # fmt: skip
def test_places_are_the_formula_s(nodes: int, edges: int, k: int, hops: int, seed: int) -> None:
    g = np.random.default_rng(seed)
    graph = graph_of([tuple(pair) for pair in g.integers(0, nodes, (edges, 2)).tolist()], nodes)
    start = projected(graph, k, 0.0, seed)
    assert set(np.unique(np.round(start / np.sqrt(3), 6))) <= {-1.0, 0.0, 1.0}
    places = fast_random_projection(graph, k, hops=hops, beta=-0.5, seed=seed)
    np.testing.assert_allclose(places, literal(graph, start, hops, -0.5), atol=5e-5)
    assert places.dtype == np.float32


def test_entries_have_the_probabilities_of_the_paper() -> None:
    nodes = 2 * fast_rp.ROWS_AT_ONCE + 5
    start = projected(graph_of([], nodes), 4, -0.5, 0)
    shares = [(start > 0).mean(), (start < 0).mean(), (start == 0).mean()]
    np.testing.assert_allclose(shares, [1 / 6, 1 / 6, 2 / 3], atol=2e-3)
    assert not np.array_equal(start[: fast_rp.ROWS_AT_ONCE], start[fast_rp.ROWS_AT_ONCE : 2 * fast_rp.ROWS_AT_ONCE])


def test_nodes_of_a_community_are_near_each_other() -> None:
    g = np.random.default_rng(0)
    group = np.repeat([0, 1], 100)
    pairs = [(i, j) for i in range(200) for j in range(200) if g.random() < (0.2 if group[i] == group[j] else 0.01)]
    places = fast_random_projection(graph_of(pairs, 200), 32)
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    cosines = places @ places.T
    same = group[:, None] == group
    assert cosines[same].mean() > cosines[~same].mean() + 0.3


@pytest.mark.parametrize(("k", "hops", "name"), [(0, 1, "k"), (1, 0, "hops")])
def test_no_numbers_or_steps_are_refused(k: int, hops: int, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected at least 1, got 0"):
        fast_random_projection(graph_of([], 2), k, hops=hops)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_places_on_disk_are_those_in_memory(tmp_path: Path, dtype: type) -> None:
    g = np.random.default_rng(0)
    graph = graph_of([tuple(pair) for pair in g.integers(0, 300, (900, 2)).tolist()], 300)
    arrays = [
        np.memmap(tmp_path / str(n), kind, "w+", shape=(300, 20))
        for n, kind in enumerate([dtype, np.float32, np.float32])
    ]
    # Memory for three channels at a time.
    fast_random_projection(graph, 20, out=arrays[0], walked=(arrays[1], arrays[2]), max_bytes=3 * 8 * 300)
    expected = np.empty((300, 20), dtype)
    fast_random_projection(graph, 20, out=expected)
    np.testing.assert_array_equal(arrays[0], expected)
    np.testing.assert_allclose(arrays[0], fast_random_projection(graph, 20), atol=4e-3 if dtype == np.float16 else 0)


@pytest.mark.parametrize("name", ["out", "walked"])
def test_an_array_of_another_shape_is_refused(name: str) -> None:
    wrong = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match=rf"{name}: expected shape \[2, 4\], got \[2, 3\]"):
        fast_random_projection(graph_of([], 2), 4, **{name: wrong if name == "out" else (wrong, wrong)})
