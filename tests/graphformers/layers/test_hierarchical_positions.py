"""Places of node tokens in a hierarchy: pair by pair and level by level, whatever the number of levels."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphformers.layers import HierarchicalPositions
from graphformers.tokenizers import batch_hierarchy, leaf_order_tokens
from tests.graphformers.graphs import random_graphs
from tests.graphformers.tokenizers.readings import distances

LEVELS, MOST = 2, 3


def rows_of(clusters: list[list[int]]) -> list[list[int]]:
    """Clusters of levels 0 to LEVELS, the last one repeated."""
    return [clusters[min(level, len(clusters) - 1)] for level in range(LEVELS + 1)]


@pytest.mark.parametrize("form", ["hops", "tree"])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), sizes=st.lists(st.integers(0, 9), min_size=1, max_size=3))
@torch.no_grad()
def test_pair_by_pair_as_the_formulas_read(form: str, seed: int, sizes: list[int]) -> None:
    g = torch.Generator().manual_seed(seed)
    graphs = random_graphs(g, sizes)
    tree = batch_hierarchy(torch.randn(graphs.num_nodes, 2, generator=g), graphs.edge_index, graphs.batch, len(sizes))
    tokens, rows = leaf_order_tokens(tree, graphs.batch), rows_of(tree.clusters.tolist())
    model = HierarchicalPositions(4, 2, form, levels=LEVELS, d_max=MOST, biased=True)  # type: ignore[arg-type]
    for parameter in model.parameters():
        parameter.normal_(generator=g)
    added, bias = model(graphs.edge_index, tree, tokens)
    assert bias is not None
    steps = [distances(torch.tensor(row)[graphs.edge_index], graphs.num_nodes) for row in rows]
    table, common_table = (
        (model.added.of_level.table, model.added.of_common.weight) if form == "hops" else (None, model.added.weight)
    )
    order, starts, pair = tokens.content.tolist(), tokens.cu_seqlens.tolist(), 0
    for begin, end in itertools.pairwise(starts):
        for i in range(begin, end):
            for j in range(begin, end):
                hops = [_cut(steps[level][row[order[i]]][row[order[j]]]) for level, row in enumerate(rows)]
                common = sum(row[order[i]] != row[order[j]] for row in rows)
                if form == "hops":
                    tables = model.bias.of_level.table.view(LEVELS + 1, MOST + 1, 2)  # type: ignore[union-attr]
                    wanted = sum(tables[level, hop] for level, hop in enumerate(hops))
                else:
                    wanted = model.bias.table.weight[common]  # type: ignore[union-attr]
                torch.testing.assert_close(bias[:, pair], wanted, rtol=1e-5, atol=1e-5)
                pair += 1
                if j != i - 1 and not (i == j == begin):
                    continue
                first = i == begin
                place = common_table[LEVELS + 2 if first else common]
                if table is not None:
                    levels = table.view(LEVELS + 1, MOST + 2, 4)
                    place = place + sum(levels[n, MOST + 1 if first else hop] for n, hop in enumerate(hops))
                torch.testing.assert_close(added[i], place, rtol=1e-5, atol=1e-5)
    assert bias.shape == (2, pair)


def _cut(steps: int) -> int:
    return MOST if steps < 0 else min(steps, MOST)


def test_without_attention_there_is_no_bias() -> None:
    edges = torch.tensor([[0, 1], [1, 2]])
    tree = batch_hierarchy(torch.zeros(3).long(), edges)
    tokens = leaf_order_tokens(tree, torch.zeros(3).long())
    for form in ("hops", "tree"):
        model = HierarchicalPositions(4, 2, form, biased=False)  # type: ignore[arg-type]
        added, bias = model(edges, tree, tokens)
        assert bias is None
        assert added.shape == (3, 4)
