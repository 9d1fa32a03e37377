"""Affinity clustering against its definition, its invariants, and the values that Google's own tests expect."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphformers.tokenizers import Hierarchy, affinity_clustering, row_keys
from graphformers.tokenizers.affinity import LINKAGES, OF_COSTS
from tests.graphformers.graphs import random_edges
from tests.graphformers.tokenizers.affinity_twin import leaf_order, level_graph, simple_graph, twin, value

WEIGHTS = {
    "ones": lambda g, e: torch.ones(e, dtype=torch.float64),
    "few": lambda g, e: torch.randint(0, 4, (e,), generator=g).double() / 10,
    "any": lambda g, e: torch.rand(e, generator=g, dtype=torch.float64),
}


def partitions(tree: Hierarchy) -> list[set[frozenset[int]]]:
    """The sets of nodes of each level."""
    found = []
    for row in tree.clusters.tolist():
        members: dict[int, set[int]] = {}
        for node, cluster in enumerate(row):
            members.setdefault(cluster, set()).add(node)
        found.append({frozenset(nodes) for nodes in members.values()})
    return found


def undirected(*edges: tuple[int, int, float]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([edge[:2] for edge in edges]).T, torch.tensor([edge[2] for edge in edges])


@settings(deadline=None, max_examples=200)
@given(
    seed=st.integers(0, 2**31), nodes=st.integers(0, 14), edges=st.integers(0, 40), kind=st.sampled_from(list(WEIGHTS)),
    linkage=st.sampled_from(LINKAGES), similarity=st.booleans(), ties=st.sampled_from(["number", "join"]),
    refinements=st.integers(0, 3), threshold=st.sampled_from([None, None, 0.05, 0.3]), share=st.floats(0, 1),
    few=st.integers(1, 4), bound=st.sampled_from([1.0, 2.0, 2.5]), most=st.sampled_from([0, 1, 2, 40, 40, 40]),
    keyed=st.booleans(),
)  # fmt: skip
def test_levels_are_those_of_the_definition(
    seed, nodes, edges, kind, linkage, similarity, ties, refinements, threshold, share, few, bound, most, keyed
) -> None:
    g = torch.Generator().manual_seed(seed)
    edge_index = random_edges(g, nodes, edges)  # directed, with loops, repeated edges and lonely nodes
    weight = WEIGHTS[kind](g, edge_index.shape[1])
    keys = torch.randint(-2, 2, (nodes,), generator=g) if keyed else None
    similarity = similarity or linkage not in OF_COSTS
    common = {"ties": ties, "refinements": refinements, "similarity": similarity, "max_levels": most}
    if linkage == "percentile":
        common |= {"percentile": share, "min_edges": few}
    if linkage == "bounded_mean":
        common |= {"bound": bound}
    tree = affinity_clustering(edge_index, weight, nodes, linkage=linkage, tie_keys=keys, threshold=threshold, **common)
    sign = 1.0 if similarity else -1.0
    listed = edge_index.T.tolist(), weight.tolist()
    limit = -math.inf if threshold is None else sign * threshold
    wanted = twin(*listed, nodes, linkage, keys=None if keys is None else keys.tolist(), threshold=limit, **common)
    assert partitions(tree) == [{cluster.nodes for cluster in level} for level in wanted]
    assert tree.leaf_order.tolist() == leaf_order(wanted)
    assert tree.level_sizes == tuple(len(level) for level in wanted)
    check_edges(tree, wanted, sign)
    rules = {name: common[name] for name in ("percentile", "min_edges", "bound") if name in common}
    check_graphs(tree, [level_graph(simple_graph(*listed, similarity), level, linkage, **rules) for level in wanted],
                 wanted, sign)  # fmt: skip


def numbers(tree: Hierarchy, level: int, clusters) -> list[int]:
    """The number in the hierarchy of each of the twin's clusters."""
    return [int(tree.clusters[level, min(cluster.nodes)]) for cluster in clusters]


