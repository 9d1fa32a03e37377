"""JSON read value by value, against the standard library on whole files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from formerdata.nuscenes import json_stream
from formerdata.nuscenes.json_stream import JsonStream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from formerkit.io import DataError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "x.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(VALUES, max_size=5), st.dictionaries(st.text(max_size=4), VALUES, max_size=4), st.booleans(),
    st.integers(1, 7),
)  # fmt: skip
def test_any_value_in_blocks_of_any_size(tmp_path: Path, listed: list, named: dict, plain: bool, block: int) -> None:
    indent = 1 if plain else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_BLOCK", block)
        with JsonStream(written(tmp_path, json.dumps(listed, ensure_ascii=plain, indent=indent))) as stream:
            assert list(stream.array()) == listed
            assert stream.peek() == ""
        with JsonStream(written(tmp_path, json.dumps(named, ensure_ascii=plain, indent=indent))) as stream:
            assert {key: stream.value() for key in stream.members()} == named


@pytest.mark.parametrize("block", [1, 2, 1 << 20])
@pytest.mark.parametrize("number", ["1.5", "1e-5", "-0.25E+2", "12"])
def test_numbers_that_a_block_cuts(tmp_path: Path, number: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_BLOCK", block)
    with JsonStream(written(tmp_path, f"[{number},{number}]")) as stream:
        assert list(stream.array()) == [float(number)] * 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "byte 0: the file ends; expected '\\['"),
        ('{"a": 1}', "byte 0: '{'; expected '\\['"),
        ('[{"a": 1}', "byte 9: the file ends; expected ',' or ']'"),
        ('[{"a": 1', "byte 8: the file ends; expected JSON"),
        ('[{"a": 1} {', "byte 10: '{'; expected ',' or ']'"),
        ('["\u00e4", {"b": x}]', "byte 13: Expecting value; expected JSON"),
        (b'["\xff"]', "not text .*; expected UTF-8"),
        (b'["a\xc3', "not text"),
    ],
)
@pytest.mark.parametrize("block", [1, 1 << 20])
def test_damage_is_named_with_its_byte(
    tmp_path: Path, text: str | bytes, message: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stream, "_BLOCK", block)
    path = written(tmp_path, text)
    with pytest.raises(DataError, match=message) as error, JsonStream(path) as stream:
        list(stream.array())
    assert str(path) in str(error.value)


def test_keys_must_be_text(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match="byte 1: '1'; expected '\"'"),
        JsonStream(written(tmp_path, "{1: 2}")) as stream,
    ):
        list(stream.members())


def test_a_damaged_large_file_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_BLOCK", 16)
    monkeypatch.setattr(json_stream, "_LONGEST", 64)
    with JsonStream(written(tmp_path, "[{" + "x" * 10_000)) as stream:
        with pytest.raises(DataError, match="byte 2"):
            list(stream.array())
        assert stream._file.tell() < 1000


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        JsonStream(tmp_path / "none.json")
