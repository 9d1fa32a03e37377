"""A graph from files of its own, of each kind; and what is wrong with them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from formerdata.store import store_from_files

from formerkit.io import DataError

EDGES = np.array([[0, 1, 2, 4, 5], [1, 2, 0, 3, 5]])
X = np.arange(12, dtype=np.float32).reshape(6, 2)
Y = np.array([0, 1, -1, 1, 0, 1])
PARTS = ([0, 1], [3], [5, 4])


def write(folder: Path, kind: str) -> dict[str, Path]:
    if kind == "text":
        text = "# who whom\n" + "".join(f"{a}\t{b}\n" for a, b in EDGES.T)
        (folder / "edges.tsv.gz").write_bytes(gzip.compress(text.encode()))
        (folder / "x.csv").write_text("".join(f"{a},{b}\n" for a, b in X))
        (folder / "y.csv").write_text("".join(f"{y}\n" for y in Y))
        return {"edges": folder / "edges.tsv.gz", "features": folder / "x.csv", "labels": folder / "y.csv"}
    np.save(folder / "x.npy", X)
    np.save(folder / "y.npy", Y)
    if kind == "parquet":
        arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(arrow.table({"a": EDGES[0], "b": EDGES[1]}), folder / "edges.parquet")
    else:
        np.save(folder / "edges.npy", EDGES)
    return {"edges": folder / f"edges.{kind}", "features": folder / "x.npy", "labels": folder / "y.npy"}


@pytest.mark.parametrize("kind", ["text", "npy", "parquet"])
def test_each_kind_of_file_says_the_same(tmp_path: Path, kind: str) -> None:
    files = write(tmp_path, kind)
    parts = []
    for number, nodes in enumerate(PARTS):
        np.savetxt(tmp_path / f"part{number}.csv", nodes, fmt="%d")
        parts.append(tmp_path / f"part{number}.csv")
    store = store_from_files(
        tmp_path / "store", **files, parts=(parts[0], parts[1], parts[2]), columns=("a", "b"), dtype="float32"
    )
    assert store.graph.starts.tolist() == [0, 1, 2, 3, 3, 4, 5]
    assert store.graph.neighbours.tolist() == [1, 2, 0, 3, 5]
    assert store.features is not None
    assert store.labels is not None
    assert store.splits is not None
    np.testing.assert_array_equal(store.features, X)
    np.testing.assert_array_equal(store.labels, Y)
    assert [sorted(part.tolist()) for part in (store.splits.train, store.splits.valid, store.splits.test)] == [
        [0, 1], [3], [4, 5]
    ]  # fmt: skip


def test_parts_are_drawn_of_nodes_whose_class_is_known(tmp_path: Path) -> None:
    files = write(tmp_path, "npy")
    splits = store_from_files(tmp_path / "store", **files).splits
    assert splits is not None
    drawn = [*splits.train.tolist(), *splits.valid.tolist(), *splits.test.tolist()]
    assert sorted(drawn) == [0, 1, 3, 4, 5]
    again = store_from_files(tmp_path / "again", **files, seed=1).splits
    assert again is not None
    assert again.train.tolist() != splits.train.tolist() or again.valid.tolist() != splits.valid.tolist()


@pytest.mark.parametrize(
    ("name", "array", "problem"),
    [
        ("labels", Y[:5], "edge 4 is from 5 to 5; expected nodes from 0 to 4"),
        ("labels", Y.astype(np.float32), "float32"),
        ("labels", np.full(6, -1), "'labels': 0 known classes; expected at least 4"),
        ("features", X[:5], "'features': 5 rows; expected 6"),
        ("features", np.full((6, 2), np.nan), "row 0 is not finite"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, name: str, array: np.ndarray, problem: str) -> None:
    files = write(tmp_path, "npy")
    np.save(tmp_path / "other.npy", array)
    with pytest.raises(DataError, match=problem):
        store_from_files(tmp_path / "store", **{**files, name: tmp_path / "other.npy"})
    assert not list(tmp_path.glob("store*"))
