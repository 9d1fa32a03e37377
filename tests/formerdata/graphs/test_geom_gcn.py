"""Geom-GCN's text files and splits: small ones line by line, and real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from formerdata.graphs.geom_gcn import read_geom_gcn, read_geom_gcn_splits

from formerkit.io import DataError
from tests.paths import data

NODES = "node_id\tfeature\tlabel\n1\t0,1\t4\n0\t1,1\t2\n2\t0,0\t4\n"
EDGES = "node_id\tnode_id\n0\t1\n0\t1\n2\t2\n"


def write(folder: Path, nodes: str = NODES, edges: str = EDGES) -> Path:
    (folder / "out1_node_feature_label.txt").write_text(nodes)
    (folder / "out1_graph_edges.txt").write_text(edges)
    return folder


def test_a_small_graph(tmp_path: Path) -> None:
    graph = read_geom_gcn(write(tmp_path))
    assert graph.edge_index.tolist() == [[0, 1, 2], [1, 0, 2]]
    assert graph.x.tolist() == [[1, 1], [0, 1], [0, 0]]
    assert graph.y.tolist() == [2, 4, 4]
    assert read_geom_gcn(tmp_path, undirected=False).edge_index.tolist() == [[0, 2], [1, 2]]


def test_positions_of_ones(tmp_path: Path) -> None:
    graph = read_geom_gcn(write(tmp_path, NODES.replace("0,1", "3").replace("1,1", "0,1,1")), feature_indices=True)
    assert graph.x.tolist() == [[1, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0]]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ("", "label.txt: an empty file"),
        ("node_id\tfeature\tlabel\n", "label.txt: a header alone"),
        ("h\n0\t1\n", "line 2: 2 columns; expected 3"),
        ("h\n0\t1\t0\n0\t1\t0\n", "line 3, field 'node_id': 0; expected 0 to N - 1, each once"),
        ("h\n0\t1\t0\n2\t1\t0\n", "line 3, field 'node_id': 2"),
        ("h\n0\t1\t0\n1\t1\t0.5\n", "line 3, field 'label': '0.5'; expected an integer"),
        ("h\n0\t1,2\t0\n1\t1,x\t0\n", "line 3, field 'feature': .*'x'"),
        ("h\n0\t1,2\t0\n1\t1,nan\t0\n", "line 3, field 'feature': not finite"),
        ("h\n0\t1,2\t0\n1\t1\t0\n", "line 3, field 'feature': 1 features; expected 2, .*feature_indices=True"),
    ],
)
def test_bad_nodes_are_named(tmp_path: Path, nodes: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_geom_gcn(write(tmp_path, nodes))


@pytest.mark.parametrize("features", ["0.5", "-1", "3000000"])
def test_bad_positions_are_named(tmp_path: Path, features: str) -> None:
    with pytest.raises(DataError, match=r"line 3, field 'feature': .*; expected positions from 0"):
        read_geom_gcn(write(tmp_path, NODES.replace("1,1", features)), feature_indices=True)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ("h\n0\t3\n", r"edges.txt, line 2: \[0, 3\]; expected nodes from 0 to 2"),
        ("h\n0\t1\n0\n", "edges.txt, line 3: 1 columns; expected 2"),
        ("h\n0\t1.5\n", "edges.txt, line 2, field 'node_id': '1.5'; expected an integer"),
    ],
)
def test_bad_edges_are_named(tmp_path: Path, edges: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_geom_gcn(write(tmp_path, edges=edges))


def test_missing_files(tmp_path: Path) -> None:
    (write(tmp_path) / "out1_graph_edges.txt").unlink()
    with pytest.raises(DataError, match=r"out1_graph_edges\.txt: no such file"):
        read_geom_gcn(tmp_path)
    with pytest.raises(DataError, match=r"g_split_0\.6_0\.2_0\.npz: no such file"):
        read_geom_gcn_splits(tmp_path, "g", 3)


def test_splits(tmp_path: Path) -> None:
    for number in range(10):
        masks = {name: np.arange(4) == place for place, name in enumerate(("train_mask", "val_mask", "test_mask"))}
        np.savez(
            tmp_path / f"g_split_0.6_0.2_{number}.npz", **{name: mask.astype(np.uint8) for name, mask in masks.items()}
        )
    splits = read_geom_gcn_splits(tmp_path, "g", 4)
    assert [(split.train.tolist(), split.valid.tolist(), split.test.tolist()) for split in splits] == [
        ([0], [1], [2])
    ] * 10
    with pytest.raises(DataError, match=r"_0\.npz, field 'train_mask': shape \[4\]; expected \[5\]"):
        read_geom_gcn_splits(tmp_path, "g", 5)
    np.savez(tmp_path / "g_split_0.6_0.2_4.npz", **dict.fromkeys(masks, np.ones(4, dtype=bool)))
    with pytest.raises(DataError, match=r"_4\.npz, field 'split valid': entry 0 stands in another part"):
        read_geom_gcn_splits(tmp_path, "g", 4)


@pytest.mark.parametrize(
    ("name", "nodes", "features", "directed"), [("texas", 183, 1703, 325), ("film", 7600, 932, 30_019)]
)
def test_real_graphs(name: str, nodes: int, features: int, directed: int) -> None:
    graph = read_geom_gcn(data("geom_gcn", "new_data", name), undirected=False, feature_indices=name == "film")
    assert (graph.num_nodes, graph.x.shape[1], graph.num_edges) == (nodes, features, directed)
    assert int(graph.y.max()) == 4
    assert len(read_geom_gcn_splits(data("geom_gcn", "splits"), name, nodes)) == 10
