"""CSV files of numbers or words as OGB stores them: no header, gzip; a file is all whole numbers or all floats."""

from __future__ import annotations

import csv
import gzip
import io
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from formerkit.io import DataError

CHUNK = 1 << 24
"""Bytes of text that are parsed at once."""
UNKNOWN = frozenset({"", '""', "nan", "na", "n/a", "null", "none", "<na>"})
"""Cells, in small letters, that stand for a missing number."""


def found(folder: Path, stem: str) -> Path | None:
    """The file ``stem.csv.gz`` or ``stem.csv`` in a folder, if there is one."""
    return next((path for ending in (".csv.gz", ".csv") if (path := folder / f"{stem}{ending}").is_file()), None)


def needed(folder: Path, stem: str) -> Path:
    """The same.

    Raises:
        DataError: If there is none.
    """
    if (path := found(folder, stem)) is None:
        raise DataError(folder / f"{stem}.csv.gz", "the file is absent", field=stem, expected="a CSV file")
    return path


def read_whole_numbers(path: str | os.PathLike[str]) -> npt.NDArray[np.int64]:
    """Numbers [rows, columns], all whole; ``3.0`` counts as whole.

    Raises:
        DataError: On a damaged file, ragged lines, or a cell that is no whole number; the line is named.
    """
    values = _read(Path(path), whole=True)
    return values.astype(np.int64, copy=False)


def read_numbers(path: str | os.PathLike[str]) -> npt.NDArray[np.int64] | npt.NDArray[np.float32]:
    """Numbers [rows, columns]: int64 if all are whole and none is missing, else float32 with NaN for blanks.

    Raises:
        DataError: On a damaged file, ragged lines, or a cell that is no number; the line is named.
    """
    return _read(Path(path), whole=False)


def number_pieces(path: str | os.PathLike[str]) -> Iterator[npt.NDArray[np.int64] | npt.NDArray[np.float32]]:
    """The rows of :func:`read_numbers` piece by piece; a piece may be int64 though a later one is float32.

    Raises:
        DataError: As :func:`read_numbers`.
    """
    return _pieces(Path(path), whole=False)


def _read(path: Path, *, whole: bool) -> npt.NDArray:
    parts = list(_pieces(path, whole=whole))
    if not parts:
        return np.zeros((0, 0), np.int64)
    kind = np.result_type(*{part.dtype for part in parts}) if whole else parts[-1].dtype
    return parts[0] if len(parts) == 1 else np.concatenate([part.astype(kind, copy=False) for part in parts])


def _pieces(path: Path, *, whole: bool) -> Iterator[npt.NDArray]:
    """Once a piece is float32, all that follow are."""
    from formerdata.ogb.csv_kernels import measure

    columns, lines, as_floats = 0, 0, False
    for text in texts(path):
        codes = np.frombuffer(text, np.uint8)
        rows, now, bad = measure(codes, columns)
        if bad >= 0:
            cells = text[bad : text.index(b"\n", bad)].count(b",") + 1
            raise DataError(
                path, f"{cells} columns", line=lines + text.count(b"\n", 0, bad) + 1, expected=f"{now}, as above"
            )
        columns = now
        part = _numbers(path, text, codes, rows, columns, lines, whole=whole, as_floats=as_floats)
        as_floats = not whole and part.dtype == np.float32
        yield part
        lines += text.count(b"\n")


def _numbers(
    path: Path,
    text: bytes,
    codes: npt.NDArray[np.uint8],
    rows: int,
    columns: int,
    lines: int,
    *,
    whole: bool,
    as_floats: bool,
) -> npt.NDArray:
    from formerdata.ogb.csv_kernels import decimals, whole_numbers

    if not as_floats:
        integers = np.empty(rows * columns, np.int64)
        if whole_numbers(codes, integers):
            return integers.reshape(rows, columns)
    values = np.empty(rows * columns, np.float64)
    odd = np.empty((rows * columns, 3), np.int64)
    for cell, start, stop in odd[: decimals(codes, values, odd, not whole)].tolist():
        values[cell] = _one(path, text, start, stop, lines)
    if whole:
        bad = ~((values == np.rint(values)) & (np.abs(values) < 1 << 53))
        if bad.any():
            row, column = divmod(int(np.flatnonzero(bad)[0]), columns)
            raise DataError(
                path, f"{values[row * columns + column]} is not a whole number", line=lines + _line_of_row(text, row),
                field=f"column {column + 1}", expected="whole numbers",
            )  # fmt: skip
        return values.astype(np.int64).reshape(rows, columns)
    with np.errstate(over="ignore"):
        return values.astype(np.float32).reshape(rows, columns)


