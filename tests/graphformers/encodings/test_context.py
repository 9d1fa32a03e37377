"""Features of a node's surroundings against dense matrices, wherever they are read from and written to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from formerdata.graphs.csr import CSRGraph, csr_graph
from formerdata.graphs.planetoid import read_planetoid
from hypothesis import given, settings
from hypothesis import strategies as st

from graphformers.encodings import context_features, features_with_context
from tests.paths import data


def random_graph(seed: int, nodes: int, edges: int) -> CSRGraph:
    g = torch.Generator().manual_seed(seed)
    return csr_graph(torch.randint(0, nodes, (2, edges), generator=g), nodes)


def dense_context(graph: CSRGraph, x: np.ndarray, hops: int, norm: str, self_loops: bool) -> list[np.ndarray]:
    """As the formula reads, in float64."""
    a = np.zeros((graph.num_nodes, graph.num_nodes))
    for i in range(graph.num_nodes):
        for j in graph.neighbours[graph.starts[i] : graph.starts[i + 1]]:
            a[i, j] += 1
    if self_loops:
        a += np.eye(len(a))
    with np.errstate(divide="ignore"):
        rows, columns = a.sum(1), a.sum(0)
        powers = {
            "symmetric": (columns**-0.5, rows**-0.5),
            "random_walk": (1 / rows, np.ones(len(a))),
        }
    left, right = (np.where(np.isinf(power), 0, power) for power in powers[norm])
    normalised = left[:, None] * a * right
    found, x = [], x.astype(np.float64)
    for _ in range(hops):
        x = normalised @ x
        found.append(x)
    return found


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**31),
    nodes=st.integers(1, 12),
    edges=st.integers(0, 40),
    channels=st.integers(0, 37),
    hops=st.integers(1, 3),
    norm=st.sampled_from(["symmetric", "random_walk"]),
    self_loops=st.booleans(),
    few_bytes=st.booleans(),
)
def test_as_the_dense_matrices_say(
    seed: int, nodes: int, edges: int, channels: int, hops: int, norm: Any, self_loops: bool, few_bytes: bool
) -> None:
    graph = random_graph(seed, nodes, edges)
    x = torch.randn(nodes, channels, generator=torch.Generator().manual_seed(seed))
    budget = 8 * nodes * 7 if few_bytes else 1 << 20
    found = context_features(graph, x, hops, norm=norm, self_loops=self_loops, max_bytes=budget)
    expected = dense_context(graph, x.numpy(), hops, norm, self_loops)
    assert len(found) == hops
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("columns", [1, 5, 16, 20, 37, 1000])
def test_neither_threads_nor_blocks_change_a_bit(threads: int, columns: int) -> None:
    graph = random_graph(0, 900, 5000)
    x = np.random.default_rng(0).normal(size=(900, 37)).astype(np.float32)
    before = torch.get_num_threads()
    expected = context_features(graph, x)
    try:
        torch.set_num_threads(threads)
        found = context_features(graph, x, max_bytes=8 * 900 * columns)
    finally:
        torch.set_num_threads(before)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("columns", [4, 1000])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_from_one_file_into_another(tmp_path: Path, dtype: Any, columns: int) -> None:
    nodes, channels = 60, 19
    graph = random_graph(1, nodes, 200)
    x = np.random.default_rng(1).normal(size=(nodes, channels)).astype(dtype)
    x.tofile(tmp_path / "x")
    mapped = np.memmap(tmp_path / "x", dtype, "r", shape=x.shape)
    out = np.memmap(tmp_path / "out", dtype, "w+", shape=(2, nodes, channels))
    found = context_features(graph, mapped, out=out, max_bytes=8 * nodes * columns)
    assert all(np.shares_memory(one, out) for one in found)
    out.flush()
    written = np.fromfile(tmp_path / "out", dtype).reshape(out.shape)
    # Rounded once, when written: the second hop is not made from a rounded first.
    for one, other in zip(written, context_features(graph, x.astype(np.float32)), strict=True):
        np.testing.assert_array_equal(one, other.astype(dtype))


def test_side_by_side_in_one_table() -> None:
    graph = random_graph(2, 30, 90)
    x = torch.randn(30, 8, generator=torch.Generator().manual_seed(2))
    for dtype in (np.float16, np.float32):
        table = features_with_context(graph, x, 3, norm="random_walk", self_loops=False, dtype=dtype, max_bytes=30 * 64)
        apart = context_features(graph, x, 3, norm="random_walk", self_loops=False, dtype=dtype)
        assert table.shape == (30, 4, 8)
        assert table.dtype == dtype
        for hop, expected in enumerate([x.numpy().astype(dtype), *apart]):
            np.testing.assert_array_equal(table[:, hop], expected)
    given = np.empty((30, 3, 8), np.float32)
    assert features_with_context(graph, x, out=given) is given


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.bool])
def test_any_numbers_are_read(dtype: torch.dtype) -> None:
    graph = random_graph(3, 10, 30)
    x = torch.arange(30).reshape(10, 3).to(dtype)
    for one, other in zip(context_features(graph, x), context_features(graph, x.float()), strict=True):
        np.testing.assert_array_equal(one, other)


def test_on_a_real_graph() -> None:
    graphs, _ = read_planetoid(data("planetoid"), "cora")
    assert graphs.x is not None
    graph = csr_graph(graphs.edge_index, graphs.num_nodes)
    x = graphs.x[:, :64]
    for one, other in zip(
        context_features(graph, x), dense_context(graph, x.numpy(), 2, "symmetric", True), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-5)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"x": torch.zeros(4, 2)}, r"x: expected shape \[5, D\], got \(4, 2\)"),
    ({"x": torch.zeros(5)}, r"x: expected shape \[5, D\], got \(5,\)"),
    ({"x": torch.zeros(5, 2, dtype=torch.complex64)}, "x: expected real numbers, got complex64"),
    ({"hops": 0}, "hops: expected at least 1, got 0"),
    ({"norm": "sym"}, "norm: expected 'symmetric' or 'random_walk', got 'sym'"),
    ({"out": np.zeros((3, 5, 2), np.float32)}, "out: expected 2 arrays, one a hop, got 3"),
    ({"out": np.zeros((2, 5, 3), np.float32)}, r"out: expected shape \(5, 2\), got \(5, 3\)"),
    ({"out": np.zeros((2, 5, 2))}, "out: expected float16 or float32, got float64"),
    ({"dtype": np.int32}, "dtype: expected float16 or float32, got int32"),
    ({"max_bytes": 39}, "max_bytes: one channel of 5 nodes takes 40, got 39"),
    ({"x": torch.full((5, 2), 1e6), "dtype": np.float16}, "hop 1: numbers beyond the range of float16"),
    ({"graph": csr_graph(torch.zeros(2, 1, dtype=torch.long), (5, 4))}, "graph: expected as many columns as nodes"),
    (
        {"graph": CSRGraph(np.array([0, 2, 2, 2, 2, 2]), np.array([1, 5], np.int32), None, 5)},
        "graph: neighbour 5 at place 1, expected 0 to 4",
    ),
]


@pytest.mark.parametrize(("changes", "problem"), BAD, ids=[problem[:30] for _, problem in BAD])
def test_what_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        context_features(**{"graph": random_graph(4, 5, 9), "x": torch.zeros(5, 2), **changes})
