"""Waymo's object files: the wire format, the official samples, and files that are no such files."""

from __future__ import annotations

import struct
from dataclasses import fields as columns
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from formerdata.waymo import (
    SubmissionInfo,
    WaymoObjects,
    concatenate_objects,
    empty_objects,
    format_objects,
    objects_of_frame,
    parse_objects,
    read_objects,
    read_submission,
    read_zones,
    write_objects,
    write_submission,
)
from formerdata.waymo.wire import Span, field, fields, varint
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.io import DataError
from tests.paths import data


def literal_fields(content: bytes) -> list[tuple[int, int, object]]:
    """Number, wire type and raw value of each field, byte by byte."""
    out, rest = [], list(content)

    def number() -> int:
        value = shift = 0
        while True:
            byte = rest.pop(0)
            value += (byte % 128) << shift
            shift += 7
            if byte < 128:
                return value

    while rest:
        key = number()
        size = {1: 8, 5: 4}.get(key % 8, 0)
        if key % 8 == 0:
            out.append((key // 8, 0, number()))
            continue
        if key % 8 == 2:
            size = number()
        out.append((key // 8, key % 8, bytes(rest[:size])))
        del rest[:size]
    return out


def some_objects(count: int = 2) -> WaymoObjects:
    boxes = np.arange(7.0 * count).reshape(count, 7)
    boxes[:, 6] = 0.25
    return objects_of_frame(
        "drive", 17, boxes, np.arange(count) % 4 + 1, np.full(count, 0.5), difficulty=np.arange(count) % 3,
        num_points=np.arange(count), overlaps_no_label_zone=np.arange(count) % 2, ids=[f"é{i}" for i in range(count)],
    )  # fmt: skip


def assert_same(a: WaymoObjects, b: WaymoObjects) -> None:
    for column in columns(WaymoObjects):
        np.testing.assert_array_equal(getattr(a, column.name), getattr(b, column.name), err_msg=column.name)


@pytest.mark.parametrize(("value", "expected"), [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02")])
def test_varints_of_the_description(value: int, expected: bytes) -> None:
    assert varint(value) == expected


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40), st.lists(st.floats(width=32), max_size=9))
def test_repeated_numbers_packed_and_one_by_one(whole: list[int], real: list[float]) -> None:
    schema = {1: ("whole", "ints"), 2: ("real", "floats")}
    packed = field(1, "bytes", b"".join(map(varint, whole))) + field(2, "floats", np.array(real, np.float32))
    single = field(1, "ints", whole) + b"".join(field(2, "float", value) for value in real)
    for content in (packed, single, packed[:0]):
        found: dict[str, list] = {"whole": [], "real": []}
        for name, value in fields(Span(content, 0, len(content), "x"), schema, "M"):
            assert value.dtype == (np.int64 if name == "whole" else np.float32)
            found[name] += value.tolist()
        if content:
            assert found["whole"] == whole
            np.testing.assert_array_equal(found["real"], np.array(real, np.float32))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80", "byte 2, field 'M.whole': the field ends at byte 3, within a number; expected complete varints"),
        (b"\x01\xff", "the field ends at byte 4, within a number"),
        (b"\x80" * 10 + b"\x01", "a number of more than 64 bits; expected a varint"),
    ],
)
def test_packed_numbers_that_are_none(content: bytes, message: str) -> None:
    whole = field(1, "bytes", content)
    with pytest.raises(DataError, match=message):
        list(fields(Span(whole, 0, len(whole), "x"), {1: ("whole", "ints")}, "M"))


def test_minus_one_has_ten_bytes() -> None:
    assert varint(-1) == b"\xff" * 9 + b"\x01"


@settings(max_examples=50, deadline=None)
@given(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(), st.booleans())
def test_fields_come_back(whole: int, real: float, text: str, flag: bool) -> None:
    content = field(1, "int", whole) + field(20, "double", real) + field(3, "text", text) + field(4, "bool", flag)
    schema = {1: ("a", "int"), 20: ("b", "double"), 3: ("c", "text"), 4: ("d", "bool")}
    found = dict(fields(Span(content, 0, len(content), "test"), schema, "M"))
    assert found == {"a": whole, "b": real, "c": text, "d": flag}
    raw = literal_fields(content)
    assert [(number, wire) for number, wire, _ in raw] == [(1, 0), (20, 1), (3, 2), (4, 0)]
    assert raw[0][2] == whole % 2**64
    assert raw[1][2] == struct.pack("<d", real)
    assert raw[2][2] == text.encode()


@pytest.mark.parametrize("whole", [-(2**63), -1, 2**62, 2**63 - 1])
def test_largest_numbers_come_back(whole: int) -> None:
    content = field(1, "int", whole)
    assert list(fields(Span(content, 0, len(content), "test"), {1: ("a", "int")}, "M")) == [("a", whole)]


def test_a_field_may_not_leave_its_message() -> None:
    """Behind the inner message the file goes on, so that the bytes are there."""
    content = b"\x0a\x03\x0a\x02a" + field(2, "text", "behind")
    (_, inner), *_ = fields(Span(content, 0, len(content), "test"), {1: ("m", "message")}, "M")
    with pytest.raises(DataError, match=r"byte 2, field 'N.t': the field ends at byte 6, what holds it at byte 5"):
        list(fields(inner, {1: ("t", "text")}, "N"))


def test_repeated_doubles_packed_or_not_and_unknown_fields() -> None:
    packed = field(1, "message", struct.pack("<2d", 1.5, -2.0))
    content = field(9, "text", "skipped") + packed + field(1, "doubles", [3.0, 4.0]) + field(8, "float", 1.0)
    found = list(fields(Span(content, 0, len(content), "test"), {1: ("x", "doubles")}, "M"))
    assert found == [("x", [1.5, -2.0]), ("x", [3.0]), ("x", [4.0])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x08", r"byte 1, field 'M.a': the message ends at byte 1, within a number"),
        (b"\x08\x80\x80", r"byte 1, field 'M.a': the message ends at byte 3"),
        (b"\x08" + b"\xff" * 10 + b"\x01", r"more than 64 bits"),
        (b"\x08" + b"\xff" * 9 + b"\x02", r"more than 64 bits"),
        (b"\x09" + b"\0" * 8, r"byte 0, field 'M.a': 8 bytes; expected a varint"),
        (b"\x0a\x00", r"field 'M.a': a length and bytes; expected a varint"),
        (b"\x15\0\0\0", r"field 'M.b': the field ends at byte 5, what holds it at byte 4"),
        (b"\x1a\x05abc", r"field 'M.c': the field ends at byte 7, what holds it at byte 5"),
        (b"\x1a\x02a\xff", r"byte 3, field 'M.c': bytes that are no text; expected UTF-8"),
        (b"\x22\x07" + b"\0" * 7, r"field 'M.d': 7 bytes; expected a multiple of 8"),
        (b"\x0b", r"wire type 3; expected 0, 1, 2 or 5"),
        (b"\x7f", r"field 'M.15': wire type 7"),
        (b"\x00\x00", r"a field with the number 0"),
    ],
)
def test_broken_wire_format(content: bytes, message: str) -> None:
    schema = {1: ("a", "int"), 2: ("b", "float"), 3: ("c", "text"), 4: ("d", "doubles")}
    with pytest.raises(DataError, match=message):
        list(fields(Span(content, 0, len(content), "file"), schema, "M"))


@pytest.mark.parametrize(("name", "count"), [("fake_ground_truths.bin", 1010), ("fake_predictions.bin", 2263)])
def test_official_samples(name: str, count: int, tmp_path: Path) -> None:
    objects = read_objects(data("waymo_samples", "metrics", name))
    assert len(objects) == count
    assert len(np.unique(objects.timestamps)) == 20
    assert set(objects.types.tolist()) == {1, 2, 3}
    assert (objects.scores == 1).all() == (name == "fake_ground_truths.bin")
    write_objects(tmp_path / "again.bin", objects)
    again = read_objects(tmp_path / "again.bin")
    np.testing.assert_allclose(again.boxes, objects.boxes, rtol=0, atol=1e-14)
    assert_same(replace(again, boxes=objects.boxes), objects)


def test_a_foreign_file_is_written_byte_for_byte() -> None:
    path = data("waymo_samples", "mmdet3d", "waymo_format", "gt.bin")
    objects = read_objects(path)
    assert objects.context_names[0] == "1071392229495085036_1844_790_1864_790"
    assert objects.timestamps[0] == 1507315488219118
    # The file holds width before length: 2.01 m, then 4.36 m.
    np.testing.assert_allclose(objects.boxes[0, 3:6], [4.36, 2.01, 1.46], atol=1e-6)
    assert format_objects(objects) == path.read_bytes()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 5), st.data())
