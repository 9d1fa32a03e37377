"""Graphs by their CSR parts: a small one, each way to break it, and real ones against another reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from formerdata.graphs.gnn_benchmark import read_gnn_benchmark
from formerdata.graphs.splits import split_per_class

from formerkit.io import DataError
from tests.paths import data


def arrays() -> dict[str, np.ndarray]:
    """Edges 0-1, 2-0 and a loop at 2; the one from 1 to 2 is a stored zero."""
    return {
        "adj_data": np.array([1, 0, 1, 1], dtype=np.float32), "adj_indices": np.array([1, 2, 0, 2], dtype=np.int32),
        "adj_indptr": np.array([0, 1, 2, 4], dtype=np.int32), "adj_shape": np.array([3, 3]),
        "attr_data": np.array([2, 0.5, 1], dtype=np.float32), "attr_indices": np.array([3, 0, 0], dtype=np.int32),
        "attr_indptr": np.array([0, 1, 3, 3], dtype=np.int32), "attr_shape": np.array([3, 4]),
        "labels": np.array([1, 0, 1]),
    }  # fmt: skip


def write(folder: Path, **changes: Any) -> Path:
    kept = {name: value for name, value in (arrays() | changes).items() if value is not None}
    np.savez(folder / "small.npz", **kept)
    return folder / "small.npz"


def test_a_small_graph(tmp_path: Path) -> None:
    graph = read_gnn_benchmark(write(tmp_path))
    assert graph.edge_index.tolist() == [[0, 0, 1, 2], [1, 2, 0, 0]]
    assert graph.x.tolist() == [[0, 0, 0, 2], [1.5, 0, 0, 0], [0, 0, 0, 0]]  # what is stored twice adds up
    assert graph.y.tolist() == [1, 0, 1]
    assert read_gnn_benchmark(tmp_path / "small.npz", undirected=False).edge_index.tolist() == [[0, 2], [1, 0]]


def test_a_graph_without_features(tmp_path: Path) -> None:
    without = {f"attr_{part}": None for part in ("data", "indices", "indptr", "shape")}
    assert read_gnn_benchmark(write(tmp_path, **without)).x is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("labels", None, "field 'labels': is absent"),
        ("adj_indptr", None, "field 'adj_indptr': is absent"),
        ("attr_indptr", None, "field 'attr_indptr': is absent; expected all four parts"),
        ("adj_indices", np.array([1, 2, 0, 3]), "field 'adj_indices': entries from 0 to 3; expected 0 to 2"),
        ("adj_indices", np.array([1, 2, 0]), r"field 'adj_indices': shape \[3\]; expected \[4\]"),
        ("adj_indices", np.array([1.0, 2, 0, 0]), "field 'adj_indices': float64; expected integers"),
        ("adj_indptr", np.array([0, 2, 1, 4]), "field 'adj_indptr': falls"),
        ("adj_indptr", np.array([0, 1, 4]), r"field 'adj_indptr': shape \[3\]; expected \[4\]"),
        ("adj_shape", np.array([3, 4]), r"field 'adj_shape': \[3, 4\]; expected a square matrix"),
        ("attr_data", np.array([1, np.nan, 1]), "field 'attr_data': row 1 is not finite"),
        ("attr_shape", np.array([2, 4]), r"field 'attr_indptr': shape \[4\]; expected \[3\]"),
        ("labels", np.array([1, 0]), r"field 'labels': shape \[2\]; expected \[3\]"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, name: str, value: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"small.npz, {message}"):
        read_gnn_benchmark(write(tmp_path, **{name: value}))


def test_features_of_other_nodes(tmp_path: Path) -> None:
    changes = {"attr_shape": np.array([2, 4]), "attr_indptr": np.array([0, 1, 3])}
    with pytest.raises(DataError, match=r"small.npz, field 'x': 2 rows; expected 3"):
        read_gnn_benchmark(write(tmp_path, **changes))


@pytest.mark.parametrize(
    ("name", "nodes", "edges", "features", "classes"),
    [("amazon_photo", 7650, 238_162, 745, 8), ("dblp", 17_716, 105_734, 1639, 4)],
)
def test_real_graphs(name: str, nodes: int, edges: int, features: int, classes: int) -> None:
    path = data("gnn_benchmark_npz", f"{name}.npz")
    graph = read_gnn_benchmark(path)
    assert (graph.num_nodes, graph.num_edges, graph.x.shape[1]) == (nodes, edges, features)
    theirs = pytest.importorskip("torch_geometric.io").read_npz(str(path))
    assert torch.equal(graph.edge_index, theirs.edge_index)
    assert torch.equal(graph.y, theirs.y)
    assert torch.equal((graph.x > 0).float(), theirs.x)  # theirs has every positive value as 1
    split = split_per_class(graph.y, seed=0)
    assert (len(split.train), len(split.valid)) == (20 * classes, 30 * classes)
    assert len(split.test) == nodes - 50 * classes
