"""Tables of numbers in text files, with errors that name the line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from formerdata.text import read_text
from formerkit.io import DataError


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """The lines of a text file (gzipped if its name ends in ``.gz``); blank ones at its end are left out.

    Raises:
        DataError: If the file is absent, is no text, or is empty.
    """
    if not Path(path).is_file():
        raise DataError(path, "no such file")
    lines = read_text(path).rstrip().splitlines()
    if not lines:
        raise DataError(path, "an empty file")
    return lines


def read_numbers(path: str | os.PathLike[str], *, delimiter: str = ",", columns: int | None = None) -> np.ndarray:
    """[rows, columns] float64 from a text file with one row a line.

    Args:
        path: The file.
        delimiter: Between numbers; spaces around it do not matter.
        columns: How many numbers a line has; by default as many as the first.

    Raises:
        DataError: If the file is absent or empty, or a line has too many or few numbers, or one that is not finite.
    """
    lines = read_lines(path)
    count = lines[0].count(delimiter) + 1 if columns is None else columns
    try:
        # loadtxt would step over blank lines, and the numbers of lines would no longer be those of rows.
        if not all(map(str.strip, lines)):
            raise ValueError("a blank line")
        table = np.loadtxt(lines, delimiter=delimiter, comments=None, ndmin=2, dtype=np.float64)
    except ValueError:
        table = np.array([_row(path, number, line, delimiter, count) for number, line in enumerate(lines, 1)])
    if table.shape[1] != count:
        raise DataError(path, f"{table.shape[1]} numbers", line=1, expected=str(count))
    refuse_rows(path, np.asarray((~np.isfinite(table)).any(axis=1)), table, "finite numbers")
    return table


def read_integers(path: str | os.PathLike[str], *, delimiter: str = ",", columns: int | None = None) -> np.ndarray:
    """[rows, columns] int64 from a text file; ``1.0`` counts as an integer, as some owners write them so.

    Raises:
        DataError: As :func:`read_numbers`, and if a number is no integer, or is beyond 2**53.
    """
    table = read_numbers(path, delimiter=delimiter, columns=columns)
    broken = (table != np.trunc(table)) | (np.abs(table) > 2**53)
    refuse_rows(path, broken.any(axis=1), table, "integers")
    return table.astype(np.int64)


def refuse_rows(path: str | os.PathLike[str], wrong: np.ndarray, table: np.ndarray, expected: str) -> None:
    """Raise a DataError that names the first wrong line, its content, and what was expected; [rows] bool."""
    if wrong.any():
        row = int(np.argmax(wrong))
        shown = ", ".join(f"{value:.15g}" for value in np.atleast_1d(table[row])[:8])
        raise DataError(path, f"{shown}", line=row + 1, expected=expected)


def _row(path: str | os.PathLike[str], number: int, line: str, delimiter: str, count: int) -> list[float]:
    words = line.split(delimiter) if line.strip() else []
    if len(words) != count:
        raise DataError(path, f"{len(words)} numbers", line=number, expected=str(count))
    try:
        return [float(word.strip()) for word in words]
    except ValueError as error:
        raise DataError(path, str(error), line=number, expected="numbers") from None
