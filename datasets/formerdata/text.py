"""Reading text files of a data set."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


def read_json(path: str | os.PathLike[str], expected: str) -> Any:
    """The content of a JSON file; ``expected`` says, for people, what it should be.

    Raises:
        DataError: If the file is absent, not text, not JSON, or nested too deeply.
    """
    if not os.path.isfile(path):
        raise DataError(path, "no such file", expected=expected)
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(path, f"not JSON ({error.msg})", line=error.lineno, expected=expected) from None
    except RecursionError:
        raise DataError(path, "nested too deeply", expected=expected) from None
    except ValueError as error:  # an integer of thousands of digits
        raise DataError(path, f"not JSON ({error})", expected=expected) from None


def filled_lines(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines that are neither blank nor comments (# or %), stripped, each with its one-based number in the text."""
    for number, line in enumerate(text.split(b"\n"), 1):
        words = line.strip(b" \t\r")
        if words and not words.startswith((b"#", b"%")):
            yield number, words
