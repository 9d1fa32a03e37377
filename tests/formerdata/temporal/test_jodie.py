"""JODIE's and DyGLib's files: written by hand as their own programs write them, read, and spoilt."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from formerdata.temporal import EventStream, read_dyglib, read_jodie, write_dyglib

from formerkit.io import DataError

JODIE = """user_id,item_id,timestamp,state_label,comma_separated_list_of_features
0,0,0.0,0,-0.175063,1e-3,0.5
1,0,36.0,0,0.1,0.2,0.3
0,1,36.0,1,0.4,0.5,0.6
"""
TABLE = ",u,i,ts,label,idx\n0,1,3,0.0,0.0,1\n1,2,3,36.0,0.0,2\n2,1,4,36.5,1.0,3\n"


def test_jodie_files(tmp_path: Path) -> None:
    path = tmp_path / "wikipedia.csv"
    path.write_text(JODIE)
    events = read_jodie(path)
    assert (events.src.tolist(), events.dst.tolist(), events.num_nodes) == ([0, 1, 0], [2, 2, 3], 4)
    assert events.t.tolist() == [0, 36, 36]
    assert events.y is not None
    assert events.y.tolist() == [0, 0, 1]
    assert events.edge_attr is not None
    assert torch.equal(events.edge_attr, torch.tensor([[-0.175063, 1e-3, 0.5], [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]))
    path.write_text("0,0,0.0,0\n5,2,1.0,0\n")
    events = read_jodie(path, name="tiny")
    assert (events.dst.tolist(), events.num_nodes, events.edge_attr, events.name) == ([6, 8], 9, None, "tiny")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("\n1,0,", "\n-1,0,", "line 3, field 'user_id': -1; expected ids from 0 on"),
        ("\n1,0,36.0,0", "\n1,0,36.0,0.5", "line 3, field 'state_label': '0.5'"),
        ("0.2,0.3", "0.2", "line 3: '1,0,36.0,0,0.1,0.2' has 6 columns; expected 7"),
        ("0.2,0.3", "0.2,x", "line 3, field 'feature 2': 'x'; expected a finite number"),
        ("0,1,36.0", "0,1,35.0", "line 4, field 't': event 2 has time 35.0, the one above it 36.0"),
        ("0,0,0.0", "0,0,-1.0", "line 2, field 't': -1.0"),
    ],
)
def test_jodie_files_that_are_spoilt(tmp_path: Path, old: str, new: str, problem: str) -> None:
    path = tmp_path / "x.csv"
    assert old in JODIE
    path.write_text(JODIE.replace(old, new))
    with pytest.raises(DataError, match=rf"x\.csv, {problem}"):
        read_jodie(path)


def test_too_few_columns(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("0,1,2\n")
    with pytest.raises(DataError, match="3 columns; expected at least 4"):
        read_jodie(tmp_path / "x.csv")


def folder(tmp_path: Path, table: str = TABLE, *, rows: int = 4, nodes: int = 5) -> Path:
    (tmp_path / "ml_toy.csv").write_text(table)
    np.save(tmp_path / "ml_toy.npy", np.arange(rows * 2, dtype=np.float64).reshape(rows, 2))
    np.save(tmp_path / "ml_toy_node.npy", -np.arange(nodes * 3, dtype=np.float64).reshape(nodes, 3))
    return tmp_path


def test_dyglib_files(tmp_path: Path) -> None:
    events = read_dyglib(folder(tmp_path, nodes=7), "toy")
    assert (events.src.tolist(), events.dst.tolist(), events.num_nodes) == ([0, 1, 0], [2, 2, 3], 6)
    assert events.t.tolist() == [0, 36, 36.5]
    assert events.y is not None
    assert events.y.tolist() == [0, 0, 1]
    assert events.edge_attr is not None
    assert events.x is not None
    assert events.edge_attr.tolist() == [[2, 3], [4, 5], [6, 7]]
    assert events.x[0].tolist() == [-3, -4, -5]
    assert events.x.dtype == events.edge_attr.dtype == torch.float32
    for name in ("ml_toy.npy", "ml_toy_node.npy"):
        (tmp_path / name).unlink()
    events = read_dyglib(tmp_path, "toy")
    assert (events.num_nodes, events.x, events.edge_attr) == (4, None, None)


def test_features_go_by_idx(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = "idx,u,more,i,ts,label\n3,1,0,3,9,-1\n1,2,0,3,8,-1\n2,1,0,4,10,-1\n"
    with pytest.raises(DataError, match=r"ml_toy\.csv, line 3, field 't': event 1 has time 8"):
        read_dyglib(folder(tmp_path, table), "toy")
    with caplog.at_level(logging.WARNING):
        events = read_dyglib(tmp_path, "toy", unsorted="sort")
    assert "line 3: sorted by time; 1 of 3 events" in caplog.text
    assert events.edge_attr is not None
    assert events.edge_attr.tolist() == [[2, 3], [6, 7], [4, 5]]
    assert events.src.tolist() == [1, 0, 0]
    assert events.y is None


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("0,1,3,", "0,0,3,", r"ml_toy\.csv, line 2, field 'u': 0; expected ids from 1 to 4"),
        ("1,4,", "1,5,", r"ml_toy\.csv, line 4, field 'i': 5; expected ids from 1 to 4"),
        (",3\n", ",4\n", r"ml_toy\.csv, line 4, field 'idx': 4; expected ids of events from 1 to 3"),
        (",3\n", ",2\n", r"ml_toy\.csv, line 4, field 'idx': 2; expected each id once"),
        ("36.5", "-36.5", r"ml_toy\.csv, line 4, field 't': -36.5"),
        ("36.5", "", r"ml_toy\.csv, line 4, field 'ts': ''; expected a finite number"),
        ("label", "state", r"ml_toy\.csv, field 'label': columns \['', 'u', 'i', 'ts', 'state', 'idx'\]"),
        (",u,i", "u,i", r"ml_toy\.csv: 5 titles, 6 columns"),
        ("36.5", "nan", r"ml_toy\.csv, line 4, field 'ts': 'nan'"),
    ],
)
def test_tables_that_are_spoilt(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in TABLE
    with pytest.raises(DataError, match=problem):
        read_dyglib(folder(tmp_path, TABLE.replace(old, new)), "toy")


def test_arrays_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the file is absent"):
        read_dyglib(tmp_path, "toy")
    with pytest.raises(DataError, match=r"ml_toy\.npy: 3 rows; expected 4: one for padding, one an event"):
        read_dyglib(folder(tmp_path, rows=3), "toy")
    folder(tmp_path)
    path = tmp_path / "ml_toy_node.npy"
    for values, problem in (
        (np.zeros(5), r"float64 \[5\]; expected numbers"),
        (np.zeros((5, 2), complex), "complex128"),
        (np.full((5, 2), 1e39), "row 1 is not finite"),
        (np.full((5, 2), np.nan), "row 1 is not finite"),
        (np.zeros((0, 2)), r"float64 \[0, 2\]"),
    ):
        np.save(path, values)
        with pytest.raises(DataError, match=rf"ml_toy_node\.npy: {problem}"):
            read_dyglib(tmp_path, "toy")
    np.save(path, np.array([[{}]]), allow_pickle=True)
    with pytest.raises(DataError, match=r"ml_toy_node\.npy: cannot be read"):
        read_dyglib(tmp_path, "toy")
    with path.open("wb") as file:
        np.savez(file, a=np.zeros(3))
    with pytest.raises(DataError, match="several arrays"):
        read_dyglib(tmp_path, "toy")
    for damaged in (b"", b"abc", (tmp_path / "ml_toy.npy").read_bytes()[:-5]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"ml_toy_node\.npy: cannot be read"):
            read_dyglib(tmp_path, "toy")


def test_what_is_written_is_what_others_expect(tmp_path: Path) -> None:
    t = torch.tensor([0.1, 1082040961, 1082040961.25], dtype=torch.float64)
    events = EventStream(
        torch.tensor([0, 1, 0]), torch.tensor([2, 2, 3]), t, 4,
        edge_attr=torch.ones(3, 2), x=torch.ones(4, 1), y=torch.tensor([0, 1, -1]),
    )  # fmt: skip
    write_dyglib(tmp_path, "toy", events)
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(tmp_path / "ml_toy.csv")
    assert list(table.columns) == ["Unnamed: 0", "u", "i", "ts", "label", "idx"]
    assert table.u.tolist() == [1, 2, 1]
    assert table.i.tolist() == [3, 3, 4]
    assert table.ts.tolist() == t.tolist()
    assert table.idx.tolist() == [1, 2, 3]
    assert np.load(tmp_path / "ml_toy.npy").tolist() == [[0, 0], [1, 1], [1, 1], [1, 1]]
    assert np.load(tmp_path / "ml_toy_node.npy").tolist() == [[0], [1], [1], [1], [1]]
