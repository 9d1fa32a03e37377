"""TU folders: small ones line by line, real ones against their known counts and another reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from formerdata.graphs.tu import read_tu

from formerkit.io import DataError
from tests.paths import data

# Two graphs: a path of three nodes, and a pair. The first line of A belongs to the second graph.
SMALL = {
    "A": "5, 4\n1, 2\n2, 1\n2, 3\n3, 2\n4, 5\n",
    "graph_indicator": "1\n1\n1\n2\n2\n",
    "graph_labels": "7\n-1\n",
    "node_labels": "3\n9\n3\n5\n5\n",
    "edge_labels": "1\n0\n0\n4\n4\n1\n",
}


def write(folder: Path, **changes: str | None) -> Path:
    folder = folder / "SET"
    folder.mkdir(exist_ok=True)
    for part, text in (SMALL | changes).items():
        if text is not None:
            (folder / f"SET_{part}.txt").write_text(text)
    return folder


def test_a_small_set(tmp_path: Path) -> None:
    read = read_tu(write(tmp_path))
    graphs = read.graphs
    assert graphs.node_starts.tolist() == [0, 3, 5]
    assert graphs.edge_starts.tolist() == [0, 4, 6]
    assert graphs.edge_index.tolist() == [[0, 1, 1, 2, 1, 0], [1, 0, 2, 1, 0, 1]]
    assert (graphs.y.tolist(), read.classes) == ([1, 0], (-1, 7))
    assert (graphs.x.tolist(), read.node_labels) == ([0, 2, 0, 1, 1], ((3, 5, 9),))
    # Labels of edges follow their edges.
    assert (graphs.edge_attr.tolist(), read.edge_labels) == ([0, 0, 2, 2, 1, 1], ((0, 1, 4),))


def test_attributes_come_before_one_hot_labels(tmp_path: Path) -> None:
    attributes = "0.5, 1\n1.5, 2\n2.5, 3\n3.5, 4\n4.5, -5e-1\n"
    graphs = read_tu(write(tmp_path, node_attributes=attributes, edge_labels=None)).graphs
    assert graphs.x.dtype == torch.float32
    assert graphs.x[1].tolist() == [1.5, 2, 0, 0, 1]
    assert graphs.x[4].tolist() == [4.5, -0.5, 0, 1, 0]
    assert graphs.edge_attr is None


def test_several_labels_and_regression(tmp_path: Path) -> None:
    read = read_tu(write(tmp_path, node_labels="1,0\n2,0\n1,3\n1,0\n1,0\n", graph_attributes="0.25\n-1\n"))
    assert read.graphs.x.tolist() == [[0, 0], [1, 0], [0, 1], [0, 0], [0, 0]]
    assert read.node_labels == ((1, 2), (0, 3))
    assert (read.graphs.y.tolist(), read.classes) == ([[0.25], [-1.0]], ())


def test_a_graph_may_have_no_edges(tmp_path: Path) -> None:
    read = read_tu(write(tmp_path, A="1, 2\n2, 1\n", edge_labels="1\n1\n"))
    assert read.graphs.edge_starts.tolist() == [0, 2, 2]


@pytest.mark.parametrize(
    ("part", "text", "message"),
    [
        ("A", None, "SET_A.txt: no such file"),
        ("A", "", "SET_A.txt: an empty file"),
        ("A", "1, 2\n2, 6\n", "SET_A.txt, line 2: 2, 6; expected nodes from 1 to 5"),
        ("A", "0, 2\n", "line 1: 0, 2; expected nodes from 1"),
        ("A", "1, 2\n3, 4\n", "line 2: 3, 4; expected two nodes of one graph"),
        ("A", "1, 2\n1, 2, 3\n", "line 2: 3 numbers; expected 2"),
        ("A", "1, 2, 3\n1, 2, 3\n", "line 1: 3 numbers; expected 2"),
        ("A", "1, 2\n\n2, 1\n", "line 2: 0 numbers"),
        ("A", "1, 2\n1.5, 2\n", "line 2: 1.5, 2; expected integers"),
        ("A", "1, 2\n1, two\n", "line 2: .*'two'.*; expected numbers"),
        ("graph_indicator", "1\n1\n1\n3\n3\n", "indicator.txt, line 4: 3; expected graphs counted from 1"),
        ("graph_indicator", "1\n2\n1\n2\n2\n", "line 3"),
        ("graph_indicator", "0\n0\n0\n1\n1\n", "line 1: 0"),
        ("graph_labels", None, "SET_graph_labels.txt: no such file"),
        ("graph_labels", "1\n", "graph_labels.txt: 1 lines; expected 2, one for each graph"),
        ("node_labels", "3\n9\n3\n5\n", "node_labels.txt: 4 lines; expected 5"),
        ("node_labels", "3\n9\n3\n5\n0.5\n", "line 5: 0.5; expected integers"),
        ("edge_labels", "3\n9\n3\n5\n1\n", "edge_labels.txt: 5 lines; expected 6, one for each edge"),
        ("node_attributes", "1\n2\nnan\n4\n5\n", "node_attributes.txt, line 3: nan; expected finite"),
        ("edge_attributes", "1\n2\n3\n4\n5\n-inf\n", "edge_attributes.txt, line 6: -inf; expected finite"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, part: str, text: str | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_tu(write(tmp_path, **{part: text}))


@pytest.mark.parametrize(
    ("name", "graphs", "nodes", "edges", "classes"),
    [
        ("MUTAG", 188, 3371, 7442, (-1, 1)),
        ("PROTEINS", 1113, 43471, 162088, (1, 2)),
        ("ENZYMES", 600, 19580, 74564, (1, 2, 3, 4, 5, 6)),
    ],
)
def test_real_sets(name: str, graphs: int, nodes: int, edges: int, classes: tuple[int, ...]) -> None:
    read = read_tu(data("tudataset", name))
    found = read.graphs
    assert (len(found), found.num_nodes, found.num_edges, read.classes) == (graphs, nodes, edges, classes)
    theirs, slices, _ = pytest.importorskip("torch_geometric.io").read_tu_data(str(data("tudataset", name)), name)
    assert found.node_starts.tolist() == slices["x"].tolist()
    assert torch.equal(found.y, theirs.y)
    if name == "MUTAG":
        assert torch.equal(torch.nn.functional.one_hot(found.x).float(), theirs.x)
    else:
        assert torch.equal(found.x, theirs.x)
    # Theirs is sorted by source and destination.
    ours = np.lexsort(found.global_edge_index.flip(0).numpy())
    shift = torch.repeat_interleave(found.node_starts[:-1], slices["edge_index"].diff())
    assert torch.equal(found.global_edge_index[:, ours], theirs.edge_index + shift)
    if found.edge_attr is not None:
        assert torch.equal(torch.nn.functional.one_hot(found.edge_attr[ours]).float(), theirs.edge_attr)
