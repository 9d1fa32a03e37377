"""Reading text files of a data set."""

from __future__ import annotations

import os
from pathlib import Path

from formerkit.io import DataError


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a UTF-8 file.

    Raises:
        DataError: If it is not text (a binary or damaged file); the byte is named.
        FileNotFoundError: If there is no such file.
    """
    raw = Path(path).read_bytes()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(path, "not a text file", byte=error.start, expected="UTF-8 text") from None
    if (zero := raw.find(0)) >= 0:  # what a crashed copy leaves behind
        raise DataError(path, "not a text file (a zero byte)", byte=zero, expected="UTF-8 text")
    return text
