"""Waymo's ``Objects`` protobuf: what its evaluation reads as labels and as detections.

Field numbers are those of the data set's public ``metrics.proto`` and ``label.proto``. Fields that evaluation does not
use (speeds, key points, camera names) are skipped in reading and not written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from formerdata.waymo.messages import BOX, BOX_FIELDS, LABEL, POLYGON
from formerdata.waymo.objects import WaymoObjects, check_shapes, first_impossible, objects_of_frame
from formerdata.waymo.wire import Schema, Span, field, fields
from formerkit.io import DataError, atomic_write

_OBJECTS: Schema = {1: ("objects", "message"), 2: ("no_label_zone_objects", "message")}
_OBJECT: Schema = {
    1: ("object", "message"), 2: ("score", "float"), 3: ("overlap_with_nlz", "bool"), 4: ("context_name", "text"),
    5: ("frame_timestamp_micros", "int"),
}  # fmt: skip
_ZONE: Schema = {1: ("zone", "message"), 2: ("context_name", "text"), 3: ("frame_timestamp_micros", "int")}


@dataclass(frozen=True)
class NoLabelZone:
    """A zone of one frame in which nothing is labelled.

    Attributes:
        context_name, timestamp: The frame's.
        corners: [C, 2] float64, the polygon, m, in the frame of reference that the file's author used.
        name: Of the zone.
    """

    context_name: str
    timestamp: int
    corners: np.ndarray
    name: str


def read_objects(path: str | os.PathLike[str]) -> WaymoObjects:
    """Read the objects of a file; an empty file has none.

    Raises:
        DataError: If the file is truncated, is no such file, or an object has no box, type, drive or time, or values
            that cannot be (not finite, a side below 0, a score outside 0 .. 1, an unknown type); the message names
            field and byte.
        FileNotFoundError: If there is no such file.
    """
    return parse_objects(Path(path).read_bytes(), path)


def parse_objects(data: bytes, source: str | os.PathLike[str]) -> WaymoObjects:
    """The objects of a serialised ``Objects``; see :func:`read_objects`. ``source`` is named in errors."""
    return objects_in(Span(data, 0, len(data), source))


def objects_in(span: Span) -> WaymoObjects:
    """The objects of the ``Objects`` message in ``span``; see :func:`read_objects`."""
    places, rows = [], []
    for name, part in fields(span, _OBJECTS, "Objects"):
        if name == "objects":
            places.append(part.start)
            rows.append(_row(part))
    table: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * 9
    boxes = np.array(table[0], dtype=np.float64).reshape(len(rows), 7)
    one = objects_of_frame(
        "", 0, boxes, np.array(table[1]), np.array(table[2]), difficulty=np.array(table[3]),
        num_points=np.array(table[4]), overlaps_no_label_zone=np.array(table[5]), ids=list(table[6]),
    )  # fmt: skip
    objects = WaymoObjects(
        **vars(one)
        | {"context_names": np.array(table[7], dtype=np.str_), "timestamps": np.array(table[8], dtype=np.int64)}
    )
    if problem := first_impossible(objects):
        row, name, value, expected = problem
        raise DataError(span.source, f"object {row} has {value}", byte=places[row], field=name, expected=expected)
    return objects


def _row(span: Span) -> tuple[Any, ...]:
    """Box, type, score, difficulty, points, zone, id, drive, time."""
    values: dict[str, Any] = {}
    for name, value in fields(span, _OBJECT, "Object"):
        if name != "object":
            values[name] = value
            continue
        for inner, content in fields(value, LABEL, "Label"):
            if inner == "box":
                values.setdefault(inner, {}).update(fields(content, BOX, "Box"))
            else:
                values[inner] = content
    for name in ("box", "type", "context_name", "frame_timestamp_micros"):
        if name not in values:
            raise DataError(span.source, "an object without it", byte=span.start, field=name, expected="that it is set")
    return (
        [values["box"].get(name, 0.0) for name in BOX_FIELDS], values["type"], values.get("score", 1.0),
        values.get("detection_difficulty_level", 0), values.get("num_lidar_points_in_box", -1),
        values.get("overlap_with_nlz", False), values.get("id", ""), values["context_name"],
        values["frame_timestamp_micros"],
    )  # fmt: skip


def read_zones(path: str | os.PathLike[str]) -> list[NoLabelZone]:
    """The no-label zones that a file of labels may hold.

    The evaluation itself looks at the flag of each detection only; which detections get it is the leaderboard's
    computation, whose rule of overlap is not published.

    Raises:
        DataError: As :func:`read_objects`, or if a polygon has unlike numbers of x and y or fewer than 3 corners.
        FileNotFoundError: If there is no such file.
    """
    data = Path(path).read_bytes()
    return list(_zones(Span(data, 0, len(data), path)))


def _zones(span: Span) -> Iterator[NoLabelZone]:
    for name, part in fields(span, _OBJECTS, "Objects"):
        if name != "no_label_zone_objects":
            continue
        values: dict[str, Any] = {"context_name": "", "frame_timestamp_micros": 0}
        corners, title = None, ""
        for inner, content in fields(part, _ZONE, "NoLabelZoneObject"):
            if inner == "zone":
                corners, title = polygon_corners(content, "zone")
            else:
                values[inner] = content
        if corners is None:
            raise DataError(span.source, "absent", byte=part.start, field="zone", expected="a polygon")
        yield NoLabelZone(values["context_name"], values["frame_timestamp_micros"], corners, title)


def polygon_corners(span: Span, field: str) -> tuple[np.ndarray, str]:
    """[C, 2] float64 corners and the name of a ``Polygon2dProto``.

    Raises:
        DataError: If it has unlike numbers of x and y, fewer than 3 corners or one that is not finite.
    """
    polygon: dict[str, Any] = {"x": [], "y": [], "id": ""}
    for axis, value in fields(span, POLYGON, "Polygon2d"):
        polygon[axis] = value if axis == "id" else polygon[axis] + value
    x, y = polygon["x"], polygon["y"]
    if len(x) != len(y) or len(x) < 3 or not np.isfinite(x + y).all():
        problem = f"{len(x)} values of x, {len(y)} of y"
        raise DataError(span.source, problem, byte=span.start, field=field, expected="3 corners or more, finite")
    return np.column_stack([x, y]), polygon["id"]


def format_objects(objects: WaymoObjects) -> bytes:
    """The bytes of an ``Objects`` message; headings are brought into -pi to pi, as the format wants them.

    Raises:
        ValueError: If columns differ in length, or an object cannot be; the message names object and field.
    """
    check_shapes(objects)
    if problem := first_impossible(objects):
        row, name, value, expected = problem
        raise ValueError(f"Waymo objects: object {row} has {name} {value}; expected {expected}")
    boxes = objects.boxes.copy()
    boxes[:, 6] -= 2 * np.pi * np.floor((boxes[:, 6] + np.pi) / (2 * np.pi))
    return b"".join(field(1, "message", _object_bytes(objects, boxes, i)) for i in range(len(objects)))


def _object_bytes(objects: WaymoObjects, boxes: np.ndarray, i: int) -> bytes:
    by_name = dict(zip(BOX_FIELDS, boxes[i].tolist(), strict=True))
    label = field(1, "message", b"".join(field(number, "double", by_name[BOX[number][0]]) for number in range(1, 8)))
    label += field(3, "int", objects.types[i])
    if objects.ids[i]:
        label += field(4, "text", str(objects.ids[i]))
    if objects.difficulty[i]:
        label += field(5, "int", objects.difficulty[i])
    if objects.num_points[i] >= 0:
        label += field(7, "int", objects.num_points[i])
    content = field(1, "message", label) + field(2, "float", objects.scores[i])
    if objects.overlaps_no_label_zone[i]:
        content += field(3, "bool", True)
    content += field(4, "text", str(objects.context_names[i]))
    return content + field(5, "int", objects.timestamps[i])


def write_objects(path: str | os.PathLike[str], objects: WaymoObjects) -> None:
    """Write labels or detections as Waymo's evaluation reads them.

    Raises:
        ValueError: As :func:`format_objects`.
    """
    content = format_objects(objects)
    with atomic_write(path) as file:
        file.write(content)
