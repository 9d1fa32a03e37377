"""A frame of Waymo's v1 release: the ``Frame`` message of one record, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from formerdata.waymo import messages
from formerdata.waymo.boxes import WaymoBoxes
from formerdata.waymo.frame import ReturnImage
from formerdata.waymo.objects_file import NoLabelZone, polygon_corners
from formerdata.waymo.range_image import LidarCalibration
from formerdata.waymo.record_context import SegmentStats, read_context, read_transform
from formerdata.waymo.record_images import PackedImages, packed_images
from formerdata.waymo.record_labels import read_labels
from formerdata.waymo.schema import TOP
from formerdata.waymo.wire import Span, fields
from formerkit.io import DataError


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
    name, calibrations, stats = read_context(single["context"])
    timestamp = single["timestamp_micros"]
    return RecordFrame(
        name,
        timestamp,
        read_transform(single["pose"], "Frame.pose"),
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


def _zone(span: Span, segment: str, timestamp: int) -> NoLabelZone:
    corners, name = polygon_corners(span, "Frame.no_label_zones")
    return NoLabelZone(segment, timestamp, corners, name)