def _one(path: Path, text: bytes, start: int, stop: int, lines: int) -> float:
    """A cell that the kernel left."""
    word = text[start:stop].decode("utf-8", "replace").strip()
    try:
        return float("nan") if word.lower() in UNKNOWN else float(word.replace("_", "?"))
    except ValueError:
        line = lines + text.count(b"\n", 0, start) + 1
        raise DataError(path, f"{word[:40]!r} is not a number", line=line, expected="numbers, no header") from None


def _line_of_row(text: bytes, row: int) -> int:
    """The one-based line of a row, where blank lines are not rows."""
    filled = [number for number, line in enumerate(text.split(b"\n"), 1) if line.strip(b"\r")]
    return filled[row]


def texts(path: Path, size: int | None = None) -> Iterator[bytes]:
    """The text in pieces that end with a newline, each of about ``size`` bytes (by default ``CHUNK``).

    Raises:
        DataError: If the file is absent, or its gzip is damaged.
    """
    rest = b""
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            while piece := file.read(size or CHUNK):
                piece = rest + piece
                cut = piece.rfind(b"\n") + 1
                rest = piece[cut:]
                if cut:
                    yield piece[:cut]
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(path, f"damaged ({error})", expected="a whole gzip file") from None
    except FileNotFoundError:
        raise DataError(path, "the file is absent", expected="a CSV file") from None
    if rest:
        yield rest + b"\n"


def read_words(path: str | os.PathLike[str]) -> list[list[str]]:
    """Cells of all lines that are not blank, as text.

    Raises:
        DataError: If the file is damaged or not text.
    """
    text = b"".join(texts(Path(path)))
    try:
        lines = csv.reader(io.StringIO(text.decode("utf-8"), newline=""))
        return [line for line in lines if line]
    except UnicodeDecodeError as error:
        raise DataError(path, "not a text file", byte=error.start, expected="UTF-8 text") from None
    except csv.Error as error:
        raise DataError(path, f"not a CSV file ({error})", expected="comma-separated text") from None


def write_numbers(path: Path, values: npt.NDArray) -> None:
    """Write numbers [rows] or [rows, columns] so that :func:`read_numbers` gives them back, NaN as a blank cell."""
    table = values.reshape(len(values), -1)
    _write(path, _lines_of_integers(table) if table.dtype.kind in "biu" else _lines_of_floats(table))


def _lines_of_integers(table: npt.NDArray) -> Iterator[bytes]:
    from formerdata.ogb.csv_kernels import spell

    for rows in _some_rows(table.astype(np.int64, copy=False)):
        text = np.empty(rows.size * 21, np.uint8)
        yield text[: spell(rows, text)].tobytes()


def _lines_of_floats(table: npt.NDArray) -> Iterator[bytes]:
    blank = '""' if table.shape[1] == 1 else ""  # a blank line would not be a row
    for rows in _some_rows(table):
        # A float32 is written with the fewest digits that give it back; through float64 it would take seventeen.
        cells = rows.astype(np.float32).astype(np.str_).tolist()
        yield "".join(f"{','.join(blank if cell == 'nan' else cell for cell in row)}\n" for row in cells).encode()


def _some_rows(table: npt.NDArray) -> Iterator[npt.NDArray]:
    step = max(1, (1 << 18) // max(1, table.shape[1]))
    return (table[start : start + step] for start in range(0, len(table), step))


def write_words(path: Path, lines: Sequence[Sequence[str]]) -> None:
    """Write cells of text."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(lines)
    _write(path, [text.getvalue().encode()])


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # No name and no time inside: the same content gives the same bytes.
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", compresslevel=4, fileobj=raw, mtime=0) as file:
        for piece in pieces:
            file.write(piece)
