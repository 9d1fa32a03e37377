"""What holds of every hierarchy, on random graphs and on real ones: nesting, order, paths; numbers do not count."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from formerdata.graphs import read_heterophilous, read_planetoid
from hypothesis import given, settings
from hypothesis import strategies as st

from graphformers.tokenizers import Hierarchy, affinity_clustering
from graphformers.tokenizers.affinity import LINKAGES
from tests.graphformers.graphs import random_edges
from tests.paths import data

sparse = pytest.importorskip("scipy.sparse")
csgraph = pytest.importorskip("scipy.sparse.csgraph")


def components(edges: torch.Tensor, nodes: int) -> list[int]:
    matrix = sparse.coo_matrix((torch.ones(edges.shape[1]), edges.numpy()), shape=(nodes, nodes))
    return csgraph.connected_components(matrix, directed=False)[1].tolist()


def check(tree: Hierarchy, edges: torch.Tensor, nodes: int) -> None:
    """All that facts of the method promise."""
    clusters, sizes = tree.clusters, tree.level_sizes
    assert clusters.shape == (tree.num_levels + 1, nodes)
    assert (clusters[0] == torch.arange(nodes)).all()
    top = clusters[-1].tolist()
    assert len(set(zip(top, components(edges, nodes), strict=True))) == len(set(top)) == sizes[-1]
    check_rounds(tree)
    check_order(tree)
    check_paths(tree)


def check_rounds(tree: Hierarchy) -> None:
    """A cluster with an edge joins another one, so that those with an edge are at most half as many a round later."""
    left = [int((partners >= 0).sum()) for partners in tree.partners] + [0]
    assert all(after <= before // 2 for before, after in itertools.pairwise(left))
    assert tree.num_levels <= math.ceil(math.log2(max(1, tree.num_nodes)))
    for level, parents in enumerate(tree.parents):
        assert (tree.clusters[level + 1] == parents[tree.clusters[level]]).all()
        children = torch.bincount(parents, minlength=tree.level_sizes[level + 1])
        assert children.min() >= 1
        assert ((children[parents] > 1) == (tree.partners[level] >= 0)).all()
        assert (tree.joins[level].isnan() == (tree.partners[level] < 0)).all()


def check_order(tree: Hierarchy) -> None:
    order = tree.leaf_order
    assert (order.sort().values == torch.arange(tree.num_nodes)).all()
    for row in tree.clusters[1:]:
        # Contiguous, and numbered in this order.
        assert row[order].diff().unique().tolist() in ([], [0], [1], [0, 1])
        assert tree.num_nodes == 0 or int(row[order[0]]) == 0
    for level in range(tree.num_levels + 1):
        assert (tree.sizes(level) == torch.bincount(tree.clusters[level])).all()
        assert (tree.depths[level] >= 0).all()


def check_paths(tree: Hierarchy) -> None:
    g = torch.Generator().manual_seed(1)
    pairs = torch.randint(0, max(1, tree.num_nodes), (2, 60 if tree.num_nodes else 0), generator=g)
    bounds = tree.paths.cu_seqlens.tolist()
    tokens = list(zip(tree.paths.level.tolist(), tree.paths.cluster.tolist(), strict=True))
    assert tree.paths.cu_seqlens.dtype == torch.int32
    for node in pairs.flatten().tolist():
        path = tokens[bounds[node] : bounds[node + 1]]
        assert path[-1] == (0, node)
        sets = [frozenset((tree.clusters[level] == cluster).nonzero()[:, 0].tolist()) for level, cluster in path]
        assert all(inner < outer for outer, inner in itertools.pairwise(sets))
        assert sets[0] == frozenset((tree.clusters[-1] == tree.clusters[-1, node]).nonzero()[:, 0].tolist())
        distinct = {tuple((row == row[node]).tolist()) for row in tree.clusters}
        assert len(path) == len(distinct)
    levels, depths = tree.common_level(pairs).tolist(), tree.common_depth(pairs).tolist()
    for (i, j), level, depth in zip(pairs.T.tolist(), levels, depths, strict=True):
        shared = 0
        for one, other in zip(tokens[bounds[i] : bounds[i + 1]], tokens[bounds[j] : bounds[j + 1]], strict=False):
            if one != other:
                break
            shared += 1
        assert depth == shared - 1
        same = [row for row in range(tree.num_levels + 1) if tree.clusters[row, i] == tree.clusters[row, j]]
        assert level == (same[0] if same else tree.num_levels + 1)
        if shared:
            assert level == tokens[bounds[i] + shared - 1][0]


@settings(deadline=None, max_examples=100)
@given(
    seed=st.integers(0, 2**31), nodes=st.integers(0, 60), degree=st.integers(0, 4), linkage=st.sampled_from(LINKAGES),
    unit=st.booleans(), ties=st.sampled_from(["number", "join"]),
)  # fmt: skip
def test_invariants_of_random_graphs(seed, nodes, degree, linkage, unit, ties) -> None:
    g = torch.Generator().manual_seed(seed)
    edges = random_edges(g, nodes, degree * nodes)
    weight = None if unit else torch.rand(edges.shape[1], generator=g)
    check(affinity_clustering(edges, weight, nodes, linkage=linkage, ties=ties), edges, nodes)


REAL = {
    "cora": (lambda: read_planetoid(data("planetoid"), "cora")[0], 2708, 78),
    "citeseer": (lambda: read_planetoid(data("planetoid"), "citeseer")[0], 3327, 438),
    "minesweeper": (lambda: read_heterophilous(data("heterophilous", "minesweeper.npz"))[0], 10_000, 1),
}


def real_graph(name: str) -> tuple[torch.Tensor, int, int]:
    """Edges, nodes and the number of components that is known of a graph."""
    if name == "euroroad":
        lines = data("road_graphs", "euroroad.edges").read_text().splitlines()[1:]
        edges = torch.tensor([[int(word) for word in line.split()[:2]] for line in lines]).T
        edges = edges.unique(return_inverse=True)[1]
        return edges, 1174, 26
    read, nodes, parts = REAL[name]
    graph = read()
    assert graph.num_nodes == nodes
    return graph.edge_index, nodes, parts


@pytest.mark.parametrize("name", [*REAL, "euroroad"])
def test_invariants_of_real_graphs(name: str) -> None:
    edges, nodes, parts = real_graph(name)
    for weight in (None, torch.rand(edges.shape[1], generator=torch.Generator().manual_seed(0))):
        tree = affinity_clustering(edges, weight, nodes)
        check(tree, edges, nodes)
        assert tree.level_sizes[-1] == parts
        assert tree.num_levels <= 9


@pytest.mark.parametrize("similarity", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_marked_edges_are_the_spanning_forest(seed: int, similarity: bool) -> None:
    """Of single linkage with distinct weights; scipy's forest is of least cost."""
    g = torch.Generator().manual_seed(seed)
    nodes = 10 * 4**seed if seed < 5 else 50
    edges = torch.randint(0, nodes, (2, 2 * nodes), generator=g)
    edges = edges[:, edges[0] < edges[1]].unique(dim=1)
    weight = 1.0 + torch.randperm(edges.shape[1], generator=g).double()
    tree = affinity_clustering(edges, weight, nodes, linkage="max", similarity=similarity)
    costs = edges.shape[1] + 1 - weight if similarity else weight
    forest = csgraph.minimum_spanning_tree(sparse.coo_matrix((costs, edges.numpy()), shape=(nodes, nodes)).tocsr())
    wanted = {edges.shape[1] + 1 - cost if similarity else cost for cost in forest.data.tolist()}
    marked = {join for joins in tree.joins for join in joins[~joins.isnan()].tolist()}
    assert marked == wanted
    assert len(marked) == nodes - tree.level_sizes[-1]


