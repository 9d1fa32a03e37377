"""Pairs that are not linked: all of them, each as often as any other."""

from __future__ import annotations

import pytest
import torch
from formerdata.graphs.non_edges import non_edges
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.seeds import generator
from tests.graphformers.graphs import random_edges


@settings(deadline=None, max_examples=30)
@given(nodes=st.integers(1, 9), edges=st.integers(0, 40), seed=st.integers(0, 99), directed=st.booleans())
def test_all_that_are_no_edges_and_nothing_else(nodes: int, edges: int, seed: int, directed: bool) -> None:
    edge_index = random_edges(torch.Generator().manual_seed(seed), nodes, edges)
    linked = {tuple(edge) for edge in edge_index.T.tolist()}
    linked |= set() if directed else {(b, a) for a, b in linked}
    expected = [[a, b] for a in range(nodes) for b in range(nodes) if a != b and (a, b) not in linked]
    absent = non_edges(edge_index, nodes, directed=directed)
    assert len(absent) == len(expected)
    assert absent.at(torch.arange(len(absent))).tolist() == expected


def test_draws_are_uniform_and_a_function_of_the_seed() -> None:
    absent = non_edges(torch.tensor([[0, 1, 2], [1, 2, 3]]), 5)
    drawn = absent.draw(28_000, generator(0, "a"))
    assert torch.equal(drawn, absent.draw(28_000, generator(0, "a")))
    assert not torch.equal(drawn, absent.draw(28_000, generator(0, "b")))
    counts = drawn.unique(dim=0, return_counts=True)[1]
    assert len(counts) == len(absent) == 14
    # 2000 each, with a deviation of 43.
    assert counts.min() > 1800
    assert counts.max() < 2200


def test_nothing_can_be_drawn_where_all_are_linked() -> None:
    with pytest.raises(ValueError, match="all pairs of nodes are linked"):
        non_edges(torch.tensor([[0], [1]]), 2).draw(1, generator(0))
