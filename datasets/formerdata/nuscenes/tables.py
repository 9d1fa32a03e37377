"""The JSON tables of nuScenes: records one after another, their fields checked, tokens that lead somewhere."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from formerdata.nuscenes.json_stream import JsonStream
from formerdata.nuscenes.schema import TABLES
from formerkit.io import DataError


class Table:
    """One table of a version, read record by record.

    Args:
        folder: Of the version, for example ``ROOT/v1.0-mini``.
        name: One of :data:`~formerdata.nuscenes.schema.TABLES`.
    """

    def __init__(self, folder: str | os.PathLike[str], name: str) -> None:
        self.name, self.path = name, Path(folder) / f"{name}.json"

    def __iter__(self) -> Iterator[Record]:
        """The records, in file order.

        Raises:
            DataError: If the file is absent, or not an array of objects.
        """
        if not self.path.is_file():
            raise DataError(self.path, "the table is absent", expected=f"nuScenes' table '{self.name}'")
        with JsonStream(self.path) as stream:
            for number, content in enumerate(stream.array()):
                if type(content) is not dict:
                    raise DataError(self.path, f"record {number} is no object", expected="an array of objects")
                yield Record(self, number, content)


class Record:
    """A record of a table. Its methods raise DataError, naming table, record and field, where a field is not right."""

    __slots__ = ("content", "number", "table")

    def __init__(self, table: Table, number: int, content: dict[str, Any]) -> None:
        self.table, self.number, self.content = table, number, content

    def text(self, field: str) -> str:
        """Of a field that holds text."""
        return self._of(field, str, "text")

    def flag(self, field: str) -> bool:
        """Of a field that is true or false."""
        return self._of(field, bool, "true or false")

    def whole(self, field: str) -> int:
        """Of a field that holds a whole number, 0 or more."""
        found: int = self._of(field, int, "a whole number, 0 or more")
        if found < 0:
            raise self.error(field, f"{found}", "a whole number, 0 or more")
        return found

    def numbers(self, field: str, count: int) -> list[float]:
        """Of a field that holds so many finite numbers."""
        expected = f"{count} finite numbers"
        found = self._of(field, list, expected)
        try:
            fine = len(found) == count and all(map(math.isfinite, found))
        except TypeError:
            fine = False
        if not fine:
            raise self.error(field, f"{str(found)[:60]}", expected)
        return found

    def rotation(self, field: str = "rotation") -> list[float]:
        """[4] w, x, y, z of a field that holds a quaternion."""
        found = self.numbers(field, 4)
        if not abs(sum(each * each for each in found) - 1) < 1e-2:
            raise self.error(field, f"{found}", "a quaternion (w, x, y, z) of length 1")
        return found

    def error(self, field: str, problem: str, expected: str) -> DataError:
        """What to raise about a field."""
        return DataError(self.table.path, f"record {self.number}: {problem}", field=field, expected=expected)

    def _of(self, field: str, kind: type, expected: str) -> Any:
        if field not in self.content:
            raise self.error(field, "the field is absent", expected)
        found = self.content[field]
        if type(found) is not kind:
            raise self.error(field, f"{str(found)[:60]}", expected)
        return found


class Tokens:
    """Rows of a table by their tokens.

    Args:
        table: Its name.
    """

    def __init__(self, table: str) -> None:
        self.table, self.rows = table, dict[str, int]()

    def add(self, record: Record) -> int:
        """Give a record the next row.

        Raises:
            DataError: If another record has its token.
        """
        token, row = record.text("token"), len(self.rows)
        if self.rows.setdefault(token, row) != row:
            raise record.error("token", f"another record has the token {token!r} too", "tokens that differ")
        return row

    def row(self, record: Record, field: str) -> int:
        """The row that a field of a record leads to.

        Raises:
            DataError: If it leads nowhere; table, token and field are named.
        """
        return self.find(record, field, record.text(field))

    def find(self, record: Record, field: str, token: str) -> int:
        """The same for a token that stands in that field."""
        found = self.rows.get(token, -1)
        if found < 0:
            raise record.error(field, f"token {token!r} is not in {self.table}.json", f"a token of '{self.table}'")
        return found

    def neighbours(self, table: Table, numbers: Sequence[int], field: str, tokens: Sequence[str]) -> np.ndarray:
        """[N] int64 rows that the tokens in a field lead to, -1 where the token is empty: the chain ends there.

        Args:
            table: That the field is in.
            numbers: [N] of the records.
            field, tokens: [N] what stands in the field.

        Raises:
            DataError: If one leads nowhere.
        """
        found = np.array([self.rows.get(token, -1) for token in tokens], dtype=np.int64)
        for row in np.flatnonzero(found < 0).tolist():
            if tokens[row]:
                self.find(Record(table, numbers[row], {}), field, tokens[row])
        return found


def read_table(root: str | os.PathLike[str], version: str, name: str) -> list[dict[str, Any]]:
    """All records of a table as they are.

    Args:
        root: Folder of the data set.
        version: ``v1.0-trainval``, ``v1.0-mini``, ``v1.0-test``.
        name: One of :data:`~formerdata.nuscenes.schema.TABLES`.

    Raises:
        ValueError: If there is no such table in nuScenes.
        DataError: If its file is absent, or not an array of objects.
    """
    if name not in TABLES:
        raise ValueError(f"nuScenes has no table {name!r}; expected one of {', '.join(TABLES)}")
    return [record.content for record in Table(Path(root) / version, name)]
