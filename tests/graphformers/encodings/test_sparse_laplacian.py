"""Eigenvectors of large graphs: each way against dense decomposition, parts, kernels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from graphformers.encodings import laplacian as laplacian_module
from graphformers.encodings import laplacian_eigenvectors, smallest_eigenpairs, sparse_laplacian_eigenvectors
from graphformers.encodings import sparse_laplacian as sparse_module
from graphformers.encodings.laplacian_operator import laplacian_operator
from graphformers.ops.links import simple_links

pytest.importorskip("scipy.sparse")


def dense_laplacian(edge_index: Tensor, nodes: int, normalization: str) -> Tensor:
    links = torch.zeros(nodes, nodes, dtype=torch.float64)
    links[edge_index[0], edge_index[1]] = 1.0
    links = torch.maximum(links, links.T).fill_diagonal_(0)
    degree = links.sum(1)
    if normalization == "none":
        return torch.diag(degree) - links
    root = degree.clamp(min=1).sqrt()
    if normalization == "rw":
        return torch.eye(nodes, dtype=torch.float64) - links / root[:, None] ** 2
    return torch.eye(nodes, dtype=torch.float64) - links / root[:, None] / root


def connected(nodes: int, extra: int, seed: int = 0) -> Tensor:
    """A ring with chords."""
    ring = torch.stack([torch.arange(nodes), torch.arange(1, nodes + 1) % nodes])
    return torch.cat([ring, torch.randint(0, nodes, (2, extra), generator=torch.Generator().manual_seed(seed))], dim=1)


def grid(rows: int, columns: int) -> Tensor:
    place = torch.arange(rows * columns).reshape(rows, columns)
    down = torch.stack([place[1:].flatten(), place[:-1].flatten()])
    return torch.cat([down, torch.stack([place[:, 1:].flatten(), place[:, :-1].flatten()])], dim=1)


def spider(legs: int, length: int) -> Tensor:
    """Paths that meet in node 0: eigenvalues of ``legs`` - 1 dimensions."""
    out = torch.arange(1, legs * length + 1)
    return torch.stack([torch.where(out % length == 1, 0, out - 1), out])


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize(
    "edges", [connected(700, 1500), grid(26, 26), spider(60, 10)], ids=["chords", "grid", "spider"]
)
@pytest.mark.parametrize("way", ["inverse", "filters"])
def test_both_ways_find_the_smallest_pairs(way: str, edges: Tensor, scaled: bool) -> None:
    nodes = int(edges.max()) + 1
    operator = laplacian_operator(simple_links(edges, nodes), nodes, scaled=scaled)
    laplacian = dense_laplacian(edges, nodes, "sym" if scaled else "none").numpy()
    inverse = smallest_eigenpairs._inverse(operator) if way == "inverse" else None
    wanted = np.linalg.eigvalsh(laplacian)[1:]
    for count in (1, 8, 11):
        values, vectors = smallest_eigenpairs.davidson(operator, count, 1e-4, inverse)
        np.testing.assert_allclose(values, wanted[:count], rtol=1e-6, atol=1e-9)
        errors = np.linalg.norm(laplacian @ vectors - vectors * values, axis=0)
        assert errors.max() <= 1.01e-4 * min(1, values[-1])
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(count), atol=1e-8)


def test_operator_is_the_laplacian() -> None:
    edges = connected(300, 450)
    for scaled in (True, False):
        operator = laplacian_operator(simple_links(edges, 300), 300, scaled=scaled)
        wanted = dense_laplacian(edges, 300, "sym" if scaled else "none").numpy()
        x = np.random.default_rng(0).standard_normal((300, 8))
        np.testing.assert_allclose(operator.product(x), wanted @ x, atol=1e-12)
        np.testing.assert_allclose(operator.matrix().toarray(), wanted, atol=1e-12)
        np.testing.assert_allclose(wanted @ operator.kernel, 0, atol=1e-12)
        values, vectors = np.linalg.eigh(wanted)
        assert values[-1] <= operator.upper
        # The filter as a function of the matrix; the kernel is left out.
        centre, half = (operator.upper + 0.3) / 2, (operator.upper - 0.3) / 2
        for degree in (21, 150):  # of the latter the kernel, were it not left out again and again, would be 1e9
            at = np.polynomial.chebyshev.Chebyshev.basis(degree)
            factor = at((values - centre) / half) / at((0.1 - centre) / half)
            factor[0] = 0.0
            wanted = vectors @ (factor[:, None] * (vectors.T @ x))
            np.testing.assert_allclose(operator.filtered(x.copy(), degree, 0.1, 0.3), wanted, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("normalization", ["sym", "rw", "none"])
@pytest.mark.parametrize("skip_first", [True, False])
def test_a_graph_in_parts(normalization: str, skip_first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse_module, "LARGEST_DENSE", 50)
    # Interleaved parts of 400 and 300 nodes, two twins of 30, a pair, and nodes alone.
    parts = [connected(400, 800, 1), 400 + connected(300, 300, 2), 700 + connected(30, 30, 3)]
    parts += [parts[2] + 30, torch.tensor([[760], [761]])]
    shuffle = torch.randperm(770, generator=torch.Generator().manual_seed(0))
    edges = shuffle[torch.cat(parts, dim=1)]
    laplacian = dense_laplacian(edges, 770, normalization)
    k = 12
    vectors, values = sparse_laplacian_eigenvectors(edges, 770, k, normalization=normalization, skip_first=skip_first)
    wanted = np.sort(np.linalg.eigvals(laplacian.numpy()).real)[int(skip_first) : k + int(skip_first)]
    np.testing.assert_allclose(values, wanted, atol=1e-6)
    v = vectors.double()
    assert (laplacian @ v - v * values).norm(dim=0).max() < 1e-4
    torch.testing.assert_close(v.norm(dim=0), torch.ones(k, dtype=torch.float64), atol=1e-6, rtol=0)
    if normalization != "rw":
        torch.testing.assert_close(v.T @ v, torch.eye(k, dtype=torch.float64), atol=1e-6, rtol=0)
    if skip_first and normalization == "sym":
        # The first contrast: the largest part against the second, nothing elsewhere.
        of_parts = [vectors[shuffle[a:b], 0] for a, b in ((0, 400), (400, 700), (700, 770))]
        assert (of_parts[0] * of_parts[1][0] < 0).all()
        assert (of_parts[1] * of_parts[1][0] > 0).all()
        assert (of_parts[2] == 0).all()


@pytest.mark.parametrize("normalization", ["sym", "none"])
@pytest.mark.parametrize("nodes", [0, 1, 2, 3, 4])
def test_graphs_of_about_k_nodes_are_as_in_the_dense_way(nodes: int, normalization: str) -> None:
    path = torch.tensor([list(range(nodes - 1)), list(range(1, nodes))], dtype=torch.int64).reshape(2, -1)
    vectors, values = sparse_laplacian_eigenvectors(path, nodes, 3, normalization=normalization)
    wanted, ordered = laplacian_eigenvectors(path, nodes, 3, normalization=normalization)
    torch.testing.assert_close(vectors, wanted, atol=1e-6, rtol=0)
    torch.testing.assert_close(values[None], ordered, atol=1e-6, rtol=0, equal_nan=True)


def test_nodes_alone() -> None:
    edges = torch.zeros(2, 0, dtype=torch.int64)
    vectors, values = sparse_laplacian_eigenvectors(edges, 5, 3)
    assert values.tolist() == [1, 1, 1]
    torch.testing.assert_close(vectors.T @ vectors, torch.eye(3))
    assert torch.equal(sparse_laplacian_eigenvectors(edges, 5, 3, normalization="rw")[0], vectors)
    vectors, values = sparse_laplacian_eigenvectors(edges, 5, 3, normalization="none")
    assert values.tolist() == [0, 0, 0]
    torch.testing.assert_close(vectors.T @ vectors, torch.eye(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(vectors.sum(0), torch.zeros(3), atol=1e-6, rtol=0)


def test_sums_over_more_rows_than_one_piece() -> None:
    rng = np.random.default_rng(0)
    x, y, kernel = rng.standard_normal((9000, 8)), rng.standard_normal((9000, 8)), rng.standard_normal(9000)
    kernel /= np.linalg.norm(kernel)
    np.testing.assert_allclose(smallest_eigenpairs._products(x, y), x.T @ y, atol=1e-9)
    smallest_eigenpairs._orthonormalise(x, [], kernel)
    smallest_eigenpairs._orthonormalise(y, [x], kernel)
    both = np.concatenate([x, y], axis=1)
    np.testing.assert_allclose(both.T @ both, np.eye(16), atol=1e-10)
    np.testing.assert_allclose(kernel @ both, 0, atol=1e-10)


def test_large_graphs_of_a_batch_go_this_way(monkeypatch: pytest.MonkeyPatch) -> None:
    edges = torch.cat([connected(9, 5), 9 + connected(40, 60), 49 + connected(9, 3)], dim=1)
    batch = torch.repeat_interleave(torch.arange(3), torch.tensor([9, 40, 9]))
    whole = laplacian_eigenvectors(edges, 58, 4, batch=batch)
    monkeypatch.setattr(laplacian_module, "LARGEST_DENSE", 20)
    parts = laplacian_eigenvectors(edges, 58, 4, batch=batch)
    for got, wanted in zip(parts, whole, strict=True):
        torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)


def test_what_is_not_done_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smallest_eigenpairs, "ROUNDS", 4)
    operator = laplacian_operator(simple_links(grid(26, 26), 676), 676, scaled=True)
    with pytest.warns(RuntimeWarning, match="of 8 are not done after 4 rounds"):
        smallest_eigenpairs.davidson(operator, 8, 1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "k: expected at least 1, got 0"),
        ({"normalization": "left"}, "normalization: expected 'sym', 'rw' or 'none'"),
        ({"edge_index": torch.tensor([[0], [4]])}, "destinations from 4 to 4, expected 0 to 3"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, message: str) -> None:
    good = {"edge_index": torch.tensor([[0], [1]]), "num_nodes": 4, "k": 2}
    with pytest.raises(ValueError, match=message):
        sparse_laplacian_eigenvectors(**(good | change))
