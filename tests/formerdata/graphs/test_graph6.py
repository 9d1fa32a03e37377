"""graph6: against NetworkX's writer, each way to break a line, and real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from formerdata.graphs.graph6 import read_graph6
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.io import DataError
from tests.paths import data


def write(folder: Path, text: str) -> Path:
    (folder / "f.g6").write_text(text)
    return folder / "f.g6"


def test_small_graphs_by_hand(tmp_path: Path) -> None:
    # "@" is one node, "A_" an edge; in "BW" the pairs (0, 1), (0, 2), (1, 2) have the bits 0, 1, 1.
    graphs = read_graph6(write(tmp_path, "@\nA_\nBW\nA?\n"))
    assert graphs.node_starts.tolist() == [0, 1, 3, 6, 8]
    assert graphs.batch([1]).edge_index.tolist() == [[0, 1], [1, 0]]
    assert graphs.batch([2]).edge_index.tolist() == [[0, 1, 2, 2], [2, 2, 0, 1]]
    assert graphs.batch([3]).num_edges == 0


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 99), nodes=st.integers(1, 70), header=st.booleans())
def test_what_networkx_writes(tmp_path_factory: pytest.TempPathFactory, seed: int, nodes: int, header: bool) -> None:
    networkx = pytest.importorskip("networkx")
    graph = networkx.gnp_random_graph(nodes, 0.3, seed=seed)
    path = tmp_path_factory.mktemp("g6") / "f.g6"
    path.write_bytes(networkx.to_graph6_bytes(graph, header=header))
    read = read_graph6(path)
    assert read.num_nodes == nodes
    assert list(map(tuple, read.edge_index.T.tolist())) == sorted(graph.to_directed().edges())


def test_eight_characters_for_a_number(tmp_path: Path) -> None:
    graphs = read_graph6(write(tmp_path, "~~?????AW\n"))  # two nodes, the number written longer than it need be
    assert (graphs.num_nodes, graphs.num_edges) == (2, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.g6: an empty file"),
        (">>graph6<<\n", "f.g6: no graphs"),
        ("A_\nB w\n", "line 2: the character ' '"),
        ("A_\n\nA_\n", "line 2: a blank line"),
        ("A_\nBé\n", "line 2: the character 'é'"),
        ("A_\nA\n", "line 2: 0 characters for 2 nodes; expected 1"),
        ("A__\n", "line 1: 2 characters for 2 nodes; expected 1"),
        ("~~~~~~~~\n", "line 1: 0 characters for 68719476735 nodes"),
        ("~?\n", "line 1: ends within the number of nodes"),
        (":An\n", "line 1: the character ':'"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_graph6(write(tmp_path, text))


def test_strongly_regular_graphs() -> None:
    graphs = read_graph6(data("expressivity", "sr251256.g6"))
    assert len(graphs) == 15
    for graph in graphs:
        adjacency = torch.zeros(25, 25)
        adjacency[graph.edge_index[0], graph.edge_index[1]] = 1
        # SR(25, 12, 5, 6): neighbours have 5 common neighbours, others 6.
        expected = 12 * torch.eye(25) + 5 * adjacency + 6 * (1 - torch.eye(25) - adjacency)
        assert torch.equal(adjacency @ adjacency, expected)


def test_all_connected_graphs_of_eight_nodes() -> None:
    graphs = read_graph6(data("expressivity", "graph8c.g6"))
    assert len(graphs) == 11_117
    assert bool((graphs.node_starts.diff() == 8).all())
    ends = graphs.edge_index + 8 * torch.repeat_interleave(torch.arange(len(graphs)), graphs.edge_starts.diff())
    degrees = torch.bincount(ends[0], minlength=graphs.num_nodes).numpy()
    assert degrees.min() == 1
    assert np.array_equal(degrees, torch.bincount(ends[1], minlength=graphs.num_nodes).numpy())
