"""GraphQA's families are those of networkx, which its generator calls; regular graphs are regular."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from formerdata.graphs import random_graphs as families
from hypothesis import given, settings
from hypothesis import strategies as st


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


@settings(deadline=None, max_examples=60)
@given(name=st.sampled_from(families.FAMILY_NAMES), n=st.integers(3, 30), seed=st.integers(0, 999))
def test_adjacencies_are_symmetric_without_loops(name: families.FamilyName, n: int, seed: int) -> None:
    adjacency = families.FAMILIES[name](n, rng(seed))
    assert (adjacency.shape, adjacency.dtype) == ((n, n), np.dtype(bool))
    assert (adjacency == adjacency.T).all()
    assert not adjacency.diagonal().any()


@pytest.mark.parametrize("n", [3, 4, 19])
def test_families_without_chance_are_those_of_networkx(n: int) -> None:
    networkx = pytest.importorskip("networkx")
    expected = {
        "complete": networkx.complete_graph(n),
        "star": networkx.star_graph(n - 1),
        "path": networkx.path_graph(n),
    }
    for name, graph in expected.items():
        found = families.FAMILIES[name](n, rng())  # type: ignore[index]
        assert (found == networkx.to_numpy_array(graph, range(n)).astype(bool)).all(), name


def slow_block_model(n: int, draw: np.random.Generator) -> np.ndarray:
    """GraphQA's recipe with networkx's own block model."""
    import networkx

    kinds = {range(5, 10): 3, range(10, 15): 7, range(15, 20): 9}
    communities = int(draw.integers(2, next(most for sizes, most in kinds.items() if n in sizes) + 1))
    sizes: list[int] = []
    while len(sizes) < communities - 1:
        sizes.append(int(draw.integers(1, max(1, n - sum(sizes) - (communities - 1)), endpoint=True)))
    sizes.append(n - sum(sizes))
    chance = draw.uniform(size=(communities, communities))
    chance = np.maximum(chance, chance.T) if draw.uniform() < 0.5 else np.minimum(chance, chance.T)
    graph = networkx.stochastic_block_model(sizes, chance, seed=int(draw.integers(1 << 30)))
    return networkx.to_numpy_array(graph, range(n)).astype(bool)


def slow_scale_free(n: int, draw: np.random.Generator) -> np.ndarray:
    import networkx

    graph = networkx.Graph(networkx.scale_free_graph(n, seed=int(draw.integers(1 << 30))))
    adjacency = networkx.to_numpy_array(graph, range(n)).astype(bool)
    np.fill_diagonal(adjacency, False)
    return adjacency


def moments(graphs: list[np.ndarray]) -> np.ndarray:
    """Rows of links, largest degree, squares of degrees, triangles, nodes without links, links of the first node."""
    rows = []
    for one in graphs:
        links = one.astype(int)
        degree = links.sum(0)
        closed = np.trace(links @ links @ links) / 6
        rows.append([degree.sum() / 2, degree.max(), (degree**2).sum(), closed, (degree == 0).sum(), degree[0]])
    return np.array(rows, float)


@pytest.mark.parametrize("n", [5, 9, 10, 14, 17])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(families.stochastic_block_model, slow_block_model), (families.scale_free, slow_scale_free)],
)
def test_families_with_chance_have_the_statistics_of_networkx(ours: Any, theirs: Any, n: int) -> None:
    pytest.importorskip("networkx")
    rounds, one, other = 800, rng(n), rng(100 + n)
    a, b = moments([ours(n, one) for _ in range(rounds)]), moments([theirs(n, other) for _ in range(rounds)])
    error = np.sqrt((a.var(0) + b.var(0)) / rounds)
    assert (np.abs(a.mean(0) - b.mean(0)) <= 4.5 * error + 1e-9).all()
    common = [0, 1, 2, 3, 5]  # nodes without links are rare, and the spread of their number is not known well
    np.testing.assert_allclose(a.std(0)[common], b.std(0)[common], rtol=0.15)


@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 16), degree=st.integers(0, 15), seed=st.integers(0, 999))
def test_regular_graphs_are_regular(n: int, degree: int, seed: int) -> None:
    if degree >= n or n * degree % 2:
        with pytest.raises(ValueError, match="degree: expected"):
            families.random_regular(n, degree, rng(seed))
        return
    adjacency = families.random_regular(n, degree, rng(seed))
    assert (adjacency == adjacency.T).all()
    assert not adjacency.diagonal().any()
    assert (adjacency.sum(0) == degree).all()


def test_regular_graphs_are_nearly_uniform() -> None:
    draw, seen = rng(), Counter[bytes]()
    rounds = 7000
    for _ in range(rounds):
        seen[families.random_regular(6, 2, draw).tobytes()] += 1
    # On six nodes there are 60 rings, and 10 pairs of triangles.
    assert len(seen) == 70
    shares = np.array(list(seen.values())) / rounds
    assert shares.min() > 0.5 / 70
    assert shares.max() < 1.6 / 70


def test_any_two_half_edges_may_be_joined() -> None:
    draw = rng()
    partners = np.stack([families.random_regular(4, 1, draw)[0] for _ in range(3000)])
    np.testing.assert_allclose(partners.mean(0), [0, 1 / 3, 1 / 3, 1 / 3], atol=0.04)


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 9), count=st.integers(0, 40), seed=st.integers(0, 999))
def test_so_many_edges_are_taken_away(n: int, count: int, seed: int) -> None:
    draw = rng(seed)
    upper = np.triu(draw.random((n, n)) < 0.6, 1)
    before = upper | upper.T
    copied = before.copy()
    after = families.without_edges(before, count, draw)
    assert (before == copied).all()
    assert (after == after.T).all()
    assert not (after & ~before).any()
    assert after.sum() // 2 == max(0, before.sum() // 2 - count)


def test_any_edge_may_be_taken_away() -> None:
    before, draw = families.complete(4, rng()), rng()
    gone = np.stack([before & ~families.without_edges(before, 2, draw) for _ in range(600)])
    np.testing.assert_allclose(gone.mean(0)[before], 1 / 3, atol=0.08)