def renumbered(edges: torch.Tensor, nodes: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same graph with other numbers, its edges in another order; new numbers, and that order."""
    g = torch.Generator().manual_seed(seed)
    number, order = torch.randperm(nodes, generator=g), torch.randperm(edges.shape[1], generator=g)
    return number[edges][:, order], number, order


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31), nodes=st.integers(1, 40), degree=st.integers(1, 4), linkage=st.sampled_from(LINKAGES)
)
def test_numbers_do_not_count_with_distinct_weights(seed, nodes, degree, linkage) -> None:
    """Not even that of the clusters: they are numbered in leaf order."""
    g = torch.Generator().manual_seed(seed)
    edges = random_edges(g, nodes, degree * nodes)
    # Both directions of an edge would be two weights, of which the larger one counts.
    weight = torch.rand(edges.shape[1], generator=g)
    other, number, order = renumbered(edges, nodes, seed)
    first = affinity_clustering(edges, weight, nodes, linkage=linkage)
    second = affinity_clustering(other, weight[order], nodes, linkage=linkage)
    assert first.level_sizes == second.level_sizes
    # Two nodes with one edge between them, and lonely ones, differ by their numbers alone.
    apart = first.sizes(first.num_levels)[first.clusters[-1]] > 2
    for a, b in zip(first.clusters[1:], second.clusters[1:], strict=True):
        assert (a[apart] == b[number][apart]).all()
    one, other = number[first.leaf_order[apart[first.leaf_order]]], second.leaf_order
    assert (one == other[apart[number.argsort()][other]]).all()
    for a, b in zip(first.joins, second.joins, strict=True):
        assert a.nansum() == pytest.approx(float(b.nansum()), rel=1e-12)


@pytest.mark.parametrize("order", list(itertools.permutations((0.1, 0.2, 0.3))))
def test_sums_do_not_depend_on_the_order_of_their_terms(order) -> None:
    """(0.1 + 0.2) + 0.3 is not 0.1 + (0.2 + 0.3) in float64: rounding may neither make nor break ties."""
    edges = torch.tensor([[0, 1, 3, 4, 0, 1, 2], [1, 2, 4, 5, 3, 4, 5]])
    weight = torch.tensor([9.0, 9.0, 9.0, 9.0, *order], dtype=torch.float64)
    tree = affinity_clustering(edges, weight, 6, linkage="sum")
    assert tree.level_sizes == (6, 2, 1)
    assert tree.graphs[1].weight.tolist() == [math.fsum(order)] * 2 == [0.6, 0.6]


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31), nodes=st.integers(1, 30), degree=st.integers(1, 3), linkage=st.sampled_from(LINKAGES)
)
def test_joined_ties_do_not_depend_on_numbers(seed, nodes, degree, linkage) -> None:
    """Nor do weights of which many are equal, whose sums are rounded in another order."""
    g = torch.Generator().manual_seed(seed)
    edges = random_edges(g, nodes, degree * nodes)
    edges = edges.sort(0).values.unique(dim=1)
    weight = torch.randint(1, 4, (edges.shape[1],), generator=g) / 10
    other, number, order = renumbered(edges, nodes, seed)
    first = affinity_clustering(edges, weight, nodes, linkage=linkage, ties="join")
    second = affinity_clustering(other, weight[order], nodes, linkage=linkage, ties="join")
    assert first.level_sizes == second.level_sizes
    for a, b in zip(first.clusters, second.clusters, strict=True):
        # The same partition: as many pairs of clusters as clusters.
        assert len(torch.stack([a, b[number]]).unique(dim=1).T) == int(a.max()) + 1


def test_unit_weights_of_a_graph_without_symmetries() -> None:
    """Where refinement tells all nodes apart, no number is ever looked at."""
    g = torch.Generator().manual_seed(0)
    edges = torch.randint(0, 200, (2, 700), generator=g)
    first = affinity_clustering(edges, None, 200)
    for seed in range(5):
        other, number, _ = renumbered(edges, 200, seed)
        second = affinity_clustering(other, None, 200)
        assert first.level_sizes == second.level_sizes
        assert (first.clusters[1:] == second.clusters[1:, number]).all()
        assert (number[first.leaf_order] == second.leaf_order).all()


@pytest.mark.parametrize("name", ["cora", "citeseer"])
def test_unit_weights_of_real_graphs(name: str) -> None:
    """They have symmetries, but what is tied between two nodes is so for all that choose between them."""
    edges, nodes, _ = real_graph(name)
    first = affinity_clustering(edges, None, nodes)
    for seed in range(3):
        other = renumbered(edges, nodes, seed)[0]
        second = affinity_clustering(other, None, nodes)
        assert first.level_sizes == second.level_sizes
        for level in range(1, first.num_levels + 1):
            assert first.sizes(level).sort().values.tolist() == second.sizes(level).sort().values.tolist()


def test_a_grid_is_not_one_chain() -> None:
    """Its numbers rise in each direction, and all but the border is tied."""
    place = torch.arange(3600).reshape(60, 60)
    edges = [torch.stack([place[1:].flatten(), place[:-1].flatten()])]
    edges.append(torch.stack([place[:, 1:].flatten(), place[:, :-1].flatten()]))
    tree = affinity_clustering(torch.cat(edges, 1), None, 3600)
    assert 360 <= tree.level_sizes[1] <= 1200
    assert tree.sizes(1).max() <= 40


def test_keys_break_ties() -> None:
    """A ring of unit weights looks the same everywhere; keys of nodes tell them apart."""
    ring = torch.stack([torch.arange(12), torch.arange(1, 13) % 12])
    keys = torch.randperm(12, generator=torch.Generator().manual_seed(4))
    other, number, _ = renumbered(ring, 12, 3)
    moved = torch.empty_like(keys)
    moved[number] = keys
    first, second = (
        affinity_clustering(ring, None, 12, tie_keys=keys),
        affinity_clustering(other, None, 12, tie_keys=moved),
    )
    assert (first.clusters[1:] == second.clusters[1:, number]).all()
    assert (number[first.leaf_order] == second.leaf_order).all()
    joined = affinity_clustering(ring, None, 12, ties="join")
    assert joined.level_sizes == (12, 1)


@pytest.mark.parametrize("seed", range(5))
def test_smaller_and_less_linked_neighbours_come_first(seed: int) -> None:
    """Of equal edges, whatever the numbers."""
    edges = torch.tensor([[0, 0, 2, 2, 3], [1, 2, 3, 4, 4]])
    other, number, _ = renumbered(edges, 5, seed)
    assert affinity_clustering(other, None, 5).partners[0][number[0]] == number[1]
    # Two nodes with an edge to three and one to two others.
    edges = torch.tensor([[0, 2, 3, 5, 0, 0], [1, 3, 4, 6, 2, 5]])
    weight = torch.tensor([9.0, 9.0, 9.0, 9.0, 1.0, 1.0])
    other, number, order = renumbered(edges, 7, seed)
    tree = affinity_clustering(other, weight[order], 7, linkage="max")
    assert tree.level_sizes[1] == 3
    place = tree.clusters[1, number]
    assert tree.partners[1][place[0]] == place[5]


def test_order_of_children() -> None:
    """Larger first; among equals those that joined by the better edge."""
    edges = torch.tensor([[0, 2, 3, 1, 0], [1, 3, 4, 2, 5]])
    tree = affinity_clustering(edges, torch.tensor([5.0, 9.0, 8.0, 1.0, 4.0]), 6, linkage="max")
    assert tree.clusters[1].tolist() in ([0, 0, 1, 1, 1, 0], [1, 1, 0, 0, 0, 1])
    three = affinity_clustering(torch.tensor([[0, 1, 0], [1, 2, 3]]), torch.tensor([3.0, 2.0, 1.0]), 4, linkage="max")
    assert three.level_sizes == (4, 1)
    assert three.leaf_order.tolist()[2:] == [2, 3]
    uneven = affinity_clustering(
        torch.tensor([[0, 2, 3, 1], [1, 3, 4, 2]]), torch.tensor([5.0, 9.0, 8.0, 1.0]), 5, linkage="max"
    )
    assert set(uneven.leaf_order.tolist()[:3]) == {2, 3, 4}
