"""Edges sorted by destination and by source."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphformers.ops import adjacency


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), sources=st.integers(1, 9), destinations=st.integers(1, 9), edges=st.integers(0, 40))
def test_every_edge_stands_once_in_each_order(seed: int, sources: int, destinations: int, edges: int) -> None:
    g = torch.Generator().manual_seed(seed)
    rows = [torch.randint(0, count, (edges,), generator=g) for count in (sources, destinations)]
    graph = adjacency(torch.stack(rows), (sources, destinations))
    orders = (
        (graph.edges_out, graph.starts_out, rows[0], rows[1], graph.destinations_out),
        (graph.edges_in, graph.starts_in, rows[1], rows[0], graph.sources_in),
    )
    for order, starts, keys, others, neighbours in orders:
        assert torch.equal(order, torch.argsort(keys, stable=True))
        for node in range(len(starts) - 1):
            assert (keys[order[starts[node] : starts[node + 1]]] == node).all()
        assert torch.equal(neighbours, others[order])
        assert int(starts[-1]) == edges
    assert torch.equal(graph.edges_in[graph.places_out], graph.edges_out)


@pytest.mark.parametrize(
    ("edge_index", "message"),
    [
        (torch.zeros(3, 2, dtype=torch.int64), r"expected shape \[2, E\], got \[3, 2\]|\(3, 2\)"),
        (torch.zeros(2, 2), "expected integers, got torch.float32"),
        (torch.tensor([[0, 5], [1, 1]]), r"sources from 0 to 5, expected 0 to 4 \(5 nodes\)"),
        (torch.tensor([[0, 1], [-1, 1]]), "destinations from -1 to 1"),
    ],
)
def test_bad_edges_are_refused(edge_index: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        adjacency(edge_index, 5)
