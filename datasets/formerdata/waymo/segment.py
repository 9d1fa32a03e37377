"""Frames of a segment of the v2 release: points of all scanners and returns in the vehicle's frame, and labels."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from formerdata.waymo.frame import ReturnImage, Segment, WaymoFrame, check_choice, join_returns
from formerdata.waymo.index import SegmentIndex, build_index
from formerdata.waymo.layout import component_path
from formerdata.waymo.range_image import CHANNELS
from formerdata.waymo.schema import LASERS, LIDAR, LIDAR_POSE, LIDAR_SEGMENTATION, TOP, Component
from formerdata.waymo.table import Row, Table
from formerkit.io import DataError


class WaymoSegment(Segment):
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
        self.lasers, self.returns = check_choice("WaymoSegment", lasers, returns)
        self.split, self.name = Path(split), name
        self.index = build_index(split, name, labelled=labelled) if index is None else index
        self._with_segmentation = segmentation and bool((self.index.segmentation_rows >= 0).any())
        self._tables: dict[str, Table] = {}

    def __len__(self) -> int:
        return len(self.index)

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
        segmentation = self._segmentation(position)
        poses = self._pixel_poses(position) if TOP in self.lasers else None
        images = self._images(position, segmentation)
        points, lasers, returns, zones, classes = join_returns(images, index.calibration, poses, pose, self._blame)
        return WaymoFrame(
            self.name,
            int(index.timestamps[position]),
            points,
            lasers,
            returns,
            zones,
            boxes=index.frame_boxes(position),
            world_from_vehicle=pose,
            segmentation=classes if segmentation else None,
        )

    def _images(self, position: int, segmentation: dict[int, np.ndarray]) -> Iterator[ReturnImage]:
        for laser in self.lasers:
            row = self._table(LIDAR).row(int(self.index.lidar_rows[position, laser - 1]))
            for number in self.returns:
                image = _image(self._table(LIDAR), row, number, CHANNELS)
                if image is not None:
                    yield ReturnImage(laser, number, image, segmentation.get(number) if laser == TOP else None)

    def _blame(self, image: ReturnImage, part: str, problem: str, expected: str) -> DataError:
        component, part = (LIDAR_SEGMENTATION, "shape") if part == "labels" else (LIDAR, part)
        field = component.column(f"range_image_return{image.number}.{part}")
        return DataError(self._table(component).path, problem, field=field, expected=expected)

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
