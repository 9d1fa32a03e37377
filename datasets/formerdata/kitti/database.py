"""KITTI's database of objects to paste: the labelled objects of the training frames, with their difficulty."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from formerdata.detection.object_builder import LabelledFrame
from formerdata.detection.object_cache import cached_objects
from formerdata.detection.objects import ObjectDatabase
from formerdata.kitti.conversion import boxes_from_objects
from formerdata.kitti.files import Layout
from formerdata.kitti.index import FrameIndex
from formerdata.kitti.objects import Objects


def difficulty(objects: Objects) -> np.ndarray:
    """[M] KITTI's difficulty: 0 easy, 1 moderate, 2 hard, -1 beyond.

    As the reference builds its database: the height of the 2D box counts its last pixel (+1), limits inclusive.
    """
    height = objects.bbox[:, 3] - objects.bbox[:, 1] + 1
    level = np.full(len(objects), -1, dtype=np.int64)
    for value, (least, truncated, occluded) in enumerate(((40, 0.15, 0), (25, 0.3, 1), (25, 0.5, 2))):
        fits = (height >= least) & (objects.truncated <= truncated) & (objects.occluded <= occluded)
        level[(level < 0) & fits] = value
    return level


class LabelledFrames:
    """Whole scans, not cut to the camera's view, with all objects but DontCare."""

    def __init__(self, layout: Layout, index: FrameIndex) -> None:
        self.layout, self.index = layout, index

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, position: int) -> LabelledFrame:
        frame = self.index.read_frame(self.layout, position)
        objects = frame.info.objects
        if objects is None:
            boxes, none = np.zeros((0, 7), np.float32), np.zeros(0, np.int64)
            return LabelledFrame(frame.points, boxes, [], frame.info.frame_id, none)
        objects = objects.select(objects.names != "DontCare")
        boxes = boxes_from_objects(objects, frame.info.calibration)
        return LabelledFrame(frame.points, boxes, objects.names, frame.info.frame_id, difficulty(objects))


def cached_database(layout: Layout, index: FrameIndex, folder: Path) -> ObjectDatabase:
    """The object database of the frames, built once; a change of the frames' files builds it anew."""
    paths = (layout.scan, layout.label, layout.calibration)
    sources = (path_of(frame_id) for frame_id in index.frame_ids for path_of in paths)
    return cached_objects(folder, LabelledFrames(layout, index), sources, min_points=0)
