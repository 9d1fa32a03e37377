"""Arrays of npy and npz files as streams of numbers, for those that do not fit in memory."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np

from formerkit.io import DataError

PIECE_BYTES = 1 << 24
"""Of rows that are read at once."""
_DAMAGE = (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError)


class ArrayStream:
    """The numbers of one array, one after another as they lie in the file. A context manager.

    Attributes:
        shape, dtype, fortran_order: Of the array.

    Args:
        path: An npy or npz file.
        field: The array's name in an npz file.

    Raises:
        DataError: If the file or array is absent, damaged, or holds Python objects.
    """

    def __init__(self, path: Path, field: str) -> None:
        self.path, self.field = path, field
        if not path.is_file():
            raise DataError(path, "no such file")
        with ExitStack() as stack:
            try:
                self._file = self._open(stack)
                version = np.lib.format.read_magic(self._file)
                read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
                if version not in read:
                    raise ValueError(f"version {version}")
                self.shape, self.fortran_order, self.dtype = read[version](self._file)
            except _DAMAGE as error:
                if isinstance(error, DataError):
                    raise
                raise DataError(path, f"cannot be read ({error})", field=field, expected="an npy or npz file") from None
            if self.dtype.hasobject:
                raise DataError(path, "holds Python objects", field=field, expected="numbers")
            self._stack = stack.pop_all()

    def _open(self, stack: ExitStack) -> IO[bytes]:
        if not zipfile.is_zipfile(self.path):
            return stack.enter_context(open(self.path, "rb"))
        archive = stack.enter_context(zipfile.ZipFile(self.path))
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        if self.field not in names:
            raise DataError(self.path, "no such array", field=self.field, expected=f"one of {names}")
        return stack.enter_context(archive.open(f"{self.field}.npy"))

    def read(self, count: int) -> np.ndarray:
        """The next numbers [count].

        Raises:
            DataError: If the file is cut short or damaged.
        """
        wanted = count * self.dtype.itemsize
        try:
            data = self._file.read(wanted)
        except _DAMAGE as error:
            raise DataError(self.path, f"cannot be read ({error})", field=self.field) from None
        if len(data) < wanted:
            raise DataError(self.path, "is cut short", field=self.field, expected=f"shape {list(self.shape)}")
        return np.frombuffer(data, self.dtype)

    def skip(self, count: int) -> None:
        """Pass over numbers; in a compressed file they are unpacked all the same.

        Raises:
            DataError: As :meth:`read`.
        """
        try:
            self._file.seek(count * self.dtype.itemsize, os.SEEK_CUR)
        except _DAMAGE as error:
            raise DataError(self.path, f"cannot be read ({error})", field=self.field) from None

    def rows(self, size: int) -> Iterator[np.ndarray]:
        """Rows [n, ...] in pieces of about ``size`` bytes.

        Raises:
            DataError: As :meth:`read`; also if the array has no rows, or lies column after column.
        """
        if not self.shape or (self.fortran_order and len(self.shape) > 1):
            raise DataError(self.path, f"shape {list(self.shape)}", field=self.field, expected="row after row")
        width = int(np.prod(self.shape[1:]))
        step = max(1, size // max(1, width * self.dtype.itemsize))
        for start in range(0, self.shape[0], step):
            count = min(step, self.shape[0] - start)
            yield self.read(count * width).reshape(count, *self.shape[1:])

    def __enter__(self) -> ArrayStream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()


def array_rows(path: Path, field: str) -> Iterator[np.ndarray]:
    """The rows of an array in pieces of some megabytes; arguments and errors as of :class:`ArrayStream`."""
    with ArrayStream(path, field) as stream:
        yield from stream.rows(PIECE_BYTES)
