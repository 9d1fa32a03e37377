"""Ground-truth database: the labelled objects of the training frames with their points, to paste into other frames."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formerdata.boxes import points_in_boxes
from formerdata.kitti.cache import cached
from formerdata.kitti.conversion import boxes_from_objects
from formerdata.kitti.files import Layout
from formerdata.kitti.frame import Frame
from formerdata.kitti.index import FrameIndex
from formerdata.kitti.objects import Objects
from formerdata.progress import progress_bar


@dataclass(frozen=True)
class ObjectDatabase:
    """Objects of all classes but DontCare.

    Attributes:
        names: [M] str. boxes: [M, 7] float32, LiDAR frame. difficulty: [M] int64: 0, 1, 2, or -1.
        frame_ids: [M] str, where each comes from.
        points: [P, 4] float32 of all objects one after another, xyz relative to the box's centre.
        starts: [M + 1] int64, where each object's points begin.
    """

    names: np.ndarray
    boxes: np.ndarray
    difficulty: np.ndarray
    frame_ids: np.ndarray
    points: np.ndarray
    starts: np.ndarray

    def object_points(self, index: int) -> np.ndarray:
        """[K, 4] points of one object, relative to its centre."""
        return self.points[self.starts[index] : self.starts[index + 1]]

    def usable(self, name: str, min_points: int) -> np.ndarray:
        """Indices of the objects of a class with enough points and a difficulty."""
        enough = np.diff(self.starts) >= min_points
        return np.flatnonzero((self.names == name) & enough & (self.difficulty >= 0))


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


def build_database(layout: Layout, index: FrameIndex, *, progress: bool = True) -> ObjectDatabase:
    """Cut the labelled objects out of the frames' whole scans."""
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        found = pool.map(lambda position: _cut(index.read_frame(layout, position)), range(len(index)))
        pieces = list(progress_bar(found, len(index), "cutting out objects", "frame", show=progress))
    counts = np.array([len(points) for piece in pieces for points in piece[4]], dtype=np.int64)
    clouds = [points for piece in pieces for points in piece[4]]
    return ObjectDatabase(
        names=np.concatenate([piece[0] for piece in pieces]),
        boxes=np.concatenate([piece[1] for piece in pieces]),
        difficulty=np.concatenate([piece[2] for piece in pieces]),
        frame_ids=np.concatenate([piece[3] for piece in pieces]),
        points=np.concatenate(clouds) if clouds else np.zeros((0, 4), dtype=np.float32),
        starts=np.concatenate([[0], counts.cumsum()]).astype(np.int64),
    )


def _cut(frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]:
    objects = frame.info.objects
    if objects is None or len(objects) == 0:
        none = np.zeros(0, dtype="<U16")
        return none, np.zeros((0, 7), np.float32), np.zeros(0, np.int64), none, []
    objects = objects.select(objects.names != "DontCare")
    boxes = boxes_from_objects(objects, frame.info.calibration)
    clouds = []
    for inside, box in zip(points_in_boxes(frame.points, boxes), boxes, strict=True):
        cloud = frame.points[inside].copy()
        cloud[:, :3] -= box[:3]
        clouds.append(cloud)
    frame_ids = np.full(len(objects), frame.info.frame_id, dtype="<U16")
    return objects.names.astype("<U16"), boxes, difficulty(objects), frame_ids, clouds


def cached_database(layout: Layout, index: FrameIndex, folder: Path) -> ObjectDatabase:
    """The object database of the frames, built once; a change of the frames' files builds it anew."""
    paths = (layout.scan, layout.label, layout.calibration)
    sources = (path_of(frame_id) for frame_id in index.frame_ids for path_of in paths)
    return cached(folder, "objects", sources, ObjectDatabase, lambda: build_database(layout, index))
