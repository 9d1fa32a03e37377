"""The table of boxes, checked and sorted by frame."""

from __future__ import annotations

import os

import numpy as np

from formerdata.waymo.boxes import WaymoBoxes, empty_boxes
from formerdata.waymo.join import check_segment
from formerdata.waymo.layout import component_path
from formerdata.waymo.schema import LIDAR, LIDAR_BOX, OBJECT, TIMESTAMP
from formerdata.waymo.table import Table
from formerkit.io import DataError


def read_objects(
    split: str | os.PathLike[str], segment: str, timestamps: np.ndarray, *, labelled: bool
) -> dict[str, np.ndarray]:
    """The objects of all frames, by the names of :class:`~formerdata.waymo.boxes.WaymoBoxes`, and ``starts`` [F + 1].

    Args:
        timestamps: [F] of the frames, rising.
        labelled: Whether there are to be any.

    Raises:
        DataError: If the table is absent, damaged, of another segment, or has frames that are not among these.
    """
    if not labelled:
        return {"starts": np.zeros(len(timestamps) + 1, dtype=np.int64), **vars(empty_boxes())}
    path = component_path(split, LIDAR_BOX, segment)
    if not path.is_file():
        raise DataError(
            path, "the component table is absent", expected=f"{LIDAR_BOX.name} (labelled=False for a split without)"
        )
    with Table(path, LIDAR_BOX) as table:
        check_segment(table, segment)
        frames = table.keys(TIMESTAMP)
        strangers = np.setdiff1d(frames, timestamps)
        if len(strangers):
            raise DataError(
                path,
                f"boxes of {len(strangers)} frames that {LIDAR.folder} does not have (first {strangers[0]})",
                field=TIMESTAMP,
                expected="the frames of the other tables",
            )
        order = np.argsort(frames, kind="stable")
        starts = np.searchsorted(frames[order], timestamps)
        boxes = _read_boxes(table).select(order)
    return {"starts": np.append(starts, len(order)).astype(np.int64), **vars(boxes)}


def _read_boxes(table: Table) -> WaymoBoxes:
    parts = ["box.center.x", "box.center.y", "box.center.z", "box.size.x", "box.size.y", "box.size.z", "box.heading"]
    boxes = np.stack([table.whole(part) for part in parts], axis=1)
    if not np.isfinite(boxes).all():
        row, column = np.argwhere(~np.isfinite(boxes))[0]
        raise DataError(table.path, f"row {row} is not finite", field=parts[column], expected="finite numbers")
    speed, acceleration = (
        np.stack([table.whole(f"{name}.{axis}", absent=np.nan) for axis in "xyz"], axis=1)
        for name in ("speed", "acceleration")
    )
    return WaymoBoxes(
        boxes,
        table.whole("type"),
        table.keys(OBJECT),
        speed,
        acceleration,
        table.whole("num_lidar_points_in_box", absent=0),
        table.whole("num_top_lidar_points_in_box", absent=0),
        table.whole("difficulty_level.detection", absent=0),
        table.whole("difficulty_level.tracking", absent=0),
    )
