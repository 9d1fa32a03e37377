"""Vectors for positions in a hierarchy: sums of what the tables hold."""

from __future__ import annotations

import pytest
import torch

from formerkit.mixers.attention import attention
from graphformers.encodings import cluster_hops, pairs_within, token_positions, tree_distance
from graphformers.layers import HierarchicalBias, HierarchicalTokenEncoding, TreeDistanceBias
from graphformers.tokenizers import affinity_clustering
from tests.graphformers.graphs import random_edges

D_MAX, HEADS = 3, 2


@pytest.fixture(name="tree")
def _tree():
    edges = random_edges(torch.Generator().manual_seed(1), 12, 20)
    return edges, affinity_clustering(edges, None, 12)


def test_a_bias_is_the_sum_over_levels(tree) -> None:
    edges, tree = tree
    hops = cluster_hops(edges, tree.clusters, pairs_within(torch.tensor([0, 5, 12])), D_MAX)
    module = HierarchicalBias(HEADS, tree.num_levels, D_MAX)
    assert (module(hops) == 0).all()
    torch.nn.init.normal_(module.of_level.table)
    tables = module.of_level.table.view(tree.num_levels + 1, D_MAX + 1, HEADS)
    wanted = torch.stack([sum(tables[level, d] for level, d in enumerate(row)) for row in hops.tolist()], 1)
    torch.testing.assert_close(module(hops), wanted)
    # As attention takes it.
    q, k, v = (torch.randn(12, HEADS, 4, generator=torch.Generator().manual_seed(i)) for i in range(3))
    cu_seqlens = torch.tensor([0, 5, 12], dtype=torch.int32)
    out = attention(q, k, v, cu_seqlens=cu_seqlens, bias=module(hops))
    assert out.shape == (12, HEADS, 4)
    out.sum().backward()
    assert module.of_level.table.grad.abs().sum() > 0


def test_every_number_that_positions_have_has_an_entry(tree) -> None:
    edges, tree = tree
    nodes, cu_seqlens = tree.leaf_order, torch.tensor([0, 1, 12], dtype=torch.int32)
    hops, level = token_positions(edges, tree.clusters, nodes, cu_seqlens, D_MAX)
    module = HierarchicalTokenEncoding(6, tree.num_levels, D_MAX)
    tables = module.of_level.table.view(tree.num_levels + 1, D_MAX + 2, 6)
    wanted = torch.stack([
        sum(tables[row, d] for row, d in enumerate(line)) + module.of_common.weight[common]
        for line, common in zip(hops.tolist(), level.tolist(), strict=True)
    ])  # fmt: skip
    torch.testing.assert_close(module(hops, level), wanted)
    module(hops, level).sum().backward()
    assert (module.of_common.weight.grad[tree.num_levels + 2] == 2).all()
    wide = HierarchicalTokenEncoding(4096, 2, 3)
    one = wide(torch.zeros(1, 3, dtype=torch.int32), torch.zeros(1, dtype=torch.int64))
    assert float(one.std().detach()) == pytest.approx(1, abs=0.1)


def test_distances_in_the_tree(tree) -> None:
    _, tree = tree
    pairs = pairs_within(torch.tensor([0, 12]))
    module = TreeDistanceBias(HEADS, tree.num_levels)
    distance = tree_distance(tree.clusters, pairs)
    assert distance.max() == 2 * (tree.num_levels + 1), "the graph is to have several components"
    assert (module(distance) == 0).all()
    torch.nn.init.normal_(module.table.weight)
    assert (module(distance) == module.table.weight[distance // 2].T).all()
    module.reset_parameters()
    assert (module(distance) == 0).all()


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="levels: expected at least 0, got -1"):
        HierarchicalBias(2, -1, 3)
    with pytest.raises(ValueError, match="d_max: expected at least 1, got 0"):
        HierarchicalTokenEncoding(2, 1, 0)
    with pytest.raises(ValueError, match="heads: expected at least 1, got 0"):
        TreeDistanceBias(0, 1)
    with pytest.raises(ValueError, match=r"hops: expected \[n, 3\], got \[5, 2\]"):
        HierarchicalBias(2, 2, 3)(torch.zeros(5, 2, dtype=torch.int32))
