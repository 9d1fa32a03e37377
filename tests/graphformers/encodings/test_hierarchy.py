"""Positions in a hierarchy against breadth-first search on graphs that are contracted as they read."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphformers.encodings import (
    cluster_hops,
    common_level,
    pairs_in_turn,
    pairs_within,
    token_positions,
    tree_distance,
)  # fmt: skip
from graphformers.tokenizers import affinity_clustering
from tests.graphformers.graphs import random_edges


def literal_hops(edges, row, a, b, most) -> int:
    """Steps between the clusters of two nodes, breadth first."""
    around: dict[int, set[int]] = {}
    for u, v in edges:
        around.setdefault(row[u], set()).add(row[v])
        around.setdefault(row[v], set()).add(row[u])
    rim, seen, steps = {row[a]}, {row[a]}, 0
    while rim and row[b] not in rim:
        rim = {y for x in rim for y in around.get(x, ())} - seen
        seen |= rim
        steps += 1
    return min(steps, most) if rim else most


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31), nodes=st.integers(1, 25), degree=st.integers(0, 3), most=st.integers(1, 6),
    dense=st.booleans(),
)  # fmt: skip
def test_hops_between_clusters(seed, nodes, degree, most, dense) -> None:
    g = torch.Generator().manual_seed(seed)
    edges = random_edges(g, nodes, degree * nodes)
    clusters = affinity_clustering(edges, None, nodes).clusters
    # Few targets a source, and many: two searches.
    count = 8 * nodes if dense else nodes
    pairs = torch.randint(0, nodes, (2, count), generator=g)
    hops = cluster_hops(edges, clusters, pairs, most)
    assert hops.dtype == torch.int32
    listed = edges.T.tolist()
    wanted = [[literal_hops(listed, row, a, b, most) for row in clusters.tolist()] for a, b in pairs.T.tolist()]
    assert hops.tolist() == wanted


def test_hops_with_several_threads() -> None:
    edges = random_edges(torch.Generator().manual_seed(1), 3000, 5000)
    clusters = affinity_clustering(edges, None, 3000).clusters
    pairs = torch.randint(0, 3000, (2, 9000), generator=torch.Generator().manual_seed(2))
    alone, before = cluster_hops(edges, clusters, pairs, 5), torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert (cluster_hops(edges, clusters, pairs, 5) == alone).all()
    finally:
        torch.set_num_threads(before)
    assert (cluster_hops(edges, clusters, pairs.flip(0), 5) == alone).all()
    few = torch.cat([cluster_hops(edges, clusters, part, 5) for part in pairs[:, :300].split(1, dim=1)])
    assert (few == alone[:300]).all()
    # On higher levels clusters are nearer, and never where they are in different components.
    apart = common_level(clusters, pairs) == len(clusters)
    assert (alone[apart] == 5).all()
    assert (alone[~apart].diff(dim=1) <= 0).all()
    assert (alone[~apart, -1] == 0).all()


def test_pairs_are_in_the_order_of_the_bias() -> None:
    cu_seqlens = torch.tensor([0, 2, 2, 5, 6], dtype=torch.int32)
    rows = [
        (i, j) for begin, end in ((0, 2), (2, 2), (2, 5), (5, 6)) for i in range(begin, end) for j in range(begin, end)
    ]
    assert pairs_within(cu_seqlens).T.tolist() == [list(pair) for pair in rows]
    assert pairs_within(torch.tensor([0])).shape == (2, 0)
    assert pairs_in_turn(cu_seqlens).tolist() == [[0, 1, 2, 3, 4, 5], [0, 0, 2, 2, 3, 5]]


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31), nodes=st.integers(1, 30), degree=st.integers(0, 3))
def test_common_levels_and_distances_in_the_tree(seed, nodes, degree) -> None:
    g = torch.Generator().manual_seed(seed)
    tree = affinity_clustering(random_edges(g, nodes, degree * nodes), None, nodes)
    pairs = torch.randint(0, nodes, (2, 50), generator=g)
    level = common_level(tree.clusters, pairs)
    assert (level == tree.common_level(pairs)).all()
    distance = tree_distance(tree.clusters, pairs)
    for (i, j), steps in zip(pairs.T.tolist(), distance.tolist(), strict=True):
        # Up from one until it is where the other is, and down again.
        up = next((row for row in range(tree.num_levels + 1) if tree.clusters[row, i] == tree.clusters[row, j]), None)
        assert steps == 2 * (tree.num_levels + 1 if up is None else up)
    assert (distance == tree_distance(tree.clusters, pairs.flip(0))).all()


def test_tokens_seen_from_the_one_before() -> None:
    g = torch.Generator().manual_seed(3)
    edges = random_edges(g, 20, 30)
    tree = affinity_clustering(edges, None, 20)
    nodes, cu_seqlens = tree.leaf_order.repeat(2)[:27], torch.tensor([0, 12, 12, 13, 27], dtype=torch.int32)
    hops, level = token_positions(edges, tree.clusters, nodes, cu_seqlens, 3)
    assert hops.shape == (27, tree.num_levels + 1)
    for row in range(27):
        if row in (0, 12, 13):
            assert hops[row].tolist() == [4] * (tree.num_levels + 1)
            assert level[row] == tree.num_levels + 2
        else:
            pair = torch.stack([nodes[row], nodes[row - 1]])[:, None]
            assert (hops[row] == cluster_hops(edges, tree.clusters, pair, 3)[0]).all()
            assert level[row] == common_level(tree.clusters, pair)


def test_a_batch_is_its_graphs() -> None:
    """With clusters that count on by numbers of nodes."""
    g = torch.Generator().manual_seed(5)
    graphs = [(random_edges(g, n, 2 * n), n) for n in (6, 1, 9)]
    rows, alone, start = [], [], 0
    for edges, n in graphs:
        clusters = affinity_clustering(edges, None, n, max_levels=3).clusters
        clusters = torch.cat([clusters, clusters[-1:].expand(4 - len(clusters), -1)])
        rows.append(clusters + start)
        alone.append(cluster_hops(edges, clusters, pairs_within(torch.tensor([0, n])), 4))
        start += n
    together = torch.cat([edges + begin for (edges, _), begin in zip(graphs, (0, 6, 7), strict=True)], 1)
    pairs = pairs_within(torch.tensor([0, 6, 7, 16]))
    assert (cluster_hops(together, torch.cat(rows, 1), pairs, 4) == torch.cat(alone)).all()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"d_max": 0}, "d_max: expected at least 1, got 0"),
        ({"clusters": torch.zeros(3, dtype=torch.int64)}, r"clusters: expected \[L \+ 1, N\] integers, got \[3\]"),
        ({"clusters": torch.full((1, 3), 3)}, "clusters: from 3 to 3, expected 0 to 2"),
        ({"clusters": torch.zeros(1, 3)}, "clusters: expected .* of torch.float32"),
        ({"pairs": torch.tensor([[0], [3]])}, "pairs: from 0 to 3, expected 0 to 2"),
        ({"pairs": torch.tensor([[0], [-1]])}, "pairs: from -1 to 0, expected 0 to 2"),
        ({"pairs": torch.zeros(3, 1, dtype=torch.int64)}, r"pairs: expected \[2, P\] integers, got \[3, 1\]"),
        ({"edge_index": torch.tensor([[0], [3]])}, "edge_index: .* expected 0 to 2"),
    ],
)
def test_bad_input_is_named(arguments, problem) -> None:
    good = {
        "edge_index": torch.tensor([[0], [1]]), "clusters": torch.arange(3)[None], "pairs": torch.tensor([[0], [1]]),
        "d_max": 2,
    }  # fmt: skip
    with pytest.raises(ValueError, match=problem):
        cluster_hops(**good | arguments)


def test_offsets_that_do_not_cover_the_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="cu_seqlens: expected to run from 0 to the 3 rows"):
        token_positions(torch.tensor([[0], [1]]), torch.arange(3)[None], torch.arange(3), torch.tensor([0, 2]), 2)
