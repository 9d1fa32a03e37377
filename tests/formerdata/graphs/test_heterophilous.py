"""The npz files of Platonov et al.: a small one, each way to break it, and real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from formerdata.graphs.heterophilous import read_heterophilous

from formerkit.io import DataError
from tests.paths import data


def arrays() -> dict[str, np.ndarray]:
    train, valid, test = (np.zeros((2, 4), dtype=bool) for _ in range(3))
    train[0, [0, 1]] = train[1, 3] = valid[0, 2] = valid[1, 0] = test[0, 3] = test[1, [1, 2]] = True
    return {
        "node_features": np.arange(8, dtype=np.int64).reshape(4, 2),
        "node_labels": np.array([1, 0, 1, 2]),
        "edges": np.array([[2, 0], [0, 2], [1, 3], [3, 3]]),
        "train_masks": train, "val_masks": valid, "test_masks": test,
    }  # fmt: skip


def write(folder: Path, **changes: Any) -> Path:
    kept = {name: value for name, value in (arrays() | changes).items() if value is not None}
    np.savez(folder / "small.npz", **kept)
    return folder / "small.npz"


def test_a_small_graph(tmp_path: Path) -> None:
    graph, splits = read_heterophilous(write(tmp_path))
    assert graph.edge_index.tolist() == [[0, 1, 2, 3, 3], [2, 3, 0, 1, 3]]
    assert (graph.x.dtype, graph.x[3].tolist()) == (torch.float32, [6.0, 7.0])
    assert graph.y.tolist() == [1, 0, 1, 2]
    found = [[part.tolist() for part in (split.train, split.valid, split.test)] for split in splits]
    assert found == [[[0, 1], [2], [3]], [[3], [0], [1, 2]]]


def with_(name: str, place: Any, value: Any) -> dict[str, np.ndarray]:
    array = arrays()[name]
    if isinstance(value, float):
        array = array.astype(float)
    array[place] = value
    return {name: array}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": None}, "small.npz, field 'edges': is absent"),
        (with_("edges", (1, 0), 4), r"'edge_index': graph 0: edge \[4, 2\]; expected nodes from 0 to 3"),
        (with_("edges", (1, 0), -1), r"edge \[-1, 2\]"),
        (with_("edges", (1, 0), 0.5), "field 'edges': float64; expected integers"),
        ({"edges": np.zeros((3, 3), dtype=int)}, r"field 'edges': shape \[3, 3\]; expected \[edges, 2\]"),
        (with_("node_features", (2, 0), np.nan), "field 'node_features': row 2 is not finite"),
        ({"node_features": np.array([[None]] * 4)}, "field 'node_features': cannot be read"),
        ({"node_features": np.zeros(4)}, r"field 'node_features': shape \[4\]"),
        ({"node_labels": np.zeros(3, dtype=int)}, r"field 'node_labels': shape \[3\]; expected \[4\]"),
        ({"node_labels": np.zeros(4)}, "field 'node_labels': float64"),
        ({"train_masks": np.ones((3, 4), dtype=bool)}, r"field 'masks': \[3, 2, 2\] splits"),
        ({"train_masks": np.full((2, 4), 2)}, "field 'train_masks': int64; expected booleans"),
        (with_("test_masks", (1, 0), True), "small.npz, field 'split test': entry 0 stands in another part"),
        (with_("train_masks", 1, False), "field 'split train': is empty"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_heterophilous(write(tmp_path, **changes))


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"", "cannot be read"), (b"PK\x03\x04 no zip", "cannot be read"), (b"text", "cannot be")],
)
def test_files_that_are_none(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "f.npz").write_bytes(content)
    with pytest.raises(DataError, match=f"f.npz: {message}"):
        read_heterophilous(tmp_path / "f.npz")


def test_a_bare_array(tmp_path: Path) -> None:
    np.save(tmp_path / "f.npy", np.zeros(3))
    with pytest.raises(DataError, match="one bare array"):
        read_heterophilous(tmp_path / "f.npy")


def test_a_damaged_array(tmp_path: Path) -> None:
    path = write(tmp_path)
    content = bytearray(path.read_bytes())
    place = content.index(b"node_labels.npy") + 150
    content[place] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"node_labels.*cannot be read"):
        read_heterophilous(path)


@pytest.mark.parametrize(
    ("name", "nodes", "features", "classes", "pairs"),
    [("minesweeper", 10_000, 7, 2, 39_402), ("texas", 183, 1703, 5, 279), ("chameleon_filtered", 890, 2325, 5, 8854)],
)
def test_real_graphs(name: str, nodes: int, features: int, classes: int, pairs: int) -> None:
    graph, splits = read_heterophilous(data("heterophilous", f"{name}.npz"))
    assert (graph.num_nodes, graph.x.shape[1], int(graph.y.max()) + 1) == (nodes, features, classes)
    assert graph.num_edges == 2 * pairs
    assert len(splits) == 10
    assert all(len(s.train) + len(s.valid) + len(s.test) == nodes for s in splits)


def test_a_real_graph_against_its_arrays() -> None:
    path = data("heterophilous", "minesweeper.npz")
    graph, splits = read_heterophilous(path)
    with np.load(path) as file:
        assert np.array_equal(graph.x.numpy(), file["node_features"])
        assert np.array_equal(graph.y.numpy(), file["node_labels"])
        pairs = {(int(a), int(b)) for a, b in file["edges"]}
        assert set(map(tuple, graph.edge_index.T.tolist())) == pairs | {(b, a) for a, b in pairs}
        for number, split in enumerate(splits):
            assert np.array_equal(split.valid.numpy(), file["val_masks"][number].nonzero()[0])
