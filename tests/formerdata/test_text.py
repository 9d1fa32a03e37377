"""Text files: plain and gzipped, whole and damaged."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from formerdata.text import read_text

from formerkit.io import DataError


def test_plain_and_gzipped(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("é\n".encode())
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress("é\n".encode()))
    assert read_text(tmp_path / "a.txt") == read_text(tmp_path / "a.txt.gz") == "é\n"


@pytest.mark.parametrize(
    "content",
    [b"plain", gzip.compress(b"text" * 99)[:-12], gzip.compress(b"text")[:10] + b"\xff" * 9],
    ids=["plain", "cut", "spoilt"],
)
def test_damaged_gzip(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.gz: cannot be unpacked"):
        read_text(tmp_path / "a.gz")


def test_not_text(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"ab\xff"))
    with pytest.raises(DataError, match="byte 2: not a text file"):
        read_text(tmp_path / "a.gz")
