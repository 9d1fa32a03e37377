"""The ten families are those of networkx, which the published suite calls."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from formerdata.graphs import graph_families as families
from hypothesis import given, settings
from hypothesis import strategies as st

FAMILIES = [family for family, _ in families.MIXTURE]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


@settings(deadline=None, max_examples=40)
@given(family=st.sampled_from(FAMILIES), n=st.integers(2, 30), seed=st.integers(0, 999))
def test_adjacencies_are_symmetric_without_loops(family: families.Family, n: int, seed: int) -> None:
    adjacency = family(n, rng(seed))
    assert (adjacency.shape, adjacency.dtype) == ((n, n), np.dtype(bool))
    assert (adjacency == adjacency.T).all()
    assert not adjacency.diagonal().any()


@settings(deadline=None, max_examples=40)
@given(family=st.sampled_from([families.tree, families.caterpillar, families.lobster]), n=st.integers(2, 30),
       seed=st.integers(0, 999))  # fmt: skip
def test_trees_are_trees(family: families.Family, n: int, seed: int) -> None:
    networkx = pytest.importorskip("networkx")
    assert networkx.is_tree(networkx.from_numpy_array(family(n, rng(seed))))


@pytest.mark.parametrize("n", [2, 15, 16, 17, 18, 20, 24])
def test_families_without_chance_are_those_of_networkx(n: int) -> None:
    networkx = pytest.importorskip("networkx")
    m = max(m for m in range(1, n) if n % m == 0 and m * m <= n)
    ladder = networkx.ladder_graph(n // 2)
    if n % 2:
        ladder.add_edge(0, n - 1)
    expected: dict[Any, Any] = {
        families.grid: networkx.grid_2d_graph(m, n // m), families.caveman: networkx.caveman_graph(m, n // m),
        families.line: networkx.path_graph(n), families.star: networkx.star_graph(n - 1), families.ladder: ladder,
    }  # fmt: skip
    for family, graph in expected.items():
        nodes = sorted(graph)
        assert (family(n, rng()) == networkx.to_numpy_array(graph, nodes).astype(bool)).all(), family.__name__


def shares(counts: Counter[Any], total: int) -> dict[Any, float]:
    return {key: count / total for key, count in counts.items()}


def test_power_law_trees_have_the_degrees_and_shape_of_networkx() -> None:
    networkx = pytest.importorskip("networkx")
    draw, ours, theirs = rng(), Counter[int](), Counter[int]()
    for seed in range(100):
        mine = families.tree(20, draw)
        their = networkx.random_powerlaw_tree(20, seed=seed, tries=10000)
        ours.update(mine.sum(0).tolist())
        theirs.update(degree for _, degree in their.degree)
        # Of trees with equal degrees there is only one that is built.
        again = networkx.degree_sequence_tree(sorted(mine.sum(0).tolist()))
        assert networkx.is_isomorphic(networkx.from_numpy_array(mine), again)
    for degree, share in shares(theirs, 2000).items():
        assert ours[degree] / 2000 == pytest.approx(share, abs=0.02), degree


def test_barabasi_albert_has_the_degrees_of_networkx() -> None:
    networkx = pytest.importorskip("networkx")
    draw, ours, theirs = rng(), [], []
    for m in range(1, 12):
        ours += [np.sort(families.barabasi_albert(12, fixed(m, draw)).sum(0)) for _ in range(100)]
        graphs = [networkx.barabasi_albert_graph(12, m, seed=seed) for seed in range(100)]
        theirs += [np.sort([degree for _, degree in graph.degree]) for graph in graphs]
    assert np.mean(ours, 0) == pytest.approx(np.mean(theirs, 0), abs=0.15)


class Fixed:
    """A generator whose first integer is given."""

    def __init__(self, first: int, draw: np.random.Generator) -> None:
        self.first, self.draw = [first], draw

    def integers(self, *bounds: int) -> int:
        return self.first.pop() if self.first else int(self.draw.integers(*bounds))


def fixed(first: int, draw: np.random.Generator) -> Any:
    return Fixed(first, draw)


def test_erdos_renyi_has_a_uniform_density() -> None:
    draw = rng()
    densities = [families.erdos_renyi(20, draw).sum() / 380 for _ in range(400)]
    assert np.quantile(densities, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.07)


def test_backbones_are_as_long_as_told() -> None:
    # A caterpillar of 4 nodes is a star if its path has 1 node, if both others hang on one of 2, or the last on the
    # middle one of 3.
    draw = rng()
    stars = sum(families.caterpillar(4, draw).sum(0).max() == 3 for _ in range(3000))
    assert stars / 3000 == pytest.approx((1 + 1 / 2 + 1 / 3) / 3, abs=0.03)


def test_shares_are_those_of_the_paper() -> None:
    assert sum(share for _, share in families.MIXTURE) == pytest.approx(1)
    named = {family.__name__: share for family, share in families.MIXTURE}
    assert named == {
        "erdos_renyi": 0.2, "barabasi_albert": 0.2, "tree": 0.15, "caterpillar": 0.1, "lobster": 0.1,
        "grid": 0.05, "caveman": 0.05, "ladder": 0.05, "line": 0.05, "star": 0.05,
    }  # fmt: skip
