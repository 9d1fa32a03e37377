"""Atomic writes leave the old content or the new one; errors name the place."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from formerkit.io import DataError, MissingExtraError, atomic_write, require, sha256_file


def test_atomic_write_replaces_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "file.txt"
    with atomic_write(target, "w") as file:
        file.write("one")
    assert target.read_text() == "one"
    assert [entry.name for entry in target.parent.iterdir()] == ["file.txt"]


def test_atomic_write_keeps_old_content_when_the_body_fails(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    target.write_bytes(b"old")

    def fail() -> None:
        with atomic_write(target) as file:
            file.write(b"half of the new")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=r"No space left on device: '.*/file\.bin'"):
        fail()
    assert target.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.bin"]


def test_sha256_of_a_known_string(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_file(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_data_error_names_file_line_field_and_expectation() -> None:
    error = DataError("a/b.txt", "not a number: 'x'", line=3, field="alpha", expected="a float")
    assert str(error) == "a/b.txt, line 3, field 'alpha': not a number: 'x'; expected a float"


def test_a_data_error_survives_the_way_between_processes() -> None:
    error = DataError("a/b.bin", "ends inside a point", byte=32, expected="a multiple of 16 bytes")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is DataError
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_a_missing_extra_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r"pointdet\.view needs 'no_such_module'.*formerkit\[viz\]"):
        require("no_such_module", "viz", purpose="pointdet.view")