def test_round_trip(count: int, draw: st.DataObject) -> None:
    objects = some_objects(count)
    boxes = objects.boxes.copy()
    centres = st.lists(st.floats(-1e3, 1e3), min_size=count * 3, max_size=count * 3)
    boxes[:, :3] = np.array(draw.draw(centres)).reshape(count, 3)
    objects = replace(objects, boxes=boxes, timestamps=objects.timestamps + draw.draw(st.integers(0, 2**60)))
    content = format_objects(concatenate_objects([objects, objects]))
    assert_same(parse_objects(content, "test"), concatenate_objects([objects, objects]))
    assert len(literal_fields(content)) == 2 * count


def test_names_are_kept_whole() -> None:
    objects = concatenate_objects(
        [empty_objects(), some_objects(1), objects_of_frame("a longer drive", 3, np.ones((1, 7)), np.array([2]))]
    )
    assert objects.context_names.tolist() == ["drive", "a longer drive"]
    assert objects.ids.tolist() == ["é0", ""]
    assert parse_objects(format_objects(objects), "test").context_names.tolist() == ["drive", "a longer drive"]


def test_headings_are_written_as_the_format_wants_them() -> None:
    objects = some_objects(3)
    objects.boxes[:, 6] = [np.pi, 7.0, -4.0]
    headings = parse_objects(format_objects(objects), "test").boxes[:, 6]
    np.testing.assert_allclose(headings, [-np.pi, 7 - 2 * np.pi, 2 * np.pi - 4], atol=1e-12)


