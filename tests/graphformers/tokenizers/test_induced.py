"""Subgraphs of sets of nodes, against the definition."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.mixers.packing import starts_of
from graphformers.ops import adjacency
from graphformers.tokenizers.induced import induced_subgraphs
from graphformers.tokenizers.token_sequences import Ragged
from tests.graphformers.graphs import random_edges


def sets_of(g: torch.Generator, nodes: int, count: int) -> Ragged:
    """Some nodes each, maybe none or all, in any order."""
    drawn = [torch.randperm(nodes, generator=g)[: int(torch.randint(0, nodes + 1, (), generator=g))]
             for _ in range(count)]  # fmt: skip
    return Ragged(torch.cat([*drawn, torch.zeros(0, dtype=torch.int64)]), starts_of(torch.tensor([*map(len, drawn)])))


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**31), nodes=st.integers(0, 9), count=st.integers(0, 5), edges=st.integers(0, 40))
def test_edges_within_sets(seed: int, nodes: int, count: int, edges: int) -> None:
    g = torch.Generator().manual_seed(seed)
    ends, sets = random_edges(g, nodes, edges), sets_of(g, nodes, count)
    found, numbers = induced_subgraphs(sets, adjacency(ends, nodes))
    wanted = [
        (row, other, edge)
        for number in range(count)
        for row in range(int(sets.starts[number]), int(sets.starts[number + 1]))
        for other in range(int(sets.starts[number]), int(sets.starts[number + 1]))
        for edge in range(ends.shape[1])
        if (int(ends[0, edge]), int(ends[1, edge])) == (int(sets.values[row]), int(sets.values[other]))
    ]
    assert sorted(zip(*found.tolist(), numbers.tolist(), strict=True)) == sorted(wanted)
    # One set after the other.
    assert bool((found[0].diff() >= 0).all())


def test_a_set_of_absent_nodes_is_refused() -> None:
    graph = adjacency(torch.tensor([[0], [1]]), 2)
    with pytest.raises(ValueError, match="sets: expected nodes 0 to 1, got 1 to 2"):
        induced_subgraphs(Ragged.singles(torch.tensor([1, 2])), graph)
