"""Edges read from files against the same edges read by Python's own means."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formerdata.store import ArrayEdges, ParquetEdges, TextEdges, build_store, edge_files
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.io import DataError, MissingExtraError


def edges_of(source: Any) -> np.ndarray:
    first, second = (np.concatenate(list(source), axis=1) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.int64
    return first


NODE = st.one_of(st.integers(0, 99), st.integers(-(2**63) + 1, 2**63 - 1))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(NODE, NODE), max_size=40),
    st.sampled_from([",", ";", "\t", " ", "  ", " , ", ";\t"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.sampled_from([None, "source,target", "# FromNodeId\tToNodeId\n% and more", '"a" "b" "c"']),
    st.integers(0, 2),
    st.integers(1, 60),
    st.data(),
)
def test_text_of_any_form(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[int, int]], comma: str, end: str, packed: bool,
    head: str | None, more: int, size: int, data: Any,
) -> None:  # fmt: skip
    lines = [] if head is None else [head]
    for pair in pairs:
        lines += data.draw(st.sampled_from([[], [], [], ["", "  "], ["# between"]]))
        lines.append(comma.join([*map(str, pair), *["0.5e-3"] * more]))
    text = end.join(lines) + data.draw(st.sampled_from(["", end]))
    path = tmp_path_factory.mktemp("text") / ("edges.csv.gz" if packed else "edges.txt")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    kept, edge_files.TEXT = edge_files.TEXT, size
    try:
        source = TextEdges(path)
        found = [edge for chunk in source for edge in chunk.T.tolist()]
        assert found == [list(pair) for pair in pairs]
        numbers = [
            number for number, line in enumerate(text.split("\n"), 1)
            if line.strip() and line.strip()[0] in "-+0123456789"
        ]  # fmt: skip
        for edge in range(len(pairs)):
            assert source.line_of(edge) == numbers[edge]
        assert source.line_of(len(pairs)) is None
    finally:
        edge_files.TEXT = kept


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0,1\n\n2,x\n", "line 3: '2,x' is no edge; expected two whole numbers"),
        ("0,1\n2\n", "line 2: '2' is no edge"),
        ("0,1\n2,\n", "line 2: '2,' is no edge"),
        ("0,1\n2,3.0\n", "line 2: '2,3.0' is no edge"),
        ("0,1\n,3\n", "line 2: ',3' is no edge"),
        ("0,1\n2,,3\n", "line 2: '2,,3' is no edge"),
        ("0,1\n- 2,3\n", "line 2: '- 2,3' is no edge"),
        ("0,1\n2x,3\n", "line 2: '2x,3' is no edge"),
        ("0,1\n2,3abc\n", "line 2: '2,3abc' is no edge"),
        ("0,1\n2,3,4\n", "line 2: '2,3,4' has another number of columns; expected 2, as above"),
        ("a,b,c\n0,1,5\n# x\n2,3\n", "line 4: '2,3' has another number of columns; expected 3"),
        ("0 1\n9223372036854775808 0", r"line 2: '9223372036854775808 0' names a node beyond int64; .* 2 \*\* 63"),
        ("1,x\n2,3\n", "line 1: '1,x' is no edge"),
        ("a,b\nc,d\n2,3\n", "line 2: 'c,d' is no edge"),
        ("\x00\xff\n1,2\n\x00\x01", "line 3"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "edges.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=rf"edges\.csv, {problem}"):
        list(TextEdges(path))


def test_a_header_may_be_told(tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    path.write_text("7,8\n1,2\n")
    assert edges_of(TextEdges(path)).tolist() == [[7, 1], [8, 2]]
    assert edges_of(TextEdges(path, header=True)).tolist() == [[1], [2]]
    path.write_text("a,b\n1,2\n")
    assert edges_of(TextEdges(path)).tolist() == [[1], [2]]
    with pytest.raises(DataError, match="line 1: 'a,b' is no edge"):
        list(TextEdges(path, header=False))


def test_a_node_that_is_not_there_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    path.write_text("source,target\n0,1\n\n# note\n1,2\n2,-3\n")
    with pytest.raises(DataError, match=r"edges.csv, line 6, field 'edge': edge 2 is from 2 to -3; .* 0 to 2"):
        build_store(tmp_path / "graph", TextEdges(path), 3)
    with pytest.raises(DataError, match="the file is absent"):
        build_store(tmp_path / "graph", TextEdges(tmp_path / "other.csv"), 3)
    (tmp_path / "edges.csv.gz").write_bytes(gzip.compress(b"0,1\n" * 1000)[:-9])
    with pytest.raises(DataError, match=r"edges\.csv\.gz: damaged"):
        build_store(tmp_path / "graph", TextEdges(tmp_path / "edges.csv.gz"), 3)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 30), st.sampled_from(["int32", "int64", ">i4", "uint8"]), st.integers(0, 3), st.integers(1, 7))
def test_arrays_of_any_layout(
    tmp_path_factory: pytest.TempPathFactory, count: int, dtype: str, form: int, rows: int
) -> None:
    expected = np.random.default_rng(count).integers(0, 100, (2, count))
    array = expected.astype(dtype)
    array = [array, np.asfortranarray(array), np.ascontiguousarray(array.T), np.asfortranarray(array.T)][form]
    if count == 2 and form >= 2:
        expected = array.astype(np.int64)  # two by two counts as [2, E]
    folder, kept = tmp_path_factory.mktemp("arrays"), edge_files.ROWS
    np.save(folder / "a.npy", array)
    np.savez(folder / "b.npz", edge_index=array, other=np.zeros(3))
    np.savez_compressed(folder / "c.npz", edge_index=array)
    edge_files.ROWS = rows
    try:
        for name in ("a.npy", "b.npz", "c.npz"):
            chunks = [np.zeros((2, 0), np.int64), *ArrayEdges(folder / name)]
            np.testing.assert_array_equal(np.concatenate(chunks, axis=1), expected)
            assert all(chunk.shape[1] <= rows for chunk in chunks)
    finally:
        edge_files.ROWS = kept


def test_arrays_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "edges.npz"
    np.savez(path, edge_index=np.zeros((2, 4)), objects=np.array([{}], dtype=object), wide=np.zeros((3, 4), int))
    for field, problem in (
        ("edge_index", r"field 'edge_index': float64 of shape \[2, 4\]; expected integers"),
        ("objects", "field 'objects': holds Python objects"),
        ("wide", r"int64 of shape \[3, 4\]"),
        ("other", r"field 'other': no such array; expected one of \['edge_index', 'objects', 'wide'\]"),
    ):
        with pytest.raises(DataError, match=problem):
            list(ArrayEdges(path, field=field))
    with pytest.raises(DataError, match="no such file"):
        list(ArrayEdges(tmp_path / "other.npy"))
    np.save(tmp_path / "a.npy", np.zeros((2, 400), int))
    whole = (tmp_path / "a.npy").read_bytes()
    for cut, problem in ((whole[:-1], "is cut short"), (whole[:20], "cannot be read"), (b"", "cannot be read"),
                         (whole[:6] + b"\3" + whole[7:], r"cannot be read \(version \(3, 0\)\)")):  # fmt: skip
        (tmp_path / "a.npy").write_bytes(cut)
        with pytest.raises(DataError, match=problem):
            list(ArrayEdges(tmp_path / "a.npy"))
    np.savez_compressed(path, edge_index=np.random.default_rng(0).integers(0, 9, (2, 4000)))
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 255
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"edges\.npz, field 'edge_index': cannot be read"):
        list(ArrayEdges(path))


def test_parquet_needs_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"needs 'pyarrow\.parquet'.* pip install 'formerkit\[parquet\]'"):
        build_store(tmp_path / "graph", ParquetEdges(tmp_path / "edges.parquet"), 3)
    assert list(tmp_path.iterdir()) == []


def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is absent (extra parquet)")
    parquet = pytest.importorskip("pyarrow.parquet")
    path, edges = tmp_path / "edges.parquet", np.random.default_rng(0).integers(0, 50, (2, 1000))
    table = pyarrow.table({"w": edges[0] / 2, "to": edges[1].astype("uint32"), "from": edges[0], "n": [None] * 1000})
    parquet.write_table(table, path, row_group_size=300)
    monkeypatch.setattr(edge_files, "ROWS", 128)
    source = ParquetEdges(path, source="from", target="to")
    np.testing.assert_array_equal(edges_of(source), edges)
    assert build_store(tmp_path / "graph", source, 50).num_edges == 1000
    for names, problem in (
        (("from", "w"), "field 'w': float64; expected whole numbers"),
        (("n", "to"), "field 'n': a missing number after row 0"),
        (("source", "to"), "field 'source': no such column; expected one of"),
    ):
        with pytest.raises(DataError, match=problem):
            list(ParquetEdges(path, source=names[0], target=names[1]))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"edges\.parquet: cannot be read .*; expected a Parquet file"):
        list(source)
    with pytest.raises(DataError, match="no such file"):
        list(ParquetEdges(tmp_path / "other.parquet"))