def test_what_is_not_stated_has_defaults() -> None:
    box = b"".join(field(number, "double", 2.0) for number in (4, 5, 6))  # a centre of 0 need not be stated
    label = field(1, "message", box) + field(3, "int", 4)
    content = field(1, "message", label) + field(4, "text", "drive") + field(5, "int", 0)
    objects = parse_objects(field(1, "message", content), "test")
    assert objects.boxes.tolist() == [[0, 0, 0, 2, 2, 2, 0]]
    assert (objects.scores[0], objects.difficulty[0], objects.num_points[0]) == (1, 0, -1)
    assert not objects.overlaps_no_label_zone[0]
    assert len(parse_objects(b"", "test")) == 0


def test_every_truncation_is_refused() -> None:
    whole = format_objects(some_objects(1))
    for size in range(1, len(whole)):
        with pytest.raises(DataError, match="cut"):
            parse_objects(whole[:size], "cut")


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_refused_or_read(content: bytes) -> None:
    try:
        parse_objects(content, "test")
    except DataError as error:
        assert str(error).startswith("test")  # noqa: PT017


@pytest.mark.parametrize("missing", ["context_name", "frame_timestamp_micros", "box", "type"])
def test_missing_fields_are_named(missing: str) -> None:
    label = b"" if missing == "box" else field(1, "message", b"")
    label += b"" if missing == "type" else field(3, "int", 1)
    content = field(1, "message", label)
    content += b"" if missing == "context_name" else field(4, "text", "drive")
    content += b"" if missing == "frame_timestamp_micros" else field(5, "int", 1)
    with pytest.raises(DataError, match=f"byte 2, field '{missing}': an object without it"):
        parse_objects(field(1, "message", content), "test")


