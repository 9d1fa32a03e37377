"""The text format of DGCNN and GIN: small files line by line, and real ones."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import torch
from formerdata.graphs.gin_text import read_gin_text
from formerdata.graphs.tu import read_tu

from formerkit.io import DataError
from tests.paths import data

SMALL = "2\n3 5\n7 1 1\n2 2 0 2\n7 1 1\n1 -1\n9 0\n"


def write(folder: Path, text: str) -> Path:
    (folder / "f.txt").write_text(text)
    return folder / "f.txt"


def test_a_small_file(tmp_path: Path) -> None:
    read = read_gin_text(write(tmp_path, SMALL))
    assert read.graphs.node_starts.tolist() == [0, 3, 4]
    assert read.graphs.edge_starts.tolist() == [0, 4, 4]
    assert read.graphs.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert (read.graphs.x.tolist(), read.node_labels) == ([1, 0, 1, 2], ((2, 7, 9),))
    assert (read.graphs.y.tolist(), read.classes) == ([1, 0], (-1, 5))
    (tmp_path / "g.txt.gz").write_bytes(gzip.compress(SMALL.encode()))
    assert torch.equal(read_gin_text(tmp_path / "g.txt.gz").graphs.x, read.graphs.x)


def test_attributes_come_before_one_hot_tags(tmp_path: Path) -> None:
    read = read_gin_text(write(tmp_path, "1\n2 0\n4 1 1 0.5 -1\n3 1 0 2 1e1\n"))
    assert read.graphs.x.tolist() == [[0.5, -1, 0, 1], [2, 10, 1, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.txt: an empty file"),
        ("x\n", "line 1: 'x'; expected the number of graphs"),
        ("1\n1 0 0\n0 0\n", "line 2: '1 0 0'; expected the number of nodes and the label"),
        ("2\n1 0\n0 0\n", "line 4: the end of the file; expected the number of nodes"),
        ("1\n2 0\n0 0\n", "line 4: the end of the file; expected the line of a node"),
        ("1\n1 0\n0 0\n0 0\n", "line 4: more lines than those of 1 graphs"),
        ("1\n0 0\n", "line 2: a graph with 0 nodes"),
        ("1\n1 0\n0\n", "line 3: '0'; expected tag, degree"),
        ("1\n1 0\n0.5 0\n", "line 3: '0.5 0'; expected tag, degree"),
        ("1\n2 0\n0 1 2\n0 0\n", "line 3: neighbour 2; expected 0 to 1"),
        ("1\n2 0\n0 1 -1\n0 0\n", "line 3: neighbour -1"),
        ("1\n2 0\n0 2 1\n0 0\n", "line 3: 1 neighbours; expected 2"),
        ("1\n2 0\n0 0 0.5\n0 0\n", "line 4: 0 attributes; expected 1, as of the first node"),
        ("1\n1 0\n0 0 nan\n", r"line 3: attributes \[nan\]; expected finite"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_gin_text(write(tmp_path, text))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"f\.txt: no such file"):
        read_gin_text(tmp_path / "f.txt")


@pytest.mark.parametrize(
    ("name", "graphs", "nodes", "edges"),
    [("MUTAG.txt", 188, 3371, 7442), ("PTC.txt", 344, 8792, 17_862), ("IMDBBINARY.txt.gz", 1000, 19_773, 193_062)],
)
def test_real_files(name: str, graphs: int, nodes: int, edges: int) -> None:
    read = read_gin_text(data("tudataset", "gin_format", name)).graphs
    assert (len(read), read.num_nodes, read.num_edges) == (graphs, nodes, edges)
    ends, n = read.global_edge_index, read.num_nodes
    assert torch.equal((ends[0] * n + ends[1]).sort().values, (ends[1] * n + ends[0]).sort().values)


def test_two_formats_of_one_set() -> None:
    gin, tu = read_gin_text(data("tudataset", "gin_format", "MUTAG.txt")), read_tu(data("tudataset", "MUTAG"))
    assert gin.graphs.y.bincount().tolist() == tu.graphs.y.flip(0).bincount().tolist()
    sizes = [read.graphs.node_starts.diff().sort().values.tolist() for read in (gin, tu)]
    assert sizes[0] == sizes[1]
