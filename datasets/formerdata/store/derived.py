"""Arrays that are derived from a stored graph (context features, token tables, embeddings), filled in by pieces."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from formerdata.store.array_file import HEADER_BYTES, ArrayInfo, digest_of, disk_error, npy_header
from formerdata.store.header import FORMAT, VERSION, info_of, read_json, write_json
from formerkit.io import DataError, sync_folder

FOLDER = "derived"


class ArrayWriter:
    """An array that is being filled in; nobody sees it before :meth:`commit`.

    Used in a ``with`` block it is committed at the end, and removed if the block raises. The disk's blocks are taken
    when it is made, so that filling it in cannot meet a full disk.

    Attributes:
        array: A writable map of the whole, zeros at first. Pages that are written through it count as memory of the
            process until the system writes them out; :meth:`put` does not have that effect.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        shape: tuple[int, ...],
        dtype: np.dtype | type | str,
        *,
        fingerprint: str,
        settings: Mapping[str, Any],
        restart: bool = False,
    ) -> None:
        if not re.fullmatch(r"\w[\w-]*", name):
            raise ValueError(f"name: {name!r}, expected letters, digits, '_' and '-'")
        self.shape, self.dtype = tuple(int(size) for size in shape), np.dtype(dtype).newbyteorder("<")
        if self.dtype.kind not in "biuf" or not self.shape or min(self.shape) < 1:
            raise ValueError(f"shape, dtype: {self.shape} of {self.dtype}, expected numbers in at least one row")
        self.folder, self.name = folder, name
        self._record = {"format": FORMAT, "version": VERSION, "fingerprint": fingerprint, "settings": dict(settings)}
        self._partial = folder / f"{name}.npy.partial"
        folder.mkdir(exist_ok=True)
        if restart:
            self._partial.unlink(missing_ok=True)
        self._descriptor = self._reserve()
        self.array: np.ndarray | None = np.memmap(self._partial, self.dtype, "r+", HEADER_BYTES, self.shape)

    def _reserve(self) -> int:
        """Make the file and take its blocks."""
        size = HEADER_BYTES + int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize
        try:
            descriptor = os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            raise DataError(
                self._partial, "another process writes this now, or was killed while it did", field=self.name,
                expected="no such file; if nothing is being written, remove it or set restart",
            ) from None  # fmt: skip
        try:
            reserve(descriptor, size)
            os.pwrite(descriptor, npy_header(self.dtype, self.shape), 0)
        except BaseException as error:
            os.close(descriptor)
            self._partial.unlink()
            if isinstance(error, OSError):
                raise disk_error(self._partial, error, f"({size:,} bytes are needed)") from error
            raise
        return descriptor

    def put(self, first: int, rows: np.ndarray) -> None:
        """Write rows from row ``first`` on.

        Raises:
            ValueError: If they do not fit in there.
            DataError: If they cannot be written.
        """
        data = np.ascontiguousarray(rows, self.dtype)
        if data.shape[1:] != self.shape[1:] or first < 0 or first + len(data) > self.shape[0]:
            raise ValueError(f"rows: {data.shape} at row {first}, expected rows that fit into {self.shape}")
        left = data.reshape(-1).view(np.uint8).data
        place = HEADER_BYTES + first * int(np.prod(self.shape[1:])) * self.dtype.itemsize
        try:
            while len(left):
                done = os.pwrite(self._descriptor, left, place)
                left, place = left[done:], place + done
        except OSError as error:
            raise disk_error(self._partial, error, f"at row {first}") from error

    def commit(self) -> None:
        """Sync it, and let it be seen; an array of that name that was there is replaced.

        Raises:
            ValueError: If it was committed or removed before.
            DataError: If the disk refuses; nothing of it is left then.
        """
        if not isinstance(self.array, np.memmap):
            raise ValueError(f"{self.name}: committed or removed before")
        self.array.flush()
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            self.abort()
            raise disk_error(self._partial, error, "when it was synced") from error
        os.close(self._descriptor)
        self.array = None
        info = ArrayInfo(self.dtype.str, self.shape, digest_of(self._partial))
        record, final = self.folder / f"{self.name}.json", self.folder / f"{self.name}.npy"
        # Without its record an array is not there: an old record must never stand beside new numbers.
        record.unlink(missing_ok=True)
        sync_folder(self.folder)
        os.replace(self._partial, final)
        write_json(record, {**self._record, "array": info.as_json()})

    def abort(self) -> None:
        """Remove what was written."""
        if self.array is not None:
            os.close(self._descriptor)
            self.array = None
            self._partial.unlink(missing_ok=True)

    def __enter__(self) -> ArrayWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.array is None:
            return
        if kind is None:
            self.commit()
        else:
            self.abort()


def scratch(folder: Path, shape: tuple[int, ...], dtype: np.dtype | type | str) -> np.ndarray:
    """A writable map of a file that has no name: it is gone with the array, however the process ends.

    Raises:
        DataError: If the disk has no room for it; the bytes are named.
    """
    size = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            reserve(file.fileno(), size)
        except OSError as error:
            raise disk_error(folder, error, f"({size:,} bytes are needed for a while)") from error
        return np.memmap(file, dtype, "r+", 0, shape)


def reserve(descriptor: int, size: int) -> None:
    """Take the disk's blocks of a file; an error says now that they are not there."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    zeros = bytes(1 << 20)
    for place in range(0, size, len(zeros)):
        os.pwrite(descriptor, zeros[: size - place], place)


def read_record(folder: Path, name: str) -> tuple[ArrayInfo, str, dict[str, Any]]:
    """What is known of a derived array: its type and shape, the graph's fingerprint, the writer's settings.

    Raises:
        DataError: If there is none of that name, or its record is damaged.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        others = sorted(file.stem for file in folder.glob("*.json"))
        raise DataError(path, "no such array", field=name, expected=f"one of {others or 'none at all'}")
    values = read_json(path)
    fingerprint, settings = values.get("fingerprint"), values.get("settings")
    if not isinstance(fingerprint, str) or not isinstance(settings, dict):
        raise DataError(path, "lacks fingerprint or settings", field=name)
    return info_of(path, name, values.get("array")), fingerprint, settings
