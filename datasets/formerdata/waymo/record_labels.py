"""The ``Label`` messages of a frame as a table of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from formerdata.waymo import messages
from formerdata.waymo.boxes import WaymoBoxes
from formerdata.waymo.schema import BOX_TYPES
from formerdata.waymo.wire import Span, fields
from formerkit.io import DataError

_WHERE = "Frame.laser_labels"
_LEVELS = (0, 1, 2)


def read_labels(spans: Sequence[Span]) -> WaymoBoxes:
    """The labelled objects, in file order. Numbers of points that are absent are 0, speeds NaN, levels 0.

    Raises:
        DataError: If a label has no box or type, a box that is not finite or has a side below 0, an unknown type or
            level, or less than no points.
    """
    rows = [_row(span) for span in spans]
    boxes, motion, types, ids, detection, tracking, points, top = zip(*rows, strict=True) if rows else [()] * 8
    moves = np.array(motion, dtype=np.float64).reshape(-1, 6)
    whole = {
        name: np.array(column, dtype=np.int64)
        for name, column in (
            ("types", types), ("num_points", points), ("num_top_points", top), ("difficulty", detection),
            ("tracking_difficulty", tracking),
        )
    }  # fmt: skip
    return WaymoBoxes(
        boxes=np.array(boxes, dtype=np.float64).reshape(-1, 7),
        ids=np.array(ids, dtype=np.str_),
        speed=moves[:, :3],
        acceleration=moves[:, 3:],
        **whole,
    )


def _row(span: Span) -> tuple[Any, ...]:
    values: dict[str, Any] = {}
    for name, value in fields(span, messages.LABEL, _WHERE):
        if name == "box":
            value = dict(fields(value, messages.BOX, f"{_WHERE}.box"))
        elif name == "metadata":
            value = dict(fields(value, messages.MOTION, f"{_WHERE}.metadata"))
        values[name] = value
    for name in ("box", "type"):
        if name not in values:
            raise DataError(span.source, "absent", byte=span.start, field=f"{_WHERE}.{name}", expected="that it is set")
    box = [values["box"].get(name, 0.0) for name in messages.BOX_FIELDS]
    motion = [values.get("metadata", {}).get(name, np.nan) for name in messages.MOTION_FIELDS]
    counts = [values.get(name, 0) for name in ("num_lidar_points_in_box", "num_top_lidar_points_in_box")]
    levels = [values.get(f"{task}_difficulty_level", 0) for task in ("detection", "tracking")]
    _check(span, "box", box, bool(np.isfinite(box).all()) and min(box[3:6]) >= 0, "finite numbers, no side below 0")
    _check(span, "type", values["type"], 0 <= values["type"] < len(BOX_TYPES), f"0 to {len(BOX_TYPES) - 1}")
    _check(span, "num_lidar_points_in_box", counts, min(counts) >= 0, "0 or more")
    _check(span, "difficulty_level", levels, set(levels) <= set(_LEVELS), "0, 1 or 2")
    return box, motion, values["type"], values.get("id", ""), *levels, *counts


def _check(span: Span, name: str, value: Any, right: bool, expected: str) -> None:
    if not right:
        raise DataError(span.source, f"{value}", byte=span.start, field=f"{_WHERE}.{name}", expected=expected)
