"""Waymo's ``Submission`` protobuf: detections and what the leaderboard wants to know about their method.

Field numbers are those of the data set's public ``submission.proto``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from formerdata.waymo.objects import WaymoObjects
from formerdata.waymo.objects_file import format_objects, objects_in
from formerdata.waymo.wire import Schema, Span, field, fields
from formerkit.io import DataError, atomic_write

_DETECTION_3D = 2
SENSOR_TYPES = {"LIDAR_ALL": 1, "LIDAR_TOP": 2, "CAMERA_ALL": 3, "CAMERA_LIDAR_TOP": 4, "CAMERA_LIDAR_ALL": 5}
"""Which sensors a method looks at."""

_SUBMISSION: Schema = {1: ("task", "int"), 11: ("inference_results", "message")}


@dataclass(frozen=True)
class SubmissionInfo:
    """About a method.

    Attributes:
        account_name: E-mail address that is registered with the leaderboard.
        unique_method_name: Short; a later submission of the same name takes the place of an earlier one.
        authors: Names.
        affiliation, description, method_link: Free text.
        sensor_type: A key of :data:`SENSOR_TYPES`.
        past_frames, future_frames: How many frames besides the current one a detection is made from.
        object_types: Types 1 to 4 that are submitted; empty stands for all.
        latency_seconds: Of one frame, from end to end; None if not stated.
    """

    account_name: str
    unique_method_name: str
    authors: Sequence[str] = ()
    affiliation: str = ""
    description: str = ""
    method_link: str = ""
    sensor_type: str = "LIDAR_ALL"
    past_frames: int = 0
    future_frames: int = 0
    object_types: Sequence[int] = ()
    latency_seconds: float | None = None


def write_submission(path: str | os.PathLike[str], objects: WaymoObjects, info: SubmissionInfo) -> None:
    """Write a submission to the 3D detection task, in one file. The leaderboard takes it in a ``.tar.gz``.

    Raises:
        ValueError: If an object cannot be, account or method have no name, the sensors or a type are unknown, or a
            number of frames is negative.
    """
    content = _header(info) + field(11, "message", format_objects(objects)) + _footer(info)
    with atomic_write(path) as file:
        file.write(content)


def _header(info: SubmissionInfo) -> bytes:
    for name in ("account_name", "unique_method_name"):
        if not getattr(info, name):
            raise ValueError(f"submission: '{name}' is empty; expected what the leaderboard shall show")
    out = field(1, "int", _DETECTION_3D) + field(2, "text", info.unique_method_name)
    out += b"".join(field(3, "text", author) for author in info.authors)
    for number, text in ((4, info.affiliation), (5, info.description), (6, info.method_link)):
        if text:
            out += field(number, "text", text)
    for number, count in ((9, info.past_frames), (10, info.future_frames)):
        if count < 0:
            raise ValueError(f"submission: {count} frames; expected 0 or more")
        out += field(number, "int", count)
    return out


def _footer(info: SubmissionInfo) -> bytes:
    if info.sensor_type not in SENSOR_TYPES:
        raise ValueError(f"submission: sensors {info.sensor_type!r}; expected one of {', '.join(SENSOR_TYPES)}")
    if unknown := sorted(set(info.object_types) - {1, 2, 3, 4}):
        raise ValueError(f"submission: object types {unknown}; expected 1 to 4")
    out = field(12, "int", SENSOR_TYPES[info.sensor_type]) + field(13, "text", info.account_name)
    out += b"".join(field(14, "int", kind) for kind in info.object_types)
    return out if info.latency_seconds is None else out + field(15, "float", info.latency_seconds)


def read_submission(path: str | os.PathLike[str]) -> WaymoObjects:
    """The detections of a submission.

    Raises:
        DataError: As :func:`formerdata.waymo.read_objects`, or if it is not one of 3D detection.
        FileNotFoundError: If there is no such file.
    """
    data = Path(path).read_bytes()
    values = dict(fields(Span(data, 0, len(data), path), _SUBMISSION, "Submission"))
    if values.get("task") != _DETECTION_3D:
        raise DataError(path, f"{values.get('task')}", field="Submission.task", expected="2, 3D detection")
    if "inference_results" not in values:
        raise DataError(path, "no detections", field="Submission.inference_results", expected="that it is set")
    return objects_in(values["inference_results"])
