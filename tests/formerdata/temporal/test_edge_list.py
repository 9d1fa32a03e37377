"""Edge lists with times against the same lines read by Python's own means."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import pytest
import torch
from formerdata.temporal import event_text, read_edge_list
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.io import DataError
from tests.paths import data

NODE = st.one_of(st.integers(0, 9), st.integers(-(2**63) + 1, 2**63 - 1))
TIME = st.one_of(
    st.floats(0, 2e9).map(repr), st.integers(0, 2**40).map(str), st.floats(0, 2e9).map("{:.5f}".format),
    st.floats(0, 1e300).map(repr), st.just("1e-320"), st.just("123456789012345678901234567890"), st.just(".5"),
    st.just("7."), st.just("+3E+2"), st.just("0.1000000000000000055511151231257827"),
)  # fmt: skip
VALUE = st.one_of(st.floats(-(2.0**90), 2.0**90, width=32).map(repr), st.integers(-10, 10).map(str))


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.tuples(NODE, NODE, TIME, VALUE, VALUE), min_size=1, max_size=30),
    st.sampled_from([",", ";", "\t", " ", "  ", " , ", ";\t"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.sampled_from([None, "source,target,a,time,b", "# note\n% and more", '"a" "b" "c" "d" "e"', "%1,2\n\nx;y"]),
    st.integers(1, 90),
    st.booleans(),
    st.data(),
)
def test_text_of_any_form(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, str, str, str]], comma: str, end: str,
    packed: bool, head: str | None, size: int, bipartite: bool, draw: st.DataObject,
) -> None:  # fmt: skip
    rows = sorted(rows, key=lambda row: float(row[2]))
    lines = [] if head is None else head.split("\n")
    for src, dst, t, a, b in rows:
        lines += draw.draw(st.sampled_from([[], [], [], ["", "  "], ["# between"]]))
        lines.append(comma.join([str(src), str(dst), a, t, b]))
    text = end.join(lines) + draw.draw(st.sampled_from(["", end]))
    path = tmp_path_factory.mktemp("text") / ("events.csv.gz" if packed else "events.txt")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    kept, event_text.TEXT = event_text.TEXT, size
    try:
        columns = ("src", "dst", "a", "t", "b")
        events, ids = read_edge_list(path, columns, features=("b", "a"), bipartite=bipartite, name="toy")
    finally:
        event_text.TEXT = kept
    assert events.t.tolist() == [float(row[2]) for row in rows]
    assert ids[events.src].tolist() == [row[0] for row in rows]
    assert ids[events.dst].tolist() == [row[1] for row in rows]
    sources, destinations = ({row[side] for row in rows} for side in range(2))
    if bipartite:
        assert ids.tolist() == sorted(sources) + sorted(destinations)
        assert bool((events.src < len(sources)).all() and (events.dst >= len(sources)).all())
    else:
        assert ids.tolist() == sorted(sources | destinations)
    expected = torch.tensor([[float(row[4]), float(row[3])] for row in rows])
    assert events.edge_attr is not None
    assert torch.equal(events.edge_attr, expected)
    assert (events.name, events.num_nodes, events.y) == ("toy", len(ids), None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0 1 5\n\n2 x 6\n", "line 3, field 'dst': 'x'; expected a whole number"),
        ("# a\n0 1 5\n2 1.5 6\n", "line 3, field 'dst': '1.5'; expected a whole number"),
        ("0 1 5\n2 - 6\n", "line 2, field 'dst': '-'; expected a whole number"),
        ("0,1,5\n2,,6\n", "line 2, field 'dst': ''; expected a whole number"),
        ("0,1,5\n9223372036854775808,1,6\n", "line 2, field 'src': '9223372036854775808'; expected below 2"),
        ("0 1 5\n2 3\n", "line 2: '2 3' has 2 columns; expected 3"),
        ("0,1,5\n2,3,\n", "line 2, field 't': ''; expected a finite number"),
        ("0 1 5\n2 3 4 5\n", "line 2: '2 3 4 5' has 4 columns; expected 3"),
        ("0 1 5\n2 3 nan\n", "line 2, field 't': 'nan'; expected a finite number"),
        ("0 1 5\n2 3 1e999\n", "line 2, field 't': '1e999'; expected a finite number"),
        ("0 1 5\n2 3 1_0\n", "line 2, field 't': '1_0'; expected a finite number"),
        ("0 1 5\n2 3 4e\n", "line 2, field 't': '4e'; expected a finite number"),
        ("\n0 1 5\n2 3 -6\n", "line 3, field 't': -6.0; expected times from 0 on"),
        ("0 1 5\n\n# x\n2 3 4\n", r"line 4, field 't': event 1 has time 4.0, the one above it 5.0; .*unsorted='sort'"),
        ("0 1\n2 3\n", r"field 'columns': 2 columns; expected 3: \['src', 'dst', 't'\]"),
        ("a,b,t\n", "no events; expected at least one line of numbers"),
        ("", "no events"),
        ("# a\n\n", "no events"),
        ("a b c\nd e f\n", "line 2, field 'src': 'd'; expected a whole number"),
        ("\x00\xff\n1 2 3\n", "line 1: not text"),
        ("1 2 3\n\x00\xff 2 3\n", "line 2, field 'src': "),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(text.encode("latin-1"))
    for size in (1 << 22, 3):
        kept, event_text.TEXT = event_text.TEXT, size
        try:
            with pytest.raises(DataError, match=rf"events\.csv(, |: ){problem}"):
                read_edge_list(path)
        finally:
            event_text.TEXT = kept


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the file is absent"):
        read_edge_list(tmp_path / "none.txt")
    (tmp_path / "x.txt.gz").write_bytes(gzip.compress(b"0 1 5\n" * 1000)[:-9])
    with pytest.raises(DataError, match=r"x\.txt\.gz: damaged"):
        read_edge_list(tmp_path / "x.txt.gz")


def test_features_that_float32_cannot_hold(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("0,1,5,1\n0,1,6,1e39\n")
    with pytest.raises(DataError, match=r"line 2, field 'feature 0': inf; expected a number that float32 can hold"):
        read_edge_list(path, ("src", "dst", "t", "w"), features=("w",))
    assert read_edge_list(path, ("src", "dst", "t", "w"))[0].edge_attr is None


def test_labels_and_titles(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("7,8,1,0.5\n1.0,2,-1,1\n")
    events, ids = read_edge_list(path, ("src", "dst", "y", "t"))
    assert events.y is not None
    assert events.y.tolist() == [1, -1]
    assert ids.tolist() == [1, 2, 7, 8]
    assert len(read_edge_list(path, ("src", "dst", "y", "t"), header=True)[0]) == 1
    path.write_text("a,b,y,t\n1.0,2,-1,1\n")
    with pytest.raises(DataError, match="line 1, field 'src': 'a'"):
        read_edge_list(path, ("src", "dst", "y", "t"), header=False)


def test_unsorted_files_are_sorted_on_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "events.txt"
    path.write_text("0 1 5 1\n1 2 3 2\n2 0 5 3\n0 2 3 4\n")
    with caplog.at_level(logging.WARNING):
        events, _ = read_edge_list(path, ("src", "dst", "t", "w"), features=("w",), unsorted="sort")
    assert "events.txt, line 2: sorted by time; 2 of 4 events were earlier than the one above them" in caplog.text
    assert events.edge_attr is not None
    assert events.edge_attr.flatten().tolist() == [2, 4, 1, 3]
    assert events.src.tolist() == [1, 0, 0, 2]
    with pytest.raises(ValueError, match="unsorted: 'ignore'"):
        read_edge_list(path, ("src", "dst", "t", "w"), unsorted="ignore")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("columns", "features", "problem"),
    [
        (("src", "t"), (), r"lack \['dst'\]"),
        (("src", "dst", "t", "t"), (), "each name once"),
        (("src", "dst", "t", "w"), ("w", "w"), "each name once"),
        (("src", "dst", "t", "w"), ("v",), r"features: \['v'\]"),
        (("src", "dst", "t", "w"), ("t",), r"features: \['t'\]"),
    ],
)
def test_names_that_do_not_fit(
    tmp_path: Path, columns: tuple[str, ...], features: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        read_edge_list(tmp_path / "any", columns, features=features)


@pytest.mark.parametrize(
    ("parts", "columns", "counts"),
    [
        (("dynamic_collegemsg", "CollegeMsg.txt"), ("src", "dst", "t"), (59_835, 1_899, 58_911)),
        (("dynamic_enron", "enron.csv"), ("src", "dst", "weight", "t"), (50_572, 151, 16_067)),
        (("dynamic_bitcoin_otc", "soc-sign-bitcoinotc.csv"), ("src", "dst", "rating", "t"), (35_592, 5_881, 35_592)),
        (("dynamic_digg", "digg.txt.gz"), ("src", "dst", "weight", "t"), (87_627, 30_398, 83_943)),
    ],
)
def test_real_files(parts: tuple[str, str], columns: tuple[str, ...], counts: tuple[int, int, int]) -> None:
    path, features = data(*parts), columns[2:-1]
    events, ids = read_edge_list(path, columns, features=features, unsorted="sort" if "digg" in parts[0] else "refuse")
    assert (len(events), events.num_nodes, len(events.t.unique())) == counts
    if "digg" in parts[0]:
        with pytest.raises(DataError, match=r"digg\.txt\.gz, line 7, field 't'"):
            read_edge_list(path, columns)
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    lines = text.decode().splitlines()
    rows = [line.replace(",", " ").split() for line in lines if not line.startswith("%")]
    rows.sort(key=lambda row: float(row[-1]))
    assert ids[events.src].tolist() == [int(row[0]) for row in rows]
    assert ids[events.dst].tolist() == [int(row[1]) for row in rows]
    assert events.t.tolist() == [float(row[-1]) for row in rows]
    if events.edge_attr is not None:
        assert events.edge_attr[:, 0].tolist() == [float(row[2]) for row in rows]
