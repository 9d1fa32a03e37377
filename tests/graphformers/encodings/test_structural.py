"""Random walks, heat kernels and Weisfeiler-Lehman colours against the formulas as they read."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphformers.encodings import hashed_colours, heat_kernel, paper_colours, random_walk_probabilities
from graphformers.encodings import random_walk as random_walk_module
from tests.graphformers.graphs import random_graphs

linalg = pytest.importorskip("scipy.linalg")


def literal_links(edge_index: torch.Tensor, nodes: int) -> np.ndarray:
    links = np.zeros((nodes, nodes))
    for i, j in edge_index.T.tolist():
        if i != j:
            links[i, j] = links[j, i] = 1.0
    return links


def literal_walks(links: np.ndarray, k: int) -> np.ndarray:
    step = links / np.maximum(links.sum(1, keepdims=True), 1)
    return np.stack([np.diag(np.linalg.matrix_power(step, t)) for t in range(1, k + 1)], 1)


def literal_heat(links: np.ndarray, times: list[float], normalization: str) -> np.ndarray:
    degree = links.sum(1)
    laplacian = np.diag(degree) - links
    if normalization == "sym":
        root = np.sqrt(np.maximum(degree, 1))
        laplacian = np.eye(len(links)) - links / root[:, None] / root
    kernel = linalg.null_space(laplacian, rcond=1e-10) if len(links) else np.zeros((0, 0))
    constant = (kernel**2).sum(1)
    return np.stack([np.diag(linalg.expm(-t * laplacian)) - constant for t in times], 1)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), sizes=st.lists(st.integers(0, 9), min_size=1, max_size=6), k=st.integers(1, 9))
def test_walks_come_back_as_often_as_powers_say(seed, sizes, k) -> None:
    graphs = random_graphs(torch.Generator().manual_seed(seed), sizes)
    got = random_walk_probabilities(
        graphs.edge_index, graphs.num_nodes, k, batch=graphs.batch, num_graphs=len(sizes)
    ).numpy()
    wanted = literal_walks(literal_links(graphs.edge_index, graphs.num_nodes), k)
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_dense_and_sparse_walks_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = random_graphs(torch.Generator().manual_seed(1), [70, 0, 90, 5])
    edges = torch.cat(
        [graphs.edge_index, torch.randint(0, 70, (2, 2000), generator=torch.Generator().manual_seed(2))], 1
    )
    arguments = (edges, graphs.num_nodes, 11)
    mixed = random_walk_probabilities(*arguments, batch=graphs.batch)
    monkeypatch.setattr(random_walk_module, "DENSE_SHARE", 2.0)
    sparse = random_walk_probabilities(*arguments, batch=graphs.batch)
    torch.testing.assert_close(mixed, sparse, atol=1e-6, rtol=1e-6)
    np.testing.assert_allclose(sparse, literal_walks(literal_links(edges, graphs.num_nodes), 11), atol=1e-6)


def test_walks_are_those_of_pyg_on_simple_undirected_graphs() -> None:
    transforms = pytest.importorskip("torch_geometric.transforms")
    from torch_geometric.data import Data
    from torch_geometric.utils import to_undirected

    edges = torch.randint(0, 30, (2, 60), generator=torch.Generator().manual_seed(3))
    edges = to_undirected(edges[:, edges[0] != edges[1]], num_nodes=33)
    theirs = transforms.AddRandomWalkPE(7, attr_name="pe")(Data(edge_index=edges, num_nodes=33)).pe
    torch.testing.assert_close(random_walk_probabilities(edges, 33, 7), theirs, atol=1e-6, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    sizes=st.lists(st.integers(0, 8), min_size=1, max_size=5),
    normalization=st.sampled_from(["sym", "none"]),
)
def test_heat_is_the_exponential_without_the_kernel(seed, sizes, normalization) -> None:
    graphs = random_graphs(torch.Generator().manual_seed(seed), sizes)
    times = [0.1, 1.0, 7.0]
    got = heat_kernel(
        graphs.edge_index, graphs.num_nodes, times,
        batch=graphs.batch, num_graphs=len(sizes), normalization=normalization,
    )  # fmt: skip
    wanted = literal_heat(literal_links(graphs.edge_index, graphs.num_nodes), times, normalization)
    np.testing.assert_allclose(got, wanted, atol=2e-6)


def test_heat_refuses_what_is_not_orthonormal() -> None:
    edges = torch.tensor([[0], [1]])
    with pytest.raises(ValueError, match="expected 'sym' or 'none', got 'rw'"):
        heat_kernel(edges, 2, [1.0], normalization="rw")
    with pytest.raises(ValueError, match="times: expected positive numbers"):
        heat_kernel(edges, 2, [0.0])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), sizes=st.lists(st.integers(0, 9), min_size=1, max_size=6))
def test_paper_colours_are_ranks_of_digests_in_each_graph(seed, sizes) -> None:
    graphs = random_graphs(torch.Generator().manual_seed(seed), sizes)
    got = paper_colours(graphs.edge_index, graphs.num_nodes, batch=graphs.batch, num_graphs=len(sizes)).tolist()
    degree = literal_links(graphs.edge_index, graphs.num_nodes).sum(1).astype(int)
    digests = [hashlib.md5("_".join(["1"] * (1 + d)).encode()).hexdigest() for d in degree]
    start = 0
    for size in sizes:
        mine = digests[start : start + size]
        order = sorted(set(mine))
        assert got[start : start + size] == [1 + order.index(digest) for digest in mine]
        start += size


def refined(links: np.ndarray, rounds: int) -> list:
    colours: list = [1] * len(links)
    for _ in range(rounds):
        colours = [
            (colours[i], tuple(sorted((colours[j] for j in np.flatnonzero(links[i])), key=repr)))
            for i in range(len(links))
        ]
    return colours


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4), rounds=st.integers(0, 3))
def test_hashed_colours_tell_apart_what_refinement_does(seed, sizes, rounds) -> None:
    graphs = random_graphs(torch.Generator().manual_seed(seed), sizes)
    got = hashed_colours(graphs.edge_index, graphs.num_nodes, rounds, 1 << 60).tolist()
    wanted = refined(literal_links(graphs.edge_index, graphs.num_nodes), rounds)
    for i in range(graphs.num_nodes):
        for j in range(i):
            assert (got[i] == got[j]) == (wanted[i] == wanted[j])


def test_hashed_colours_begin_with_types_and_fit_the_table() -> None:
    edges = torch.tensor([[0, 1, 3, 4], [1, 2, 4, 5]])
    same = hashed_colours(edges, 6, 2, 1000, types=torch.tensor([0, 1, 2, 2, 1, 0]))
    assert same[:3].tolist() == same[3:].flip(0).tolist()
    assert len(same.unique()) == 3
    few = hashed_colours(torch.randint(0, 50, (2, 99)), 50, 2, 4)
    assert set(few.tolist()) <= {0, 1, 2, 3}
    with pytest.raises(ValueError, match="rounds, colours"):
        hashed_colours(edges, 6, -1, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "k: expected at least 1, got 0"),
        ({"edge_index": torch.tensor([[0], [4]])}, "destinations from 4 to 4"),
        ({"edge_index": torch.tensor([[0], [3]])}, "an edge joins two graphs"),
        ({"edge_index": torch.tensor([[0.0], [1.0]])}, "expected integers"),
        ({"batch": torch.tensor([0, 1, 0, 1])}, "batch: expected the nodes of each graph to lie together"),
        ({"batch": torch.tensor([0, 1])}, "batch: expected 4 integers, one a node"),
        ({"num_graphs": 1}, "batch: expected graphs from 0 to 0, got 0 to 1"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, message: str) -> None:
    good = {"edge_index": torch.tensor([[0], [1]]), "num_nodes": 4, "k": 2, "batch": torch.tensor([0, 0, 1, 1])}
    with pytest.raises(ValueError, match=message):
        random_walk_probabilities(**(good | change))
