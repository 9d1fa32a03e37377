"""TFRecord files (the container of Waymo's v1 release), record by record, each checked.

A record is its length (8 bytes, little-endian), a checksum of these 8 bytes, the content, a checksum of the content.
Checksums are CRC-32C (Castagnoli), turned right by 15 bits and increased by a constant, so that the checksum of data
that hold checksums is no trivial one. Source: TensorFlow's ``record_writer``. What is in a record is a matter of
:mod:`formerdata.waymo.record_frame`.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from formerkit.io import DataError

_MASK_DELTA = 0xA282EAD8
_POLYNOMIAL = 0x82F63B78  # of Castagnoli, bits reversed
HEADER = 12
"""Bytes of a record before its content."""
FOOTER = 4
"""Bytes of a record behind its content."""
MAX_RECORD = 1 << 30
"""Bytes; a frame of Waymo has a few million. A longer one is taken as damage before memory is asked for."""


def _table() -> np.ndarray:
    """[256] uint32: the remainder of each byte."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


_TABLE = _table()


def masked_crc32c(data: bytes) -> int:
    """The checksum as TFRecord files store it."""
    from formerdata.waymo.crc_kernels import crc32c  # numba is costly to import

    crc = int(crc32c(np.frombuffer(data, dtype=np.uint8), _TABLE))
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def read_records(path: str | os.PathLike[str]) -> Iterator[bytes]:
    """The contents of the records of a TFRecord file (not compressed), one after the other.

    Raises:
        DataError: If there is no such file, it ends within a record, or a checksum is wrong; the byte is named.
    """
    path = Path(path)
    with open_records(path) as file:
        begin = 0
        while header := file.read(HEADER):
            length = read_length(path, begin, header)
            yield _content(path, file, begin + HEADER, length)
            begin += HEADER + length + FOOTER


def read_record(path: str | os.PathLike[str], begin: int) -> bytes:
    """The content of the record that begins at a byte.

    Raises:
        DataError: As :func:`read_records`; also if the file ends before that byte.
    """
    path = Path(path)
    with open_records(path) as file:
        file.seek(begin)
        return _content(path, file, begin + HEADER, read_length(path, begin, file.read(HEADER)))


def open_records(path: Path) -> BinaryIO:
    """The file, open for reading.

    Raises:
        DataError: If there is no such file.
    """
    if not path.is_file():
        raise DataError(path, "no such file", expected="a TFRecord file")
    return open(path, "rb")


def read_length(path: Path, begin: int, header: bytes) -> int:
    """Bytes of the content of a record, from its first :data:`HEADER` bytes.

    Raises:
        DataError: If there are fewer, their checksum is wrong or the length is beyond :data:`MAX_RECORD`.
    """
    if len(header) < HEADER:
        raise DataError(path, f"ends after {len(header)} bytes of a record's head", byte=begin, expected="12 bytes")
    length, checksum = struct.unpack("<QI", header)
    if masked_crc32c(header[:8]) != checksum:
        raise DataError(path, "the checksum of a record's length is wrong", byte=begin, expected="a TFRecord file")
    if length > MAX_RECORD:
        raise DataError(path, f"a record of {length} bytes", byte=begin, expected=f"at most {MAX_RECORD} bytes")
    return int(length)


def _content(path: Path, file: BinaryIO, begin: int, length: int) -> bytes:
    content, tail = file.read(length), file.read(FOOTER)
    if len(content) < length or len(tail) < FOOTER:
        there = len(content) + len(tail)
        raise DataError(path, f"ends after {there} bytes of a record", byte=begin, expected=f"{length + 4} bytes")
    if masked_crc32c(content) != struct.unpack("<I", tail)[0]:
        raise DataError(path, "the checksum of a record is wrong", byte=begin, expected="undamaged content")
    return content
