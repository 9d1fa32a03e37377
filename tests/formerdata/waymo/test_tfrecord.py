"""Records of a TFRecord file, whole and damaged."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from formerdata.waymo import tfrecord
from formerdata.waymo.tfrecord import masked_crc32c, read_records
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.io import DataError
from tests.paths import data


def slow_crc32c(content: bytes) -> int:
    """Bit by bit."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


def record(content: bytes) -> bytes:
    head = struct.pack("<Q", len(content))
    sums = [struct.pack("<I", masked(slow_crc32c(part))) for part in (head, content)]
    return head + sums[0] + content + sums[1]


def test_the_checksum_of_the_standard() -> None:
    # The check value that every table of CRCs lists.
    assert slow_crc32c(b"123456789") == 0xE3069283
    assert masked_crc32c(b"123456789") == masked(0xE3069283)


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_checksums_are_those_bit_by_bit(content: bytes) -> None:
    assert masked_crc32c(content) == masked(slow_crc32c(content))


def test_records_come_back(tmp_path: Path) -> None:
    contents = [b"first", b"", bytes(range(256)) * 3]
    (tmp_path / "x").write_bytes(b"".join(map(record, contents)))
    assert list(read_records(tmp_path / "x")) == contents
    (tmp_path / "x").write_bytes(b"")
    assert list(read_records(tmp_path / "x")) == []


def test_every_damage_is_found(tmp_path: Path) -> None:
    whole, path = record(b"first") + record(b"second"), tmp_path / "x"
    for byte in range(len(whole)):
        path.write_bytes(whole[:byte] + bytes([whole[byte] ^ 64]) + whole[byte + 1 :])
        with pytest.raises(DataError, match="checksum"):
            list(read_records(path))
    for length in set(range(1, len(whole))) - {len(record(b"first"))}:
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="ends after"):
            list(read_records(path))


def test_errors_name_the_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_bytes(record(b"first") + record(b"second")[:-1])
    with pytest.raises(DataError, match=r"byte 33: ends after 9 bytes of a record; expected 10 bytes"):
        list(read_records(path))
    with pytest.raises(DataError, match="no such file"):
        list(read_records(tmp_path / "y"))
    path.write_bytes(record(b"first"))
    monkeypatch.setattr(tfrecord, "MAX_RECORD", 4)
    with pytest.raises(DataError, match="a record of 5 bytes; expected at most 4 bytes"):
        list(read_records(path))


def test_a_real_file() -> None:
    path = data("waymo_samples", "mmdet3d", "waymo_format", "validation", "val.tfrecord")
    records = list(read_records(path))
    assert [len(each) for each in records] == [8140]
    assert b"1071392229495085036_1844_790_1864_790" in records[0]
