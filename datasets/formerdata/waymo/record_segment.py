"""Frames of a segment of the v1 release, from its TFRecord file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from formerdata.waymo.frame import ReturnImage, Segment, WaymoFrame, check_choice, join_returns
from formerdata.waymo.layout import is_labelled
from formerdata.waymo.range_image import LidarCalibration
from formerdata.waymo.record_frame import RecordFrame
from formerdata.waymo.records import RecordIndex, build_record_index, naming, read_frame
from formerdata.waymo.schema import LASERS, TOP
from formerdata.waymo.tfrecord import HEADER
from formerkit.io import DataError

_PARTS = {"shape": "range_image", "values": "range_image", "labels": "segmentation_label"}


class RecordSegment(Segment):
    """The frames of one file, in order of time: what :class:`~formerdata.waymo.segment.WaymoSegment` is for v2.

    A frame is read, its checksum compared, and decompressed when it is asked for; nothing of it is kept, and the file
    is open only meanwhile.

    Args:
        path: The file.
        lasers, returns, segmentation: As in :class:`~formerdata.waymo.segment.WaymoSegment`.
        labelled: Whether frames have boxes; by the name of the file's folder if None (all but ``testing``). A frame in
            which nothing is labelled has an empty table.
        index: Of the file, if it is at hand (:func:`~formerdata.waymo.records.cached_record_index`).

    Raises:
        DataError: As :func:`~formerdata.waymo.records.build_record_index`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lasers: Sequence[int] = tuple(LASERS),
        returns: Sequence[int] = (1, 2),
        labelled: bool | None = None,
        segmentation: bool = False,
        index: RecordIndex | None = None,
    ) -> None:
        self.path = Path(path)
        self.lasers, self.returns = check_choice("RecordSegment", lasers, returns)
        self.labelled = is_labelled(self.path.parent) if labelled is None else labelled
        self.index = build_record_index(path) if index is None else index
        self.name = self.index.name
        self._with_segmentation = segmentation

    def __len__(self) -> int:
        return len(self.index)

    def record(self, position: int) -> RecordFrame:
        """All that is read of a frame, as it is stored.

        Raises:
            IndexError: If there is none of that place in time.
            DataError: If its record is damaged.
        """
        if not 0 <= position < len(self):
            raise IndexError(f"frame {position} of {len(self)} in segment {self.name}")
        return read_frame(self.path, int(self.index.begins[position]), int(self.index.numbers[position]))

    def __getitem__(self, position: int) -> WaymoFrame:
        """A frame by its place in time, 0 to ``len(self) - 1``.

        Raises:
            IndexError: If there is none.
            DataError: If its record is damaged, a scanner has no images or no calibration, or images do not fit the
                calibration or one another; record and field are named.
        """
        record = self.record(position)
        with naming(self.path, int(self.index.numbers[position]), int(self.index.begins[position]) + HEADER):
            poses = self._pixel_poses(record) if TOP in self.lasers else None
            images = list(self._images(record))
            points, lasers, returns, zones, labels = join_returns(
                images, partial(self._calibration, record), poses, record.world_from_vehicle, partial(_blame, record)
            )
        return WaymoFrame(
            record.segment,
            record.timestamp,
            points,
            lasers,
            returns,
            zones,
            boxes=record.boxes if self.labelled else None,
            world_from_vehicle=record.world_from_vehicle,
            segmentation=labels if any(image.labels is not None for image in images) else None,
            zones=record.zones,
        )

    def _images(self, record: RecordFrame) -> Iterator[ReturnImage]:
        for laser in self.lasers:
            if laser not in record.packed:
                problem, expected = f"none of scanner {LASERS[laser]}", "images of each scanner that is read"
                raise DataError(self.path, problem, field="Frame.lasers", expected=expected)
            for number in self.returns:
                image = record.image(laser, number, labels=self._with_segmentation)
                if image is not None:
                    yield image

    def _pixel_poses(self, record: RecordFrame) -> np.ndarray | None:
        poses = record.pixel_poses()
        if poses is None and TOP in record.packed:
            raise record.packed[TOP].error(1, "range_image_pose_compressed", "absent", "poses of the pixels")
        return poses

    def _calibration(self, record: RecordFrame, laser: int) -> LidarCalibration:
        if laser not in record.calibrations:
            problem, expected = f"none of scanner {LASERS[laser]}", "one for each scanner that is read"
            raise DataError(self.path, problem, field="Frame.context.laser_calibrations", expected=expected)
        return record.calibrations[laser]


def _blame(record: RecordFrame, image: ReturnImage, part: str, problem: str, expected: str) -> DataError:
    return record.packed[image.laser].error(image.number, f"{_PARTS[part]}_compressed", problem, expected)
