"""Index of a v1 file: where in it each frame is. A file holds one segment, a record one frame."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formerdata.cache import cached
from formerdata.waymo.layout import CACHE
from formerdata.waymo.record_frame import RecordFrame, head_of_frame, parse_frame
from formerdata.waymo.tfrecord import FOOTER, HEADER, open_records, read_length, read_record
from formerdata.waymo.wire import Span
from formerkit.io import DataError

_HEAD = 1 << 16
"""Bytes of a frame within which name and timestamp are looked for first: calibrations of all sensors need 3 KB."""


@dataclass(frozen=True)
class RecordIndex:
    """Where the frames of a file are. F frames in the order of time.

    Attributes:
        segment: Context name, an array without axes.
        timestamps: [F] int64, microseconds.
        begins: [F] int64, byte where each frame's record begins.
        numbers: [F] int64, which record of the file it is, from 0.
    """

    segment: np.ndarray
    timestamps: np.ndarray
    begins: np.ndarray
    numbers: np.ndarray

    def __len__(self) -> int:
        return len(self.timestamps)

    @property
    def name(self) -> str:
        """Context name."""
        return str(self.segment)


def build_record_index(path: str | os.PathLike[str]) -> RecordIndex:
    """Read the beginning of each record of a file; contents are checked when they are read.

    Raises:
        DataError: If there is no such file, it ends within a record, has none, a record's length is damaged, has no
            name or timestamp, is of another segment than the first or of a time that another has; the record is named.
    """
    path = Path(path)
    rows: list[tuple[int, int, int]] = []
    segment = ""
    size = path.stat().st_size if path.is_file() else 0
    with open_records(path) as file:
        begin = 0
        while header := file.read(HEADER):
            with naming(path, len(rows), 0):
                length = read_length(path, begin, header)
                end = begin + HEADER + length + FOOTER
                if end > size:
                    there = size - begin - HEADER
                    problem, expected = f"ends after {there} bytes of a record", f"{length + FOOTER} bytes"
                    raise DataError(path, problem, byte=begin + HEADER, expected=expected)
            name, timestamp = _head(path, len(rows), begin, file.read(min(length, _HEAD)), length)
            if rows and name != segment:
                problem = f"record {len(rows)}: segment {name}"
                raise DataError(path, problem, byte=begin, field="Frame.context.name", expected=segment)
            segment = name
            rows.append((timestamp, begin, len(rows)))
            begin = end
            file.seek(begin)
    return _sorted(path, segment, rows)


def _sorted(path: Path, segment: str, rows: list[tuple[int, int, int]]) -> RecordIndex:
    if not rows:
        raise DataError(path, "no records", expected="frames")
    timestamps, begins, numbers = np.array(sorted(rows), dtype=np.int64).T
    twice = np.flatnonzero(np.diff(timestamps) == 0)
    if len(twice):
        first, second = numbers[twice[0]], numbers[twice[0] + 1]
        problem = f"record {second}: the time {timestamps[twice[0]]} of record {first} again"
        raise DataError(
            path, problem, byte=int(begins[twice[0] + 1]), field="Frame.timestamp_micros", expected="one record a frame"
        )
    return RecordIndex(np.array(segment), timestamps, begins, numbers)


def _head(path: Path, number: int, begin: int, head: bytes, length: int) -> tuple[str, int]:
    """Name and time of a frame, from its first bytes if they are there."""
    try:
        return head_of_frame(Span(head, 0, len(head), path))
    except DataError:  # behind the first bytes, or broken: the whole content says which
        content = head if len(head) == length else read_record(path, begin)
        with naming(path, number, begin + HEADER):
            return head_of_frame(Span(content, 0, len(content), path))


def cached_record_index(
    path: str | os.PathLike[str], *, cache_dir: str | os.PathLike[str] | None = None
) -> RecordIndex:
    """The index of a file, built once and kept (``.npz`` without pickles); a change of the file builds it anew.

    Args:
        cache_dir: Where it is kept; ``.formerkit`` beside the file if None.

    Raises:
        DataError: As :func:`build_record_index`; also if the folder cannot be written.
    """
    path = Path(path)
    folder = Path(cache_dir) if cache_dir is not None else path.parent / CACHE
    return cached(folder, path.stem, [path], RecordIndex, lambda: build_record_index(path))


def read_frame(path: str | os.PathLike[str], begin: int, number: int) -> RecordFrame:
    """The frame of the record that begins at a byte; ``number`` is named in errors.

    Raises:
        DataError: If the record is damaged (its checksums are compared) or no frame; see
            :func:`~formerdata.waymo.record_frame.parse_frame`.
    """
    path = Path(path)
    with naming(path, number, 0):
        content = read_record(path, begin)
    with naming(path, number, begin + HEADER):
        return parse_frame(content, path)


@contextmanager
def naming(path: Path, number: int, start: int) -> Iterator[None]:
    """Errors in the content of a record, which begins at byte ``start``, as errors of the file that name the record."""
    try:
        yield
    except DataError as error:
        byte = None if error.byte is None else start + error.byte
        problem = f"record {number}: {error.problem}"
        raise DataError(path, problem, field=error.field, byte=byte, expected=error.expected) from None
