"""Laplacian eigenvectors against numpy, graph by graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphformers.encodings import laplacian as laplacian_module
from graphformers.encodings import laplacian_eigenvectors
from tests.graphformers.graphs import Graphs, random_graphs


def literal_laplacian(edge_index: torch.Tensor, nodes: int, normalization: str) -> np.ndarray:
    links = np.zeros((nodes, nodes))
    for i, j in edge_index.T.tolist():
        if i != j:
            links[i, j] = links[j, i] = 1.0
    degree = links.sum(1)
    if normalization == "none":
        return np.diag(degree) - links
    divisor = np.maximum(degree, 1)
    if normalization == "rw":
        return np.eye(nodes) - links / divisor[:, None]
    return np.eye(nodes) - links / np.sqrt(divisor[:, None] * divisor)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    k=st.integers(1, 10),
    normalization=st.sampled_from(["sym", "rw", "none"]),
    skip_first=st.booleans(),
    rotations=st.booleans(),
)
def test_eigenpairs_are_those_of_each_graph(seed, sizes, k, normalization, skip_first, rotations) -> None:
    graphs = random_graphs(torch.Generator().manual_seed(seed), sizes)
    with pytest.MonkeyPatch.context() as patch:
        # Other devices, and graphs of more nodes, go through LAPACK.
        patch.setattr(laplacian_module, "JACOBI_NODES", 64 if rotations else 0)
        vectors, values = laplacian_eigenvectors(
            graphs.edge_index, graphs.num_nodes, k,
            batch=graphs.batch, num_graphs=len(sizes), normalization=normalization, skip_first=skip_first,
        )  # fmt: skip
    assert_eigenpairs(vectors, values, graphs, sizes, k, normalization, skip_first)


def assert_eigenpairs(
    vectors: torch.Tensor, values: torch.Tensor, graphs: Graphs, sizes: list[int], k: int, normalization: str,
    skip_first: bool,
) -> None:  # fmt: skip
    assert vectors.shape == (graphs.num_nodes, k)
    assert values.shape == (len(sizes), k)
    start = 0
    for number, size in enumerate(sizes):
        mine = graphs.batch[graphs.edge_index[0]] == number
        laplacian = literal_laplacian(graphs.edge_index[:, mine] - start, size, normalization)
        v, found = vectors[start : start + size].double().numpy(), values[number].double().numpy()
        count = max(0, min(k, size - skip_first))
        wanted = np.sort(np.linalg.eigvals(laplacian).real)[skip_first : skip_first + count] if size else np.zeros(0)
        np.testing.assert_allclose(found[:count], wanted, atol=1e-5)
        assert np.isnan(found[count:]).all()
        assert (v[:, count:] == 0).all()
        np.testing.assert_allclose(laplacian @ v[:, :count], v[:, :count] * found[:count], atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(v[:, :count], axis=0), 1, atol=1e-5)
        if normalization != "rw":
            np.testing.assert_allclose(v[:, :count].T @ v[:, :count], np.eye(count), atol=1e-5)
        start += size


@pytest.mark.parametrize("normalization", ["sym", "rw", "none"])
def test_many_graphs_of_a_size_and_the_largest_that_are_rotated(normalization: str) -> None:
    sizes = [7] * 40 + [64, 33, 64]  # more than rotate in step
    graphs = random_graphs(torch.Generator().manual_seed(0), sizes)
    vectors, values = laplacian_eigenvectors(
        graphs.edge_index, graphs.num_nodes, 40, batch=graphs.batch, normalization=normalization
    )
    assert_eigenpairs(vectors, values, graphs, sizes, 40, normalization, True)


@pytest.mark.parametrize("rotations", [True, False])
def test_of_entries_that_are_equal_but_for_rounding_the_first_is_positive(
    rotations: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(laplacian_module, "JACOBI_NODES", 64 if rotations else 0)
    for nodes in range(2, 24):
        # Eigenvectors of a path are even or odd: the largest entries stand at both ends of a pair.
        path = torch.stack([torch.arange(nodes - 1), torch.arange(1, nodes)])
        vectors, values = laplacian_eigenvectors(path, nodes, nodes, normalization="none", skip_first=False)
        torch.testing.assert_close(values[0], 2 - 2 * (torch.arange(nodes) * torch.pi / nodes).cos(), rtol=0, atol=1e-5)
        first = (vectors.abs() >= (1 - 1e-5) * vectors.abs().amax(0)).int().argmax(0)
        assert (vectors.gather(0, first[None]) > 0).all()


@pytest.mark.parametrize("nodes", [0, 1, 2, 3, 4])
def test_graphs_of_about_k_nodes(nodes: int) -> None:
    path = torch.tensor([list(range(nodes - 1)), list(range(1, nodes))], dtype=torch.int64).reshape(2, -1)
    vectors, values = laplacian_eigenvectors(path, nodes, 3)
    assert vectors.shape == (nodes, 3)
    assert int((~values.isnan()).sum()) == max(0, min(3, nodes - 1))


def test_directions_repetitions_and_loops_do_not_count() -> None:
    one_way = torch.tensor([[0, 1, 2], [1, 2, 3]])
    both = torch.cat([one_way, one_way.flip(0), one_way, torch.tensor([[2], [2]])], dim=1)
    for got, wanted in zip(laplacian_eigenvectors(both, 4, 3), laplacian_eigenvectors(one_way, 4, 3), strict=True):
        assert torch.equal(got, wanted)


def test_a_few_at_a_time_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laplacian_module, "JACOBI_NODES", 0)
    graphs = random_graphs(torch.Generator().manual_seed(0), [5, 5, 3, 5, 3, 5])
    whole = laplacian_eigenvectors(graphs.edge_index, graphs.num_nodes, 4, batch=graphs.batch)
    monkeypatch.setattr(laplacian_module, "ELEMENTS_AT_ONCE", 30)
    parts = laplacian_eigenvectors(graphs.edge_index, graphs.num_nodes, 4, batch=graphs.batch)
    assert torch.equal(whole[0], parts[0])
    assert torch.equal(whole[1].nan_to_num(9), parts[1].nan_to_num(9))


def test_signs_make_the_largest_entry_positive() -> None:
    graphs = random_graphs(torch.Generator().manual_seed(5), [9, 8, 7])
    vectors, _ = laplacian_eigenvectors(graphs.edge_index, graphs.num_nodes, 5, batch=graphs.batch)
    for part in vectors.split([9, 8, 7]):
        assert (part.gather(0, part.abs().argmax(0, keepdim=True)) >= 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "k: expected at least 1, got 0"),
        ({"normalization": "left"}, "normalization: expected 'sym', 'rw' or 'none'"),
        ({"edge_index": torch.tensor([[0], [4]])}, "destinations from 4 to 4, expected 0 to 3"),
        ({"edge_index": torch.tensor([[0], [3]])}, "edge_index: an edge joins two graphs of the batch"),
        ({"batch": torch.tensor([0, 1, 0, 1])}, "batch: expected the nodes of each graph to lie together"),
        ({"batch": torch.tensor([0, 0, 1])}, "batch: expected 4 integers, one a node"),
        ({"num_graphs": 1}, "batch: expected graphs from 0 to 0, got 0 to 1"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, message: str) -> None:
    good = {
        "edge_index": torch.tensor([[0], [1]]), "num_nodes": 4, "k": 2, "batch": torch.tensor([0, 0, 1, 1]),
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        laplacian_eigenvectors(**(good | change))
