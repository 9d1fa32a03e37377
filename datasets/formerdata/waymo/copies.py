"""Copies of frames' points, for training in random order: a frame within a Parquet row group costs all before it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from formerdata.waymo.frame import Segment, WaymoFrame
from formerdata.waymo.layout import component_path
from formerdata.waymo.schema import LIDAR
from formerdata.waymo.segment import WaymoSegment
from formerkit.io import DataError, atomic_write

POINTS = "points"
"""Folder of the copies within the cache folder; in it a folder a segment, a file ``TIMESTAMP.npy`` a frame."""
_COLUMNS = 8
"""x, y, z, intensity, elongation, scanner, return, in a no-label zone."""


def copy_points(segment: Segment, timestamps: np.ndarray, source: Path, folder: Path) -> None:
    """Write the copies of a segment; frames that have one newer than the images are left alone.

    Args:
        segment: Whose frames. timestamps: Of these, microseconds. source: The file of the images.
        folder: To write to.

    Raises:
        DataError: If a frame cannot be read.
    """
    for position, timestamp in enumerate(timestamps.tolist()):
        path = folder / f"{timestamp}.npy"
        if is_fresh(path, source):
            continue
        frame = segment[position]
        marks = (frame.lasers, frame.returns, frame.no_label_zone)
        rows = np.column_stack([frame.points, *(mark.astype(np.float32) for mark in marks)])
        with atomic_write(path) as file:
            np.save(file, rows)
    segment.close()


def is_fresh(path: Path, source: Path) -> bool:
    """Whether a copy is there and not older than the images."""
    return path.is_file() and path.stat().st_mtime_ns >= source.stat().st_mtime_ns


def copied_frame(segment: WaymoSegment, position: int, cache: Path) -> WaymoFrame | None:
    """A frame from its copy; None if there is none, or it is older than the images.

    Args:
        segment: Whose frame. position: Which.
        cache: Folder that :data:`POINTS` is in.

    Raises:
        DataError: If the copy is damaged.
    """
    index = segment.index
    timestamp = int(index.timestamps[position])
    path = cache / POINTS / segment.name / f"{timestamp}.npy"
    if not is_fresh(path, component_path(segment.split, LIDAR, segment.name)):
        return None
    rows = _read(path)
    wanted = np.isin(rows[:, 5], segment.lasers) & np.isin(rows[:, 6], segment.returns)
    rows = rows if wanted.all() else rows[wanted]
    return WaymoFrame(
        segment.name, timestamp, np.ascontiguousarray(rows[:, :5]), rows[:, 5].astype(np.int8),
        rows[:, 6].astype(np.int8), rows[:, 7] > 0, boxes=index.frame_boxes(position),
        world_from_vehicle=index.world_from_vehicle[position],
    )  # fmt: skip


def _read(path: Path) -> np.ndarray:
    try:
        with open(path, "rb") as file:
            rows = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(path, f"cannot be read ({error})", expected="a copy of points; remove it") from error
    if rows.ndim != 2 or rows.shape[1] != _COLUMNS or rows.dtype != np.float32:
        raise DataError(path, f"{rows.dtype} {list(rows.shape)}", expected=f"float32 [N, {_COLUMNS}]; remove it")
    found: np.ndarray = rows
    return found