BROKEN = [
    ("scores", np.array([0.5, np.nan]), "score", "0 to 1"),
    ("scores", np.array([0.5, 1.5]), "score", "0 to 1"),
    ("types", np.array([1, 9]), "type", "1 to 4"),
    ("types", np.array([1, 0]), "type", "1 to 4"),
    ("difficulty", np.array([1, 3]), "difficulty", "1, 2, or 0"),
    ("boxes", np.array([[1.0] * 7, [1.0, np.nan, 1, 1, 1, 1, 1]]), "box", "finite"),
    ("boxes", np.array([[1.0] * 7, [1.0, 1, 1, 1, -1, 1, 1]]), "box", "0 or more"),
]


@pytest.mark.parametrize(("column", "values", "name", "expected"), BROKEN)
def test_impossible_values_are_refused_in_reading_and_writing(
    column: str, values: np.ndarray, name: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = replace(some_objects(), **{column: values})
    with pytest.raises(ValueError, match=f"object 1 has {name} .*expected .*{expected}"):
        format_objects(broken)
    monkeypatch.setattr("formerdata.waymo.objects_file.first_impossible", lambda objects: None)
    content = format_objects(broken)
    monkeypatch.undo()
    with pytest.raises(DataError, match=f"bad.bin, byte .*field '{name}': object 1 has .*expected .*{expected}"):
        parse_objects(content, "bad.bin")


def test_columns_of_unlike_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'boxes' is \[2, 6\]; expected \[2, 7\]"):
        objects_of_frame("drive", 0, np.zeros((2, 6)), np.ones(2))
    with pytest.raises(ValueError, match=r"'scores' is \[1\]; expected \[2\]"):
        format_objects(replace(some_objects(), scores=np.ones(1, dtype=np.float32)))


def test_no_label_zones(tmp_path: Path) -> None:
    polygon = field(1, "doubles", [0.0, 1.0, 1.0]) + field(2, "doubles", [0.0, 0.0, 2.0]) + field(3, "text", "z")
    zone = field(1, "message", polygon) + field(2, "text", "drive") + field(3, "int", 17)
    path = tmp_path / "zones.bin"
    path.write_bytes(format_objects(some_objects()) + field(2, "message", zone))
    (found,) = read_zones(path)
    assert (found.context_name, found.timestamp, found.name) == ("drive", 17, "z")
    assert found.corners.tolist() == [[0, 0], [1, 0], [1, 2]]
    assert_same(read_objects(path), some_objects())
    path.write_bytes(field(2, "message", field(1, "message", field(1, "doubles", [0.0, 1.0]))))
    with pytest.raises(DataError, match="field 'zone': 2 values of x, 0 of y; expected 3 corners or more"):
        read_zones(path)


def test_submission(tmp_path: Path) -> None:
    path = tmp_path / "submission.bin"
    info = SubmissionInfo("me@example.org", "LION", ["A", "B"], description="d", object_types=[1, 4], past_frames=2)
    write_submission(path, some_objects(), replace(info, latency_seconds=0.5))
    assert_same(read_submission(path), some_objects())
    raw = [(number, value) for number, _, value in literal_fields(path.read_bytes()) if number != 11]
    assert raw == [
        (1, 2), (2, b"LION"), (3, b"A"), (3, b"B"), (5, b"d"), (9, 2), (10, 0), (12, 1), (13, b"me@example.org"),
        (14, 1), (14, 4), (15, struct.pack("<f", 0.5)),
    ]  # fmt: skip
    for change, message in (
        ({"account_name": ""}, "'account_name' is empty"), ({"sensor_type": "RADAR"}, "sensors 'RADAR'"),
        ({"object_types": [5]}, r"object types \[5\]"), ({"past_frames": -1}, "-1 frames"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            write_submission(path, empty_objects(), replace(info, **change))
    write_objects(tmp_path / "objects.bin", some_objects())
    with pytest.raises(DataError, match=r"Submission\.task"):
        read_submission(tmp_path / "objects.bin")
