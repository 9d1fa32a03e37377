"""What every frame of the v1 release repeats about its segment: name, calibrations, statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from formerdata.waymo import messages
from formerdata.waymo.join import is_rigid
from formerdata.waymo.range_image import LidarCalibration
from formerdata.waymo.schema import BOX_TYPES, LASERS
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


def read_context(span: Span) -> tuple[str, dict[int, LidarCalibration], SegmentStats]:
    """Name, calibrations by scanner, and statistics of the segment.

    Raises:
        DataError: If it has no name, or a calibration is incomplete, of an unknown scanner, comes twice or has numbers
            that cannot be; field and byte are named.
    """
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
    laser = _laser_number(span, single["name"], f"{where}.name")
    extrinsic = read_transform(single["extrinsic"], f"{where}.extrinsic")
    return laser, LidarCalibration(extrinsic, inclinations, lowest, highest)


def _laser_number(span: Span, number: int, field: str) -> int:
    """The number itself, if a scanner has it."""
    if number not in LASERS:
        known = ", ".join(f"{known} {name}" for known, name in LASERS.items())
        raise DataError(span.source, f"scanner {number}", byte=span.start, field=field, expected=f"one of {known}")
    return number


def read_transform(span: Span, field: str) -> np.ndarray:
    """[4, 4] float64 of a ``Transform`` message; ``field`` is its name.

    Raises:
        DataError: If it has not 16 numbers, or they are no rigid motion.
    """
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
