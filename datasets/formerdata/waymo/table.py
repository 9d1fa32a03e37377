"""One component table of one segment: opened, its schema checked, its rows read without holding more than one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from formerdata.waymo.columns import present_columns
from formerdata.waymo.schema import LASER, LASERS, OBJECT, SEGMENT, Component
from formerkit.io import DataError, require

_CURSORS = 5
_BUFFER = 1 << 20
_LASER_NUMBERS = {name: number for number, name in LASERS.items()}
Row = dict[str, np.ndarray | None]


def parquet() -> ModuleType:
    """``pyarrow.parquet``.

    Raises:
        MissingExtraError: If pyarrow is absent.
    """
    return require("pyarrow.parquet", "parquet", purpose="Waymo's v2 layout")


class Table:
    """A component table, open for reading. Close it, or use it as a context.

    Args:
        path: The file.
        component: What it is to hold.

    Raises:
        DataError: If the file is absent, no whole Parquet file, or lacks a column or has one of another type.
        MissingExtraError: If pyarrow is absent.
    """

    def __init__(self, path: str | os.PathLike[str], component: Component) -> None:
        self.path, self.component = Path(path), component
        file_class = parquet().ParquetFile
        if not self.path.is_file():
            raise DataError(self.path, "the component table is absent", expected=f"a Parquet file of {component.name}")
        with self._naming(expected="a whole Parquet file"):
            # Not memory-mapped and not read ahead: the process holds the pages of one row, not of a row group.
            self._file = file_class(self.path, buffer_size=_BUFFER, page_checksum_verification=True)
        try:
            self.columns = present_columns(self.path, self._file.schema_arrow, component)
        except DataError:
            self.close()
            raise
        groups = [self._file.metadata.row_group(i).num_rows for i in range(self._file.metadata.num_row_groups)]
        self.group_starts = np.concatenate([[0], np.cumsum(groups)]).astype(np.int64)
        self._cursors: list[_Cursor] = []

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def keys(self, name: str) -> np.ndarray:
        """[rows] a key column: str for segment and object, int64 for timestamp and laser.

        Raises:
            DataError: If a key is null, or a laser has an unknown name.
        """
        with self._naming(name):
            column = self._file.read(columns=[name], use_threads=False).column(0)
        if column.null_count:
            raise DataError(self.path, f"{column.null_count} rows without a key", field=name, expected="a key a row")
        values = column.to_numpy()
        if name in (SEGMENT, OBJECT):
            return np.asarray(values, dtype=np.str_)
        if name == LASER and values.dtype == object:  # some files name the sensors rather than number them
            unknown = sorted(set(values) - set(_LASER_NUMBERS))
            if unknown:
                raise DataError(self.path, f"laser {unknown[0]!r}", field=name, expected=f"one of {[*_LASER_NUMBERS]}")
            values = np.array([_LASER_NUMBERS[each] for each in values])
        return np.asarray(values, dtype=np.int64)

    def whole(self, short: str, *, absent: float | None = None) -> np.ndarray:
        """[rows] a column of numbers, float64 or int64.

        Args:
            short: Name without the prefix.
            absent: Stands for nulls, and for the column if the file lacks it; None if all must be there.

        Raises:
            DataError: If there are nulls and ``absent`` is None, or the pages are damaged.
        """
        name, kind = self.component.column(short), np.int64 if self.component.columns[short] == "int" else np.float64
        if short not in self.columns:
            return np.full(len(self), absent, dtype=kind)
        with self._naming(name):
            column = self._file.read(columns=[name], use_threads=False).column(0)
        if column.null_count:
            if absent is None:
                raise DataError(self.path, f"{column.null_count} rows are null", field=name, expected="a number a row")
            column = column.fill_null(absent)
        return np.asarray(column.to_numpy(), dtype=kind)

    def row(self, number: int) -> Row:
        """The lists and numbers of a row by the names of their columns without the prefix; None for nulls.

        Rows that are asked for in rising order, by up to five callers in turn (one a scanner, if the file is sorted by
        scanner), are decoded once. Others cost what comes before them in their row group.

        Raises:
            DataError: If the pages are damaged.
        """
        group = int(np.searchsorted(self.group_starts, number, side="right")) - 1
        place = number - int(self.group_starts[group])
        usable = [cursor for cursor in self._cursors if cursor.group == group and cursor.position <= place]
        if usable:
            cursor = max(usable, key=lambda each: each.position)
            self._cursors.remove(cursor)
        else:
            with self._naming(row_group=group):
                names = [self.component.column(short) for short in self.columns]
                batches = self._file.iter_batches(1, row_groups=[group], columns=names, use_threads=False)
            cursor = _Cursor(group, batches)
        with self._naming(row_group=group):
            batch = cursor.read(place)
        if number + 1 < self.group_starts[group + 1]:  # one at its end is of no use, and holds the row's memory
            self._cursors = [cursor, *self._cursors[: _CURSORS - 1]]
        return {short: self._cell(batch, short) for short in self.columns}

    def _cell(self, batch: Any, short: str) -> np.ndarray | None:
        name = self.component.column(short)
        cell = batch.column(batch.schema.get_field_index(name))[0]
        if not cell.is_valid:
            return None
        if not self.component.columns[short].endswith("s"):
            return np.asarray(cell.as_py())
        if cell.values.null_count:
            raise DataError(self.path, f"{cell.values.null_count} nulls in a list", field=name, expected="numbers")
        values: np.ndarray = cell.values.to_numpy(zero_copy_only=False)
        return values

    @contextmanager
    def _naming(
        self, field: str | None = None, *, row_group: int | None = None, expected: str = "undamaged pages"
    ) -> Iterator[None]:
        """What pyarrow cannot read, as an error that names the file."""
        try:
            yield
        except (OSError, ValueError, EOFError) as error:  # pyarrow's own errors are of these classes
            if isinstance(error, DataError):
                raise
            where = "" if row_group is None else f"row group {row_group} of {len(self.group_starts) - 1} "
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(self.path, f"{where}cannot be read ({reason})", field=field, expected=expected) from error


class _Cursor:
    """A place in a row group: rows before it have been decoded and let go."""

    def __init__(self, group: int, batches: Iterator[Any]) -> None:
        self.group, self.position = group, -1
        self._batches, self._batch = batches, None

    def read(self, place: int) -> Any:
        while self.position < place:
            self._batch = next(self._batches, None)
            if self._batch is None:
                raise EOFError(f"ends after {self.position + 1} rows")
            self.position += 1
        return self._batch
