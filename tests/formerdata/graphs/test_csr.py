"""Lists of neighbours against the edges they were made from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from formerdata.graphs.csr import csr_graph
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(deadline=None, max_examples=40)
@given(st.data(), st.integers(1, 9), st.integers(1, 9), st.integers(0, 30), st.sampled_from(["source", "destination"]))
def test_each_list_holds_its_edges_in_their_order(
    data: st.DataObject, sources: int, destinations: int, edges: int, rows: str
) -> None:
    draw = data.draw(st.randoms(use_true_random=False))
    pairs = [(draw.randrange(sources), draw.randrange(destinations)) for _ in range(edges)]
    edge_index = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T
    graph = csr_graph(edge_index, (sources, destinations), rows=rows)
    own, other = (0, 1) if rows == "source" else (1, 0)
    assert graph.num_nodes == (sources, destinations)[own]
    assert graph.num_columns == (sources, destinations)[other]
    assert graph.num_edges == edges
    assert graph.edge_ids is not None
    for node in range(graph.num_nodes):
        expected = [number for number, pair in enumerate(pairs) if pair[own] == node]
        part = slice(graph.starts[node], graph.starts[node + 1])
        assert graph.edge_ids[part].tolist() == expected
        assert graph.neighbours[part].tolist() == [pairs[number][other] for number in expected]
        assert graph.degrees()[node] == len(expected)
    assert graph.neighbours.dtype == np.int32


@pytest.mark.parametrize(
    ("edges", "problem"),
    [
        (torch.zeros(3, 2, dtype=torch.long), r"expected shape \[2, E\], got \(3, 2\)"),
        (torch.zeros(2, 3), "expected integers, got torch.float32"),
        (torch.tensor([[0, 1], [2, 3]]), "destinations from 2 to 3, expected 0 to 2"),
        (torch.tensor([[0, -1], [2, 2]]), "sources from -1 to 0, expected 0 to 2"),
    ],
)
def test_what_is_no_list_of_edges_is_refused(edges: torch.Tensor, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        csr_graph(edges, 3)


def test_rows_have_two_names() -> None:
    with pytest.raises(ValueError, match="rows: expected 'source' or 'destination', got 'column'"):
        csr_graph(torch.zeros(2, 0, dtype=torch.long), 1, rows="column")
