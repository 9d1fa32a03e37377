"""CSV files of numbers: every cell as Python reads it, whatever its form; what is no number is named with its line."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import numpy as np
import pytest
from formerdata.ogb import csv_files
from formerdata.ogb.csv_files import read_numbers, read_whole_numbers, read_words, write_numbers, write_words
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.io import DataError

CELLS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats(width=32).map(str),
    st.floats().map(repr),
    st.floats(-1e30, 1e30).map(lambda x: f"{x:.25f}"),
    st.decimals(allow_nan=False, allow_infinity=False, places=12).map(str),
    st.sampled_from(["", '""', "nan", "NaN", "NA", "+3", "-.5", "7.", "1e5", "1E-7", "-0", "00012", "inf", " 4"]),
)


def twin(text: str) -> np.ndarray:
    """Cell by cell, as Python reads them."""
    unknown = ("", '""', "nan", "NaN", "NA")
    lines = [line.split(",") for line in text.splitlines() if line]
    values = [[float("nan") if cell in unknown else float(cell) for cell in line] for line in lines]
    with np.errstate(over="ignore"):
        return np.array(values, np.float64).astype(np.float32)


@settings(deadline=None, max_examples=80)
@given(
    st.integers(1, 3).flatmap(
        lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=8)
    ),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.sampled_from([1, 7, 1 << 24]),
)
def test_cells_are_read_as_python_reads_them(rows: list[list[str]], end: str, last: bool, chunk: int) -> None:
    rows = [['""'] if row == [""] else row for row in rows]
    text = end.join(",".join(row) for row in rows) + (end if last else "")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_files, "CHUNK", chunk)
        path = Path(folder) / "x.csv.gz"
        path.write_bytes(gzip.compress(text.encode()))
        found = read_numbers(path)
        if found.dtype == np.int64:
            assert found.tolist() == [[int(cell) for cell in row] for row in rows]
        else:
            np.testing.assert_array_equal(found, twin(text))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 999), st.sampled_from(["int", "float", "unknown"]), st.integers(1, 4), st.integers(1, 9))
def test_written_and_read(seed: int, kind: str, columns: int, rows: int) -> None:
    g = np.random.default_rng(seed)
    values: np.ndarray = g.integers(-(2**63), 2**63 - 1, (rows, columns)) >> g.integers(0, 63, (rows, columns))
    if kind != "int":
        values = g.integers(0, 2**32, (rows, columns), dtype=np.uint64).astype(np.uint32).view(np.float32)  # all bits
        values = np.where(np.isfinite(values), values, np.float32(0.5))
        values[0, 0] = np.nan if kind == "unknown" else 0.25
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv.gz"
        write_numbers(path, values)
        found = read_numbers(path)
        assert found.dtype == values.dtype
        np.testing.assert_array_equal(found, values)


def test_numbers_halfway_between_two_floats(tmp_path: Path) -> None:
    """All their digits, which decide how they round, do not fit into a float64's quick conversion."""
    g = np.random.default_rng(0)
    low = (g.random(3000) * 2.0 ** g.integers(-12, 12, 3000)).astype(np.float32)
    middle = (low.astype(np.float64) + np.nextafter(low, np.float32(np.inf))) / 2
    text = "".join(f"{x:.60f}\n" for x in middle.tolist())
    np.testing.assert_array_equal(read_numbers(write(tmp_path / "x.csv", text)), twin(text))


def test_integers_are_spelled_as_python_spells_them(tmp_path: Path) -> None:
    values = [0, 1, -1, 9, 10, -10, 99, 100, 2**63 - 1, -(2**63), -(2**63) + 1, 10**18, -(10**18)]
    write_numbers(tmp_path / "x.csv.gz", np.array(values))
    assert gzip.decompress((tmp_path / "x.csv.gz").read_bytes()).decode().split() == [str(value) for value in values]
    values.remove(-(2**63))  # the only one that the reader does not take for an integer
    write_numbers(tmp_path / "x.csv.gz", np.array(values))
    assert read_numbers(tmp_path / "x.csv.gz").flatten().tolist() == values


def write(path: Path, text: str) -> Path:
    path.write_text(text, newline="")
    return path


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    assert read_numbers(write(tmp_path / "x.csv", "\n1,2\n\r\n\n3,4\n\n")).tolist() == [[1, 2], [3, 4]]
    assert read_numbers(write(tmp_path / "x.csv", "")).shape == (0, 0)


def test_whole_numbers_may_be_spelled_as_floats(tmp_path: Path) -> None:
    assert read_whole_numbers(write(tmp_path / "x.csv", "1.0,2\n3e1,-4\n")).tolist() == [[1, 2], [30, -4]]


@pytest.mark.parametrize("chunk", [4, 1 << 24])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3,4.5\n", r"line 2, field 'column 2': 4.5 is not a whole number"),
        ("1,2\n\n3,\n", r"line 3, field 'column 2': nan is not a whole number"),
        ("1,2\n3\n", "line 2: 1 columns; expected 2"),
        ("1,2\n\n3,4\n5,6,7\n", "line 4: 3 columns; expected 2"),
        ("source,target\n1,2\n", "line 1: 'source' is not a number; expected numbers, no header"),
        ("1,2\n3,4x\n", "line 2: '4x' is not a number"),
        ("1,2\n3,1_0\n", "line 2: '1_0' is not a number"),
        ("1,2\n3\r4,5\n", "line 2: .* is not a number"),
        ("99999999999999999999,1\n", "line 1.*not a whole number"),
    ],
)
def test_what_is_no_number_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str, chunk: int
) -> None:
    monkeypatch.setattr(csv_files, "CHUNK", chunk)
    with pytest.raises(DataError, match=rf"x\.csv, {message}"):
        read_whole_numbers(write(tmp_path / "x.csv", text))


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    whole = gzip.compress(b"1,2\n" * 1000)
    for content in (whole[:-9], b"1,2\n", whole[:20] + b"\xff" * 20 + whole[40:]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"x\.csv\.gz: damaged"):
            read_numbers(path)
    with pytest.raises(DataError, match="the file is absent"):
        read_numbers(tmp_path / "y.csv.gz")


def test_words(tmp_path: Path) -> None:
    lines = [["a", "b, c", ""], ['"', "ü", "x\ny"]]
    write_words(tmp_path / "x.csv.gz", lines)
    assert read_words(tmp_path / "x.csv.gz") == lines
    (tmp_path / "y.csv").write_bytes(b"ab\n\xff\n")
    with pytest.raises(DataError, match=r"y\.csv, byte 3: not a text file"):
        read_words(tmp_path / "y.csv")


def test_the_largest_integers(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("9223372036854775807\n-9223372036854775807\n")
    assert read_whole_numbers(path).tolist() == [[2**63 - 1], [1 - 2**63]]
    for word in ("9223372036854775808", "9223372036854775809", "-9223372036854775809", "10000000000000000000"):
        path.write_text(f"{word}\n")
        assert read_numbers(path).tolist() == [[float(np.float32(word))]]
        with pytest.raises(DataError, match="not a whole number"):
            read_whole_numbers(path)


def test_floats_are_written_with_the_fewest_digits(tmp_path: Path) -> None:
    write_numbers(tmp_path / "x.csv.gz", np.array([0.1, 1 / 3], np.float32))
    assert gzip.decompress((tmp_path / "x.csv.gz").read_bytes()) == b"0.1\n0.33333334\n"
