"""A frame of Waymo's v1 release: the ``Frame`` message of one record, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from formerdata.waymo import messages
from formerdata.waymo.boxes import WaymoBoxes
from formerdata.waymo.frame import ReturnImage
from formerdata.waymo.join import is_rigid
from formerdata.waymo.objects_file import NoLabelZone, polygon_corners
from formerdata.waymo.range_image import LidarCalibration
from formerdata.waymo.record_images import PackedImages, packed_images
from formerdata.waymo.record_labels import read_labels
from formerdata.waymo.schema import BOX_TYPES, LASERS, TOP
from formerdata.waymo.wire import Span, fields
from formerkit.io import DataError


@dataclass(frozen=True)
class SegmentStats:
    """What the data set says about a segment.

    Attributes:
        time_of_day, location, weather: As ``Day``, ``location_phx``, ``sunny``; empty if not stated.
        objects: Number of different labelled objects of each of :data:`~formerdata.waymo.schema.BOX_TYPES`.
    """

    time_of_day: str = ""
    location: str = ""
    weather: str = ""
    objects: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RecordFrame:
    """What a record holds; images are decompressed when they are asked for.

    Attributes:
        segment, timestamp: Context name, and microseconds.
        world_from_vehicle: [4, 4] float64.
        calibrations: Of the scanners that have one.
        stats: Of the whole segment.
        packed: Compressed images of the scanners that have some; see :meth:`images`.
        boxes: All labels; none is an empty table, for a record does not say whether anybody has labelled it.
        zones: No-label zones, polygons in the world's frame.
    """

    segment: str
    timestamp: int
    world_from_vehicle: np.ndarray
    calibrations: Mapping[int, LidarCalibration]
    stats: SegmentStats
    packed: Mapping[int, PackedImages]
    boxes: WaymoBoxes
    zones: tuple[NoLabelZone, ...]

    def image(self, laser: int, number: int, *, labels: bool = False) -> ReturnImage | None:
        """A return of a scanner; None if it has none. ``labels``: those of its points too, if there are some.

        Raises:
            DataError: If the image cannot be decompressed, or its size is not that of its shape.
        """
        packed = self.packed.get(laser)
        values = None if packed is None else packed.values(number)
        if packed is None or values is None:
            return None
        return ReturnImage(laser, number, values, packed.labels(number) if labels and laser == TOP else None)

    def pixel_poses(self) -> np.ndarray | None:
        """[H, W, 6] float32 roll, pitch, yaw, x, y, z of the vehicle in the world for each pixel of the top scanner.

        Raises:
            DataError: As :meth:`image`.
        """
        return self.packed[TOP].poses() if TOP in self.packed else None


def parse_frame(data: bytes, source: str | os.PathLike[str]) -> RecordFrame:
    """The frame in the content of a record; ``source`` is named in errors.

    Raises:
        DataError: If a field is of another wire type or does not end within what holds it; context, name, timestamp or
            pose is absent; a transform is no rigid motion; a scanner is unknown or comes twice; a label has no box, or
            what cannot be. The message names the field and the byte of the content.
    """
    span = Span(data, 0, len(data), source)
    single: dict[str, Any] = {}
    repeated: dict[str, list[Span]] = {"lasers": [], "laser_labels": [], "no_label_zones": []}
    for name, value in fields(span, messages.FRAME, "Frame"):
        if name in repeated:
            repeated[name].append(value)
        else:
            single[name] = value
    for name in ("context", "timestamp_micros", "pose"):
        if name not in single:
            raise DataError(source, "a frame without it", byte=0, field=f"Frame.{name}", expected="that it is set")
    name, calibrations, stats = _context(single["context"])
    timestamp = single["timestamp_micros"]
    return RecordFrame(
        name,
        timestamp,
        _transform(single["pose"], "Frame.pose"),
        calibrations,
        stats,
        packed_images(repeated["lasers"]),
        read_labels(repeated["laser_labels"]),
        tuple(_zone(zone, name, timestamp) for zone in repeated["no_label_zones"]),
    )


def head_of_frame(span: Span) -> tuple[str, int]:
    """Context name and timestamp of the frame in ``span``: they come first, so a part of the content is enough.

    Raises:
        DataError: If ``span`` ends before both have come.
    """
    name = timestamp = None
    for field_name, value in fields(span, messages.FRAME, "Frame"):
        if field_name == "context":
            name = dict(fields(value, {1: messages.CONTEXT[1]}, "Frame.context")).get("name")
        elif field_name == "timestamp_micros":
            timestamp = value
        if name is not None and timestamp is not None:
            return name, timestamp
    absent = "context.name" if name is None else "timestamp_micros"
    raise DataError(span.source, "a frame without it", byte=0, field=f"Frame.{absent}", expected="that it is set")


def _context(span: Span) -> tuple[str, dict[int, LidarCalibration], SegmentStats]:
    name, stats = "", SegmentStats()
    calibrations: dict[int, LidarCalibration] = {}
    for key, value in fields(span, messages.CONTEXT, "Frame.context"):
        if key == "name":
            name = value
        elif key == "stats":
            stats = _stats(value)
        else:
            laser, calibration = _calibration(value)
            if laser in calibrations:
                problem = f"the scanner {LASERS[laser]} comes twice"
                raise DataError(
                    span.source, problem, byte=value.start, field="Frame.context.laser_calibrations", expected="one"
                )
            calibrations[laser] = calibration
    if not name:
        raise DataError(
            span.source, "a frame without it", byte=span.start, field="Frame.context.name", expected="that it is set"
        )
    return name, calibrations, stats


def _calibration(span: Span) -> tuple[int, LidarCalibration]:
    where = "Frame.context.laser_calibrations"
    single: dict[str, Any] = {}
    listed: list[float] = []
    for key, value in fields(span, messages.LASER_CALIBRATION, where):
        if key == "beam_inclinations":
            listed += value
        else:
            single[key] = value
    for key in ("name", "extrinsic", "beam_inclination_min", "beam_inclination_max"):
        if key not in single and not (listed and key.startswith("beam")):
            raise DataError(
                span.source, "absent", byte=span.start, field=f"{where}.{key}", expected="a whole calibration"
            )
    lowest, highest = (
        single.get(f"beam_inclination_{side}", end)
        for side, end in (("min", min(listed, default=0.0)), ("max", max(listed, default=0.0)))
    )
    inclinations = np.array(listed) if listed else None
    if not np.isfinite([lowest, highest, *listed]).all():
        raise DataError(
            span.source, "an inclination is not finite", byte=span.start, field=f"{where}.beam_inclinations",
            expected="finite numbers",
        )  # fmt: skip
    laser = laser_number(span, single["name"], f"{where}.name")
    extrinsic = _transform(single["extrinsic"], f"{where}.extrinsic")
    return laser, LidarCalibration(extrinsic, inclinations, lowest, highest)


def laser_number(span: Span, number: int, field: str) -> int:
    """The number itself.

    Raises:
        DataError: If no scanner has it.
    """
    if number not in LASERS:
        known = ", ".join(f"{known} {name}" for known, name in LASERS.items())
        raise DataError(span.source, f"scanner {number}", byte=span.start, field=field, expected=f"one of {known}")
    return number


def _transform(span: Span, field: str) -> np.ndarray:
    """[4, 4] float64."""
    numbers: list[float] = []
    for _, value in fields(span, messages.TRANSFORM, field):
        numbers += value
    if len(numbers) != 16:
        raise DataError(
            span.source, f"{len(numbers)} numbers", byte=span.start, field=field, expected="the 16 of a transform"
        )
    matrix = np.array(numbers).reshape(4, 4)
    if not is_rigid(matrix):
        raise DataError(
            span.source, "no rigid motion", byte=span.start, field=field, expected="a rotation and a shift, row by row"
        )
    return matrix


def _stats(span: Span) -> SegmentStats:
    texts, objects = {}, {}
    for key, value in fields(span, messages.STATS, "Frame.context.stats"):
        if key != "laser_object_counts":
            texts[key] = value
            continue
        count = dict(fields(value, messages.OBJECT_COUNT, "Frame.context.stats.laser_object_counts"))
        kind = count.get("type", 0)
        if 0 <= kind < len(BOX_TYPES):
            objects[BOX_TYPES[kind]] = count.get("count", 0)
    return SegmentStats(**texts, objects=objects)


def _zone(span: Span, segment: str, timestamp: int) -> NoLabelZone:
    corners, name = polygon_corners(span, "Frame.no_label_zones")
    return NoLabelZone(segment, timestamp, corners, name)