def check_edges(tree: Hierarchy, wanted, sign: float) -> None:
    for level, (partners, joins) in enumerate(zip(tree.partners, tree.joins, strict=True)):
        found = numbers(tree, level, wanted[level])
        for number, cluster in zip(found, wanted[level], strict=True):
            assert int(partners[number]) == (-1 if cluster.partner < 0 else found[cluster.partner])
            assert float(joins[number]) == pytest.approx(sign * cluster.join, abs=0, rel=0, nan_ok=True)


def check_graphs(tree: Hierarchy, graphs, wanted, sign: float) -> None:
    assert len(tree.graphs) == len(graphs)
    for level, (graph, around) in enumerate(zip(tree.graphs, graphs, strict=True)):
        found = numbers(tree, level, wanted[level])
        assert graph.edge_index.dtype == torch.int64
        ours = {(x, y): w for (x, y), w in zip(graph.edge_index.T.tolist(), graph.weight.tolist(), strict=True)}
        assert len(ours) == graph.edge_index.shape[1]
        assert ours == {(found[x], found[y]): sign * v for x, edges in enumerate(around) for y, v in edges.items()}


@pytest.mark.parametrize("linkage", LINKAGES)
def test_large_graphs_are_those_of_the_definition(linkage) -> None:
    """Large enough for several threads and for clusters of many members."""
    g = torch.Generator().manual_seed(5)
    edge_index, weight = random_edges(g, 6000, 12000), torch.randint(1, 5, (12000,), generator=g).double() / 10
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        tree = affinity_clustering(edge_index, weight, 6000, linkage=linkage, refinements=1)
    finally:
        torch.set_num_threads(before)
    alone = affinity_clustering(edge_index, weight, 6000, linkage=linkage, refinements=1)
    assert (tree.clusters == alone.clusters).all()
    assert (tree.leaf_order == alone.leaf_order).all()
    graph = simple_graph(edge_index.T.tolist(), weight.tolist(), True)
    for level in range(1, tree.num_levels + 1):
        assert_level_follows(tree, level, graph, linkage)


def assert_level_follows(tree: Hierarchy, level: int, graph, linkage: str) -> None:
    """The edges of a level are worth what they should, and each cluster below marked one of the best."""
    between: dict[tuple[int, int], list[float]] = {}
    row, sizes = tree.clusters[level].tolist(), tree.sizes(level).tolist()
    for pair, w in graph.items():
        x, y = sorted(row[node] for node in pair)
        if x != y:
            between.setdefault((x, y), []).append(w)
    wanted = {pair: value(ws, sizes[pair[0]], sizes[pair[1]], linkage) for pair, ws in between.items()}
    edges, found = tree.graphs[level].edge_index, tree.graphs[level].weight
    assert edges.shape[1] == 2 * len(wanted)
    assert all(wanted[min(e), max(e)] == w for e, w in zip(edges.T.tolist(), found.tolist(), strict=True))
    if level < tree.num_levels:
        best = torch.full((len(sizes),), -math.inf, dtype=torch.float64)
        best.scatter_reduce_(0, edges[0], found, "amax")
        marked = tree.partners[level] >= 0
        assert (tree.joins[level][marked] == best[marked]).all()
        assert best[~marked].isinf().all()


# What the tests of Google's graph-mining library expect (in_memory/clustering/affinity, Apache 2.0).
PATH = undirected((0, 1, 2.0), (1, 2, 1.0), (2, 3, 2.0))
PAIRS = undirected((0, 1, 10.0), (0, 2, 4.0), (2, 3, 10.0))
FOUR_PAIRS = undirected(
    (0, 1, 5), (2, 3, 5), (4, 5, 5), (6, 7, 5), (0, 2, 2), (0, 3, 2), (1, 2, 1), (1, 3, 2), (4, 6, 2), (4, 7, 1),
    (5, 7, 2), (0, 4, 3), (0, 5, 1), (2, 6, 3), (3, 7, 1), (1, 7, 2), (3, 5, 2),
)  # fmt: skip
SQUARE = undirected((0, 1, 2.0), (2, 3, 2.0), (0, 2, 1.0), (1, 3, 0.5))
FIVE = undirected((0, 1, 2.0), (1, 2, 2.0), (3, 4, 2.0), (3, 0, 1.0), (4, 2, 0.5))


