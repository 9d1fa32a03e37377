"""Edges out of files, in chunks [2, n] int64 that can be gone through again: text, Parquet, npy and npz."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from formerdata.ogb.csv_files import texts
from formerdata.store.array_stream import ArrayStream
from formerdata.text import filled_lines
from formerkit.io import DataError, require

TEXT = 1 << 22
"""Bytes of text that are read at once."""
ROWS = 1 << 18
"""Edges that are read at once from other files."""


class TextEdges:
    """Two whole numbers a line, source before target: CSV files, and the edge lists of SNAP, KONECT and others.

    Columns may be separated by commas, semicolons, tabs or spaces; there may be more than two (weights, times), which
    are not read, but each line must have as many as the first. Lines that begin with # or % are comments. A name that
    ends in ``.gz`` is unpacked on the way.

    Args:
        path: The file.
        header: Whether the first line that is no comment holds titles; None looks whether it begins with a number.
    """

    def __init__(self, path: str | os.PathLike[str], *, header: bool | None = None) -> None:
        self.path, self.header, self.name = Path(path), header, str(path)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Raises DataError on a file that is absent or damaged, and on a bad line, which is named."""
        return (edges for edges, _, _ in self._parts())

    def line_of(self, edge: int) -> int | None:
        """The one-based line on which an edge (counted from 0) stands."""
        done = 0
        for edges, text, lines in self._parts():
            if edge < done + edges.shape[1]:
                return lines + [number for number, _ in filled_lines(text)][edge - done]
            done += edges.shape[1]
        return None

    def _parts(self) -> Iterator[tuple[np.ndarray, bytes, int]]:
        """Edges, the text that they were read from, and how many lines stand before it."""
        from formerdata.store.edge_text_kernels import edge_lines

        columns, lines, fresh = 0, 0, True
        for whole in texts(self.path, TEXT):
            text = whole
            if fresh and (top := next(filled_lines(whole), None)):
                fresh = False
                if self._is_header(whole, top[0]):
                    # The titles become a blank line, so that the count of lines is right.
                    parts = whole.split(b"\n", top[0])
                    text = b"\n" * top[0] + parts[-1]
            out = np.empty((2, text.count(b"\n")), np.int64)
            count, columns, bad, why = edge_lines(np.frombuffer(text, np.uint8), columns, out)
            if bad >= 0:
                raise self._error(text, lines, int(bad), int(why), int(columns))
            yield out[:, :count], text, lines
            lines += text.count(b"\n")

    def _is_header(self, text: bytes, line: int) -> bool:
        if self.header is not None:
            return self.header
        return not text.split(b"\n", line)[line - 1].strip().startswith(tuple(b"%c" % code for code in b"0123456789+-"))

    def _error(self, text: bytes, lines: int, bad: int, why: int, columns: int) -> DataError:
        from formerdata.store.edge_text_kernels import RAGGED, TOO_LARGE

        line = lines + text.count(b"\n", 0, bad) + 1
        words = text[bad : text.index(b"\n", bad)].decode("utf-8", "replace").strip()[:60]
        if why == TOO_LARGE:
            return DataError(self.path, f"{words!r} names a node beyond int64", line=line, expected="below 2 ** 63")
        if why == RAGGED:
            return DataError(
                self.path, f"{words!r} has another number of columns", line=line, expected=f"{columns}, as above"
            )
        return DataError(self.path, f"{words!r} is no edge", line=line, expected="two whole numbers, source and target")


class ParquetEdges:
    """Two columns of integers of a Parquet file; needs pyarrow (extra parquet), row group after row group.

    Args:
        path: The file.
        source, target: Names of the columns.
    """

    def __init__(self, path: str | os.PathLike[str], *, source: str = "source", target: str = "target") -> None:
        self.path, self.columns, self.name = Path(path), (source, target), str(path)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Raises DataError on a file that is absent, damaged or lacks a column, MissingExtraError without pyarrow."""
        parquet = require("pyarrow.parquet", "parquet", purpose="reading Parquet files")
        if not self.path.is_file():
            raise DataError(self.path, "no such file")
        done = 0
        try:
            with parquet.ParquetFile(self.path) as file:
                for name in self.columns:
                    if name not in file.schema_arrow.names:
                        raise DataError(
                            self.path, "no such column", field=name, expected=f"one of {file.schema_arrow.names}"
                        )
                for batch in file.iter_batches(ROWS, columns=list(self.columns)):
                    yield np.stack([self._column(batch.column(name), name, done) for name in self.columns])
                    done += batch.num_rows
        except DataError:
            raise
        except Exception as error:  # pyarrow meets damage with errors of many kinds
            raise DataError(self.path, f"cannot be read ({error})", expected="a Parquet file") from None

    def _column(self, column: object, name: str, done: int) -> np.ndarray:
        if column.null_count:  # type: ignore[attr-defined]
            raise DataError(self.path, f"a missing number after row {done}", field=name, expected="whole numbers")
        values = column.to_numpy(zero_copy_only=False)  # type: ignore[attr-defined]
        if values.dtype.kind not in "iu":
            raise DataError(self.path, f"{values.dtype}", field=name, expected="whole numbers")
        if values.dtype == np.uint64 and values.size and values.max() > np.iinfo(np.int64).max:
            raise DataError(self.path, f"a node {values.max()}", field=name, expected="below 2 ** 63")
        return values.astype(np.int64)


class ArrayEdges:
    """An array [2, E] or [E, 2] of integers in an npy or npz file, read piece by piece even where it is compressed.

    Args:
        path: The file. An array [2, 2] counts as [2, E].
        field: Its name in an npz file.
    """

    def __init__(self, path: str | os.PathLike[str], *, field: str = "edge_index") -> None:
        self.path, self.field, self.name = Path(path), field, str(path)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Raises DataError on a file that is absent, damaged, cut short, or holds another array."""
        with ArrayStream(self.path, self.field) as first:
            shape = first.shape
            if len(shape) != 2 or 2 not in shape or first.dtype.kind not in "iu":
                raise DataError(
                    self.path, f"{first.dtype} of shape {list(shape)}", field=self.field,
                    expected="integers [2, E] or [E, 2]",
                )  # fmt: skip
            edges = shape[1] if shape[0] == 2 else shape[0]
            # The bytes of [2, E] row after row are those of [E, 2] column after column.
            if (shape[0] == 2) != first.fortran_order:
                with ArrayStream(self.path, self.field) as second:
                    second.skip(edges)
                    for start in range(0, edges, ROWS):
                        count = min(ROWS, edges - start)
                        yield np.stack([first.read(count), second.read(count)])
                return
            for start in range(0, edges, ROWS):
                yield first.read(2 * min(ROWS, edges - start)).reshape(-1, 2).T
