"""Whatever happens to a file: it is read, or the error is one of ours."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formerdata.graphs.array_pickle import read_array_pickle
from formerdata.graphs.csv_table import read_csv
from formerdata.graphs.gin_text import read_gin_text
from formerdata.graphs.gnn_benchmark import read_gnn_benchmark
from formerdata.graphs.graph6 import read_graph6
from formerdata.graphs.heterophilous import read_heterophilous
from formerdata.graphs.index_lists import read_index_lists
from formerdata.graphs.tables import read_integers, read_numbers
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.io import DataError


def npz(folder: Path, arrays: dict[str, Any]) -> bytes:
    np.savez(folder / "a.npz", **arrays)
    return (folder / "a.npz").read_bytes()


def heterophilous(folder: Path) -> bytes:
    masks = {f"{part}_masks": np.eye(3, dtype=bool)[None, n] for n, part in enumerate(("train", "val", "test"))}
    edges = np.array([[0, 1]])
    return npz(folder, {"node_features": np.ones((3, 2)), "node_labels": np.arange(3), "edges": edges, **masks})


def gnn_benchmark(folder: Path) -> bytes:
    csr = {"data": np.ones(2), "indices": np.array([1, 0]), "indptr": np.array([0, 1, 2]), "shape": np.array([2, 2])}
    parts = {f"{of}_{part}": array for of in ("adj", "attr") for part, array in csr.items()}
    return npz(folder, {**parts, "labels": np.arange(2)})


def sparse_pickle(_: Path) -> bytes:
    return pickle.dumps(pytest.importorskip("scipy.sparse").csr_matrix(np.eye(3)), protocol=2)


FORMATS: dict[str, tuple[Callable[[Path], Any], Callable[[Path], bytes]]] = {
    "numbers": (read_numbers, lambda _: b"1, 2.5\n3e2, -4\n"),
    "integers": (read_integers, lambda _: b"1, 2\n3, 4\n"),
    "gin": (read_gin_text, lambda _: b"2\n2 0\n0 1 1 0.5\n1 1 0 1\n1 1\n0 0 7\n"),
    "graph6": (read_graph6, lambda _: b">>graph6<<BW\nDQc\n~??A_\n"),
    "index": (read_index_lists, lambda _: b"0,1\n2,3\n"),
    "csv": (read_csv, lambda _: b'smiles,p\n"C,""C",1\nCO,\n'),
    "heterophilous": (read_heterophilous, heterophilous),
    "gnn_benchmark": (read_gnn_benchmark, gnn_benchmark),
    "sparse": (read_array_pickle, sparse_pickle),
    "array": (read_array_pickle, lambda _: pickle.dumps(np.arange(6.0).reshape(2, 3), protocol=2)),
    "graph": (read_array_pickle, lambda _: pickle.dumps({0: [1, 2], 1: [0]}, protocol=2)),
}


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_damage_is_noticed_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    read, make = FORMATS[name]
    path = tmp_path_factory.getbasetemp() / f"damaged-{name}"
    content = make(path.parent)
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.sampled_from([start, start + 1, start + 3, len(content)]))
    path.write_bytes(
        content[:start] + data.draw(st.binary(max_size=3) | st.sampled_from([b"-", b"9", b","])) + content[end:]
    )
    with contextlib.suppress(DataError):
        read(path)


@pytest.mark.parametrize("name", FORMATS)
def test_whole_files_are_read(tmp_path: Path, name: str) -> None:
    read, make = FORMATS[name]
    (tmp_path / "f").write_bytes(make(tmp_path))
    read(tmp_path / "f")
