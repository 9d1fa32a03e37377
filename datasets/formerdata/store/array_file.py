"""Arrays in npy files: written piece by piece with plain writes, checked, and mapped.

Plain writes, not a map that is filled in: a disk that fills up then raises an error, where a map kills the process
(SIGBUS), and pages that are written do not count as memory of the process.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from formerkit.io import DataError

HEADER_BYTES = 128
"""Magic, version, length and description of an npy file of ours; the description is padded so that it can change."""
PIECE = 1 << 24
"""Bytes that are read at once."""


@dataclass(frozen=True)
class ArrayInfo:
    """What a header says of an array: its type (numpy's text, as ``"<i8"``), shape, and the SHA-256 of its bytes."""

    dtype: str
    shape: tuple[int, ...]
    sha256: str

    def as_json(self) -> dict[str, Any]:
        return {"dtype": self.dtype, "shape": list(self.shape), "sha256": self.sha256}


class ArrayFile:
    """An npy file that grows by rows; the number of rows is told when it is closed.

    Used in a ``with`` block, the file is removed if the block raises.

    Args:
        path: Must not exist.
        dtype: Of the rows.
        columns: Shape of one row, ``()`` of a list of numbers.
    """

    def __init__(self, path: Path, dtype: np.dtype | type | str, columns: tuple[int, ...] = ()) -> None:
        self.path, self.dtype, self.columns = path, np.dtype(dtype).newbyteorder("<"), columns
        self.rows, self.info = 0, None
        self._digest = hashlib.sha256()
        self._file: IO[bytes] = open(path, "xb")  # noqa: SIM115 (closed by __exit__)
        self._write(bytes(HEADER_BYTES))

    def append(self, rows: np.ndarray) -> None:
        """Write rows behind those that are there.

        Raises:
            DataError: If the disk is full.
        """
        data = np.ascontiguousarray(rows, self.dtype)
        if data.shape[1:] != self.columns:
            raise ValueError(f"{self.path.name}: rows of shape {data.shape[1:]}, expected {self.columns}")
        view = data.reshape(-1).view(np.uint8).data
        self._digest.update(view)
        self._write(view)
        self.rows += len(data)

    def close(self) -> ArrayInfo:
        """Write the head, sync, and say what the file holds."""
        shape = (self.rows, *self.columns)
        self._file.seek(0)
        self._write(npy_header(self.dtype, shape))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return ArrayInfo(self.dtype.str, shape, self._digest.hexdigest())

    def _write(self, data: bytes | memoryview) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise disk_error(self.path, error, f"after {self._file.tell():,} bytes") from error

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            with suppress(OSError):  # what is still buffered may fail again
                self._file.close()
            self.path.unlink(missing_ok=True)


def disk_error(path: str | os.PathLike[str], error: OSError, where: str) -> DataError:
    """The error of a write that failed."""
    full = is_full(error)
    problem = "the disk is full" if full else f"cannot be written ({error.strerror})"
    return DataError(path, f"{problem} {where}", expected="free space; nothing half-written is kept" if full else None)


def is_full(error: OSError) -> bool:
    """Whether the disk, or the user's share of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def npy_header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """The first 128 bytes of an npy file, version 1.0."""
    text = f"{{'descr': {dtype.str!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode("latin-1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", HEADER_BYTES - 10) + text.ljust(HEADER_BYTES - 11) + b"\n"


def map_array(path: Path, info: ArrayInfo, field: str) -> np.ndarray:
    """The file as a read-only map.

    Raises:
        DataError: If it is absent, cut short, too long, or not of the type and shape that the header tells.
    """
    expected = HEADER_BYTES + int(np.prod(info.shape, dtype=object)) * np.dtype(info.dtype).itemsize
    if not path.is_file():
        raise DataError(path, "the file is absent", field=field, expected=f"{expected:,} bytes")
    if (size := path.stat().st_size) != expected:
        raise DataError(path, f"{size:,} bytes", field=field, expected=f"{expected:,}, by the header of the folder")
    with open(path, "rb") as file:
        if file.read(HEADER_BYTES) != npy_header(np.dtype(info.dtype), info.shape):
            raise DataError(path, "another head", field=field, expected=f"npy, {info.dtype} {list(info.shape)}")
    return (
        np.memmap(path, np.dtype(info.dtype), "r", HEADER_BYTES, info.shape)
        if expected > HEADER_BYTES
        else (np.zeros(info.shape, info.dtype))
    )


def digest_of(path: Path) -> str:
    """SHA-256 of what stands behind the head, read in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        file.seek(HEADER_BYTES)
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def check_digest(path: Path, info: ArrayInfo, field: str) -> None:
    """Read the whole file.

    Raises:
        DataError: If its SHA-256 is another.
    """
    if digest_of(path) != info.sha256:
        raise DataError(path, "is damaged: its SHA-256 differs", field=field, expected=info.sha256)