@pytest.mark.parametrize(
    ("graph", "nodes", "linkage", "threshold", "clusters"),
    [
        (PATH, 4, "average", None, [[0, 1, 2, 3], [0, 0, 1, 1], [0, 0, 0, 0]]),
        (PAIRS, 4, "average", 1.1, [[0, 1, 2, 3], [0, 0, 1, 1]]),
        (PAIRS, 4, "average", 1.0, [[0, 1, 2, 3], [0, 0, 1, 1], [0, 0, 0, 0]]),
        (PAIRS, 4, "max", 4.1, [[0, 1, 2, 3], [0, 0, 1, 1]]),
        (PAIRS, 4, "max", 4.0, [[0, 1, 2, 3], [0, 0, 1, 1], [0, 0, 0, 0]]),
        (SQUARE, 4, "min_size", 0.76, [[0, 1, 2, 3], [0, 0, 1, 1]]),
        (SQUARE, 4, "min_size", 0.75, [[0, 1, 2, 3], [0, 0, 1, 1], [0, 0, 0, 0]]),
        (FIVE, 5, "average", 0.26, [[0, 1, 2, 3, 4], [0, 0, 0, 1, 1]]),
        (FIVE, 5, "average", 0.24, [[0, 1, 2, 3, 4], [0, 0, 0, 1, 1], [0, 0, 0, 0, 0]]),
    ],
)
def test_googles_expected_clusters(graph, nodes, linkage, threshold, clusters) -> None:
    tree = affinity_clustering(*graph, nodes, linkage=linkage, threshold=threshold)
    wanted = [{frozenset(n for n in range(nodes) if row[n] == c) for c in row} for row in clusters]
    assert partitions(tree) == wanted


def test_googles_expected_second_rounds() -> None:
    by_max, by_sum = (partitions(affinity_clustering(*FOUR_PAIRS, 8, linkage=linkage)) for linkage in ("max", "sum"))
    assert by_max[2] == {frozenset({0, 1, 4, 5}), frozenset({2, 3, 6, 7})}
    assert by_sum[2] == {frozenset({0, 1, 2, 3}), frozenset({4, 5, 6, 7})}


@pytest.mark.parametrize(
    ("linkage", "share", "few", "wanted"),
    [("mean", 0, 1, 4.5), ("percentile", 1.0, 100, 7.0), ("percentile", 0.5, 2, 4.0), ("sum", 0, 1, 27.0),
     ("max", 0, 1, 7.0), ("min_size", 0, 1, 27 / 4)],
)  # fmt: skip
def test_googles_expected_values_of_many_merged_edges(linkage, share, few, wanted) -> None:
    """Nodes 2 to 7 have edges to 0 and 1; here stronger ones first bring the even ones to 0, the odd ones to 1.

    The edges of weight i that are left between the two clusters are i = 2 to 7, as in the test there.
    """
    edges = [(hub, i, float(i) if i % 2 != hub else 100.0 + i) for i in range(2, 8) for hub in (0, 1)]
    tree = affinity_clustering(*undirected(*edges), 8, linkage=linkage, percentile=share, min_edges=few)
    assert partitions(tree)[1] == {frozenset({0, 2, 4, 6}), frozenset({1, 3, 5, 7})}
    assert tree.graphs[1].weight.tolist() == [wanted, wanted]


@pytest.mark.parametrize("nodes", [0, 1, 3])
def test_nothing_to_join(nodes: int) -> None:
    for edges in (torch.zeros(2, 0, dtype=torch.int64), torch.arange(nodes).expand(2, -1)):
        tree = affinity_clustering(edges, None, nodes)
        assert tree.clusters.tolist() == [list(range(nodes))]
        assert sorted(tree.leaf_order.tolist()) == list(range(nodes))
        assert tree.paths.cu_seqlens.tolist() == list(range(nodes + 1))


