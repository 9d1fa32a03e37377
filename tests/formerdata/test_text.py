"""Text files: plain and gzipped, whole and damaged."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from formerdata.text import read_json, read_text

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


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"é": [1, null]}', encoding="utf-8")
    assert read_json(path, expected="a thing") == {"é": [1, None]}
    with pytest.raises(DataError, match=r"none\.json: no such file; expected a thing"):
        read_json(tmp_path / "none.json", expected="a thing")
    with pytest.raises(DataError, match="no such file; expected a thing"):
        read_json(tmp_path, expected="a thing")
    for broken, message in (
        (b"[1,\n2", r"line 2: not JSON \(Expecting"), (b"\xff", "byte 0: not a text file"),
        (b"[" * 100_000, "nested too deeply"), (b"9" * 5_000, r"not JSON \(Exceeds the limit"),
    ):  # fmt: skip
        path.write_bytes(broken)
        with pytest.raises(DataError, match=message):
            read_json(path, expected="a thing")
