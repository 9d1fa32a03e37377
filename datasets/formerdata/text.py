"""Reading text files of a data set."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from formerkit.io import DataError


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a UTF-8 file, which is gzipped if its name ends in ``.gz``.

    Raises:
        DataError: If it is not text (a binary or damaged file); the byte is named.
        FileNotFoundError: If there is no such file.
    """
    raw = Path(path).read_bytes()
    if Path(path).suffix == ".gz":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(path, f"cannot be unpacked ({error})", expected="a gzip file") from None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(path, "not a text file", byte=error.start, expected="UTF-8 text") from None
    if (zero := raw.find(0)) >= 0:  # what a crashed copy leaves behind
        raise DataError(path, "not a text file (a zero byte)", byte=zero, expected="UTF-8 text")
    return text


def filled_lines(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines that are neither blank nor comments (# or %), stripped, each with its one-based number in the text."""
    for number, line in enumerate(text.split(b"\n"), 1):
        words = line.strip(b" \t\r")
        if words and not words.startswith((b"#", b"%")):
            yield number, words
