"""Index of a segment: which row of which table belongs to which frame, and all that is small, checked once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formerdata.cache import cached
from formerdata.waymo.boxes import WaymoBoxes
from formerdata.waymo.join import align, check_segment, only_row, transforms
from formerdata.waymo.labels import read_objects
from formerdata.waymo.layout import CACHE, component_path, is_labelled
from formerdata.waymo.range_image import LidarCalibration
from formerdata.waymo.schema import (
    COMPONENTS,
    LASER,
    LASERS,
    LIDAR,
    LIDAR_CALIBRATION,
    LIDAR_POSE,
    LIDAR_SEGMENTATION,
    TIMESTAMP,
    TOP,
    VEHICLE_POSE,
)
from formerdata.waymo.table import Table
from formerkit.io import DataError


@dataclass(frozen=True)
class SegmentIndex:
    """All of a segment but its images. F frames in the order of time, M objects in all, five scanners.

    Attributes:
        timestamps: [F] int64, microseconds.
        world_from_vehicle: [F, 4, 4] float64.
        lidar_rows: [F, 5] int64, rows of the ``lidar`` table, by scanner.
        row_groups: [F, 5] int64, the row groups of these rows.
        pose_rows: [F] int64, rows of the ``lidar_pose`` table.
        segmentation_rows: [F] int64, rows of the ``lidar_segmentation`` table, -1 where there is none.
        extrinsics: [5, 4, 4] float64, vehicle from scanner.
        inclination_bounds: [5, 2] float64 rad.
        inclinations: float64 rad, all scanners' one after the other; inclination_starts: [6] int64.
        labelled: Whether the split has boxes.
        starts: [F + 1] int64, where each frame's objects begin.
        boxes, types, ids, speed, acceleration, num_points, num_top_points, difficulty, tracking_difficulty: [M, ...],
            see :class:`~formerdata.waymo.boxes.WaymoBoxes`.
    """

    timestamps: np.ndarray
    world_from_vehicle: np.ndarray
    lidar_rows: np.ndarray
    row_groups: np.ndarray
    pose_rows: np.ndarray
    segmentation_rows: np.ndarray
    extrinsics: np.ndarray
    inclination_bounds: np.ndarray
    inclinations: np.ndarray
    inclination_starts: np.ndarray
    labelled: np.ndarray
    starts: np.ndarray
    boxes: np.ndarray
    types: np.ndarray
    ids: np.ndarray
    speed: np.ndarray
    acceleration: np.ndarray
    num_points: np.ndarray
    num_top_points: np.ndarray
    difficulty: np.ndarray
    tracking_difficulty: np.ndarray

    def __len__(self) -> int:
        return len(self.timestamps)

    def calibration(self, laser: int) -> LidarCalibration:
        """Of scanner 1 to 5."""
        i = laser - 1
        listed = self.inclinations[self.inclination_starts[i] : self.inclination_starts[i + 1]]
        lowest, highest = (float(bound) for bound in self.inclination_bounds[i])
        return LidarCalibration(self.extrinsics[i], listed if len(listed) else None, lowest, highest)

    def frame_boxes(self, position: int) -> WaymoBoxes | None:
        """The labels of a frame; None in a split without labels."""
        if not self.labelled:
            return None
        names = WaymoBoxes.__dataclass_fields__
        rows = slice(int(self.starts[position]), int(self.starts[position + 1]))
        return WaymoBoxes(**{name: getattr(self, name) for name in names}).select(rows)


def build_index(split: str | os.PathLike[str], segment: str, *, labelled: bool | None = None) -> SegmentIndex:
    """Read keys, poses, calibrations and boxes of a segment, and check that the tables fit together.

    Args:
        split: Folder of the split.
        segment: Context name.
        labelled: Whether there must be boxes; by the split's name if None (all but ``testing``).

    Raises:
        DataError: If a table is absent, damaged, lacks a column, is of another segment, has a key twice, or lacks a
            frame or scanner that another has; if there is no frame.
        MissingExtraError: If pyarrow is absent.
    """
    labelled = is_labelled(split) if labelled is None else labelled
    with Table(component_path(split, LIDAR, segment), LIDAR) as lidar:
        timestamps, lidar_rows = _lidar_rows(lidar, segment)
        row_groups = np.searchsorted(lidar.group_starts, lidar_rows, side="right") - 1
    with Table(component_path(split, VEHICLE_POSE, segment), VEHICLE_POSE) as table:
        check_segment(table, segment)
        order = align(table, timestamps, np.arange(len(table)), "lidar")
        poses = transforms(table, "world_from_vehicle.transform")[order]
    with Table(component_path(split, LIDAR_POSE, segment), LIDAR_POSE) as table:
        check_segment(table, segment)
        pose_rows = align(table, timestamps, np.flatnonzero(table.keys(LASER) == TOP), "lidar")
    with Table(component_path(split, LIDAR_CALIBRATION, segment), LIDAR_CALIBRATION) as table:
        check_segment(table, segment)
        calibration = _calibration(table)
    return SegmentIndex(
        timestamps=timestamps,
        world_from_vehicle=poses,
        lidar_rows=lidar_rows,
        row_groups=row_groups,
        pose_rows=pose_rows,
        segmentation_rows=_segmentation_rows(split, segment, timestamps),
        **calibration,
        labelled=np.array(labelled),
        **read_objects(split, segment, timestamps, labelled=labelled),
    )


def cached_index(
    split: str | os.PathLike[str],
    segment: str,
    *,
    labelled: bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> SegmentIndex:
    """The index of a segment, built once and kept (``.npz`` without pickles); a change of a file builds it anew.

    Args:
        cache_dir: Where it is kept; ``SPLIT/.formerkit`` if None.

    Raises:
        DataError: As :func:`build_index`; also if the folder cannot be written.
    """
    labelled = is_labelled(split) if labelled is None else labelled
    folder = Path(cache_dir) if cache_dir is not None else Path(split) / CACHE
    sources = [component_path(split, component, segment) for component in COMPONENTS]
    name = segment if labelled else f"{segment}_unlabelled"
    return cached(folder, name, sources, SegmentIndex, lambda: build_index(split, segment, labelled=labelled))


def _lidar_rows(lidar: Table, segment: str) -> tuple[np.ndarray, np.ndarray]:
    check_segment(lidar, segment)
    if not len(lidar):
        raise DataError(lidar.path, "no rows", expected="frames")
    frames, lasers = lidar.keys(TIMESTAMP), lidar.keys(LASER)
    timestamps = np.unique(frames)
    rows = [align(lidar, timestamps, np.flatnonzero(lasers == n), "lidar", of=LASERS[n]) for n in LASERS]
    return timestamps, np.stack(rows, axis=1)


def _calibration(table: Table) -> dict[str, np.ndarray]:
    lasers = table.keys(LASER)
    rows = [only_row(table, np.flatnonzero(lasers == number), LASERS[number]) for number in LASERS]
    cells = [table.row(row)["beam_inclination.values"] for row in rows]
    listed = [np.zeros(0) if cell is None else np.asarray(cell, dtype=np.float64) for cell in cells]
    bounds = [table.whole(f"beam_inclination.{side}")[rows] for side in ("min", "max")]
    return {
        "extrinsics": transforms(table, "extrinsic.transform")[rows],
        "inclination_bounds": np.stack(bounds, axis=1),
        "inclinations": np.concatenate(listed),
        "inclination_starts": np.concatenate([[0], np.cumsum([len(each) for each in listed])]).astype(np.int64),
    }


def _segmentation_rows(split: str | os.PathLike[str], segment: str, timestamps: np.ndarray) -> np.ndarray:
    rows = np.full(len(timestamps), -1, dtype=np.int64)
    path = component_path(split, LIDAR_SEGMENTATION, segment)
    if path.is_file():
        with Table(path, LIDAR_SEGMENTATION) as table:
            check_segment(table, segment)
            top = np.flatnonzero(table.keys(LASER) == TOP)
            found = align(table, timestamps, top, "lidar", partial=True)
            rows[:] = found
    return rows
