"""Tables in CSV files: a header, rows of as many cells, and the line of each row for messages."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

from formerdata.text import read_text
from formerkit.io import DataError


def read_csv(path: str | os.PathLike[str]) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and for each row the one-based line on which it ends and its cells; blank lines are no rows.

    Raises:
        DataError: If the file is absent, has no rows, two columns of one name, or a row of another length; it names
            the line.
    """
    if not Path(path).is_file():
        raise DataError(path, "no such file")
    reader = csv.reader(io.StringIO(read_text(path).removeprefix("\ufeff"), newline=""), strict=True)
    try:
        lines = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise DataError(path, str(error), line=reader.line_num, expected="comma-separated values") from None
    if len(lines) < 2:
        raise DataError(path, "no rows", expected="a header line and rows")
    header = [name.strip() for name in lines[0][1]]
    if len(set(header)) < len(header):
        raise DataError(path, "two columns of one name", line=1, expected="each name once")
    for line, row in lines[1:]:
        if len(row) != len(header):
            raise DataError(path, f"{len(row)} columns", line=line, expected=str(len(header)))
    return header, lines[1:]


def column(path: str | os.PathLike[str], header: list[str], name: str) -> int:
    """The place of a column in the header.

    Raises:
        DataError: If there is none of that name.
    """
    if name not in header:
        raise DataError(path, "no such column", line=1, field=name, expected=f"one of {', '.join(header)}")
    return header.index(name)


def integer(path: str | os.PathLike[str], line: int, field: str, word: str) -> int:
    """The integer from 0 that a cell holds.

    Raises:
        DataError: If it holds anything else.
    """
    if not (word.strip().isascii() and word.strip().isdecimal()):
        raise DataError(path, repr(word), line=line, field=field, expected="an integer from 0")
    return int(word)
