"""Frames of a segment: the points of all scanners and returns in the vehicle's frame, and the labels."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from formerdata.waymo.boxes import WaymoBoxes
from formerdata.waymo.index import SegmentIndex, build_index
from formerdata.waymo.layout import component_path
from formerdata.waymo.range_image import CHANNELS, range_image_points
from formerdata.waymo.schema import LASERS, LIDAR, LIDAR_POSE, LIDAR_SEGMENTATION, TOP, Component
from formerdata.waymo.table import Row, Table
from formerkit.io import DataError


@dataclass(frozen=True)
class WaymoFrame:
    """A frame as its tables say. N points; the order is scanner, return, row and column of the range image.

    Attributes:
        segment: Context name.
        timestamp: Microseconds; with the segment the key of the frame.
        points: [N, 5] float32 x, y, z (m) in the vehicle's frame (x forward, y left, z up, the ground near 0) at the
            time of the frame; intensity and elongation as they are stored.
        lasers: [N] int8, number of the scanner (:data:`~formerdata.waymo.schema.LASERS`).
        returns: [N] int8, 1 or 2.
        no_label_zone: [N] bool, whether a point lies where nothing was labelled. (The v2 release has no polygons of
            the zones, only this flag.)
        boxes: Labels; None in a split without them.
        world_from_vehicle: [4, 4] float64.
        segmentation: [N, 2] int32 instance and class of each point, 0 where there is none; None if the frame has no
            such labels or they were not asked for.
    """

    segment: str
    timestamp: int
    points: np.ndarray
    lasers: np.ndarray
    returns: np.ndarray
    no_label_zone: np.ndarray
    boxes: WaymoBoxes | None
    world_from_vehicle: np.ndarray
    segmentation: np.ndarray | None = None


class WaymoSegment:
    """The frames of one segment, in order of time. Close it, or use it as a context.

    Only the images of the frame at hand are in memory: rows are decoded one by one. Reading frames in order decodes
    each row once; reading them in any order costs, for each, what comes before it in its row group.

    Args:
        split: Folder of the split, for example ``ROOT/training``.
        name: Context name.
        lasers: Scanners to read, 1 to 5.
        returns: Returns to read, of 1 and 2.
        labelled: Whether there must be boxes; by the split's name if None (all but ``testing``).
        segmentation: Read the labels of points too, where a frame has them.
        index: Of the segment, if it is at hand (:func:`~formerdata.waymo.index.cached_index`).

    Raises:
        DataError: If the tables do not fit together, see :func:`~formerdata.waymo.index.build_index`.
        MissingExtraError: If pyarrow is absent.
    """

    def __init__(
        self,
        split: str | os.PathLike[str],
        name: str,
        *,
        lasers: Sequence[int] = tuple(LASERS),
        returns: Sequence[int] = (1, 2),
        labelled: bool | None = None,
        segmentation: bool = False,
        index: SegmentIndex | None = None,
    ) -> None:
        for field, chosen, known in (("lasers", lasers, tuple(LASERS)), ("returns", returns, (1, 2))):
            if not chosen or not set(chosen) <= set(known):
                raise ValueError(f"WaymoSegment.{field}: expected some of {known}, got {tuple(chosen)}")
        self.split, self.name = Path(split), name
        self.lasers, self.returns = tuple(sorted(lasers)), tuple(sorted(returns))
        self.index = build_index(split, name, labelled=labelled) if index is None else index
        self._with_segmentation = segmentation and bool((self.index.segmentation_rows >= 0).any())
        self._tables: dict[str, Table] = {}

    def __len__(self) -> int:
        return len(self.index)

    def __enter__(self) -> WaymoSegment:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[WaymoFrame]:
        for position in range(len(self)):
            yield self[position]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_tables": {}}  # open files do not go to another process

    def close(self) -> None:
        """Close the tables; they are opened again when they are needed."""
        for table in self._tables.values():
            table.close()
        self._tables = {}

    def __getitem__(self, position: int) -> WaymoFrame:
        """A frame by its place in time, 0 to ``len(self) - 1``.

        Raises:
            IndexError: If there is none.
            DataError: If its rows are damaged, or images do not fit the calibration or one another.
        """
        if not 0 <= position < len(self):
            raise IndexError(f"frame {position} of {len(self)} in segment {self.name}")
        index = self.index
        pose = index.world_from_vehicle[position]
        vehicle_from_world = np.linalg.inv(pose)
        segmentation = self._segmentation(position)
        parts = []
        for laser in self.lasers:
            row = self._table(LIDAR).row(int(index.lidar_rows[position, laser - 1]))
            poses = self._pixel_poses(position) if laser == TOP else None
            for number in self.returns:
                image = _image(self._table(LIDAR), row, number, CHANNELS)
                if image is None:
                    continue
                labels = segmentation.get(number) if laser == TOP else None
                parts.append(self._points(image, laser, number, poses, vehicle_from_world, labels))
        empty = (np.zeros((0, 5), np.float32), np.zeros(0, np.int8), np.zeros(0, np.int8), np.zeros(0, bool))
        points, own, numbers, zones, classes = (
            np.concatenate(each) for each in zip((*empty, np.zeros((0, 2), np.int32)), *parts, strict=True)
        )
        return WaymoFrame(
            self.name,
            int(index.timestamps[position]),
            points,
            own,
            numbers,
            zones,
            boxes=index.frame_boxes(position),
            world_from_vehicle=pose,
            segmentation=classes if segmentation else None,
        )

    def _points(
        self,
        image: np.ndarray,
        laser: int,
        number: int,
        poses: np.ndarray | None,
        vehicle_from_world: np.ndarray,
        labels: np.ndarray | None,
    ) -> tuple[np.ndarray, ...]:
        table, where = self._table(LIDAR), f"scanner {LASERS[laser]}, return {number}"
        try:
            points, pixels = range_image_points(image, self.index.calibration(laser), poses, vehicle_from_world)
        except ValueError as error:
            field = LIDAR.column(f"range_image_return{number}.shape")
            expected = f"images of one size, as calibration and poses have it ({where})"
            raise DataError(table.path, str(error), field=field, expected=expected) from None
        if not np.isfinite(points).all():
            field = LIDAR.column(f"range_image_return{number}.values")
            raise DataError(table.path, f"a point of {where} is not finite", field=field, expected="finite numbers")
        zones = image.reshape(-1, CHANNELS)[pixels, 3] > 0
        classes = np.zeros((len(points), 2), np.int32)
        if labels is not None:
            if labels.shape[:2] != image.shape[:2]:
                path, size = self._table(LIDAR_SEGMENTATION).path, list(labels.shape)
                field = LIDAR_SEGMENTATION.column(f"range_image_return{number}.shape")
                raise DataError(path, f"an image of {size}", field=field, expected=f"{list(image.shape[:2])}, 2")
            classes = labels.reshape(-1, 2)[pixels].astype(np.int32)
        marks = (np.full(len(points), mark, np.int8) for mark in (laser, number))
        return points, *marks, zones, classes

    def _pixel_poses(self, position: int) -> np.ndarray:
        table = self._table(LIDAR_POSE)
        image = _image(table, table.row(int(self.index.pose_rows[position])), 1, 6)
        if image is None:
            field = LIDAR_POSE.column("range_image_return1.values")
            raise DataError(table.path, "no poses for a frame", field=field, expected="an image [H, W, 6]")
        return image

    def _segmentation(self, position: int) -> dict[int, np.ndarray]:
        row = int(self.index.segmentation_rows[position])
        if not self._with_segmentation or row < 0:
            return {}
        table = self._table(LIDAR_SEGMENTATION)
        cells = table.row(row)
        images = {number: _image(table, cells, number, 2) for number in self.returns}
        return {number: image for number, image in images.items() if image is not None}

    def _table(self, component: Component) -> Table:
        if component.folder not in self._tables:
            self._tables[component.folder] = Table(component_path(self.split, component, self.name), component)
        return self._tables[component.folder]


def _image(table: Table, row: Row, number: int, channels: int) -> np.ndarray | None:
    """[H, W, channels] of a return; None if the row has none."""
    values, shape = row[f"range_image_return{number}.values"], row[f"range_image_return{number}.shape"]
    if values is None or shape is None:
        return None
    size = shape.tolist()
    if len(size) != 3 or size[2] != channels or min(size) < 0 or np.prod(size) != len(values):
        field = table.component.column(f"range_image_return{number}.shape")
        expected = f"[H, W, {channels}] with H * W * {channels} values"
        raise DataError(table.path, f"shape {size} for {len(values)} values", field=field, expected=expected)
    return values.reshape(size)