def test_directions_repeats_and_loops() -> None:
    edges, weight = undirected((1, 0, 1.0), (0, 1, 3.0), (2, 2, 9.0), (1, 2, 2.0))
    plain = undirected((0, 1, 3.0), (2, 1, 2.0))
    for linkage in LINKAGES:
        one, other = (affinity_clustering(*graph, 3, linkage=linkage) for graph in ((edges, weight), plain))
        assert (one.clusters == other.clusters).all()
        assert (one.joins[0] == other.joins[0]).all()
    costs = affinity_clustering(edges, weight, 3, linkage="max", similarity=False)
    assert costs.joins[0].tolist() == [1.0, 1.0, 2.0]


def test_dtypes_and_no_weights() -> None:
    edges = random_edges(torch.Generator().manual_seed(0), 30, 60)
    wanted = affinity_clustering(edges, torch.ones(60), 30)
    for weight in (None, torch.ones(60, dtype=torch.float16), torch.ones(60, dtype=torch.int32)):
        tree = affinity_clustering(edges.int(), weight, 30)
        assert (tree.clusters == wanted.clusters).all()
    assert wanted.graphs[0].weight.dtype == torch.float64
    bare = affinity_clustering(edges, None, 30, keep_graphs=False)
    assert bare.graphs == ()
    assert (bare.clusters == wanted.clusters).all()
    assert (bare.leaf_order == wanted.leaf_order).all()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"linkage": "single"}, "linkage: expected one of average, max, .*, got 'single'"),
        ({"linkage": "sum", "similarity": False}, "linkage: 'sum' counts what is not linked .* one of max, mean"),
        ({"ties": "random"}, "ties: expected 'number' or 'join', got 'random'"),
        ({"percentile": 1.5}, "percentile: expected 0 to 1, got 1.5"),
        ({"percentile": math.nan}, "percentile: expected 0 to 1"),
        ({"min_edges": 0}, "min_edges: expected at least 1, got 0"),
        ({"bound": 0.5}, "bound: expected at least 1, got 0.5"),
        ({"bound": math.nan}, "bound: expected at least 1"),
        ({"max_levels": -1}, "max_levels: expected at least 0, got -1"),
        ({"refinements": -1}, "refinements: expected at least 0, got -1"),
        ({"threshold": math.nan}, "threshold: expected a number or None, got NaN"),
        ({"weight": torch.tensor([1.0, -1.0])}, "weight: expected finite numbers from 0 on, got -1.0 at edge 1"),
        ({"weight": torch.tensor([math.nan, 1.0])}, "weight: expected finite numbers from 0 on, got nan at edge 0"),
        ({"weight": torch.tensor([math.inf, 1.0])}, "weight: expected finite numbers from 0 on, got inf at edge 0"),
        ({"weight": torch.ones(3)}, r"weight: expected \[2\] numbers, got \[3\]"),
        ({"tie_keys": torch.ones(3)}, r"tie_keys: expected \[3\] integers, got \[3\] of torch.float32"),
        ({"tie_keys": torch.ones(2, dtype=torch.int64)}, r"tie_keys: expected \[3\] integers, got \[2\]"),
        ({"num_nodes": 2}, "edge_index: .* expected 0 to 1"),
        ({"num_nodes": 2**31}, "num_nodes: expected at most 2147483647"),
        ({"edge_index": torch.zeros(3, 2, dtype=torch.int64)}, r"edge_index: expected shape \[2, E\]"),
        ({"edge_index": torch.zeros(2, 2)}, "edge_index: expected integers"),
    ],
)  # fmt: skip
def test_bad_input_is_named(arguments, problem) -> None:
    given_ = {"edge_index": torch.tensor([[0, 1], [1, 2]]), "weight": None, "num_nodes": 3} | arguments
    with pytest.raises(ValueError, match=problem):
        affinity_clustering(**given_)


def test_keys_of_rows() -> None:
    x = torch.tensor([[1.0, 0.0], [1.0, -0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    keys = row_keys(x)
    assert keys.dtype == torch.int64
    assert keys[0] == keys[1] == keys[4]
    assert len(set(keys.tolist())) == 3
    assert (row_keys(x.half()) == keys).all()
    assert len(set(row_keys(torch.arange(100)).tolist())) == 100
    assert row_keys(torch.zeros(0, 4)).shape == (0,)
