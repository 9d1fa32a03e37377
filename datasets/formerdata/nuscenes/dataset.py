"""nuScenes as a torch data set: a sample is a function of (seed, epoch, frame) alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from formerdata.detection.augment import GlobalScaling, GlobalTranslation, RandomFlip
from formerdata.detection.augmentations import Augmentations
from formerdata.detection.cut import Range
from formerdata.detection.dataset import DetectionDataset
from formerdata.detection.object_cache import object_database
from formerdata.detection.sample import Sample
from formerdata.detection.sampling import ObjectSampling
from formerdata.nuscenes.frames import NuScenesFrames
from formerdata.nuscenes.objects import boxes_in_lidar
from formerdata.nuscenes.schema import CLASS_NAMES, USED_TABLES

PASTED = {
    "car": 2, "truck": 3, "construction_vehicle": 7, "bus": 4, "trailer": 6, "barrier": 2, "motorcycle": 6,
    "bicycle": 6, "pedestrian": 2, "traffic_cone": 2,
}  # fmt: skip
"""How many objects of a class a scene is brought to."""


def nuscenes_augmentations(epochs: int | None = None) -> Augmentations:
    """LION's augmentations on nuScenes: pasting of objects with at least 5 points, flips along both axes, rotation,
    scaling 0.9 to 1.1, translation.

    Args:
        epochs: In which objects are pasted; LION leaves out the last four of a run.
    """
    return Augmentations(
        RandomFlip(0.5, ("x", "y")), scaling=GlobalScaling(0.9, 1.1), translation=GlobalTranslation(),
        sampling=ObjectSampling(PASTED, epochs=epochs),
    )  # fmt: skip


class NuScenesDataset(DetectionDataset):
    """Samples of a split for a detector: the key frame and the sweeps before it, labels with velocities.

    A point has five numbers: x, y, z in the frame of the LiDAR (x right, y ahead), intensity from 0 to 255 as it is
    stored, and its age in seconds. A box has nine: the last two are its velocity in m/s along the frame's axes, 0 where
    it is not known.

    Args:
        root: Folder of the data set; holds ``samples``, ``sweeps`` and the versions.
        split: ``train``, ``val``, ``mini_train`` ...; :mod:`formerdata.nuscenes.splits` says where the lists are from.
        version: ``v1.0-trainval``, ``v1.0-mini`` or ``v1.0-test``.
        class_names: Classes to detect, in label order, of ``CLASS_NAMES``.
        point_cloud_range: Lower (x, y, z), upper (x, y, z), m. Points are cut to it, in z too; in training also boxes
            whose centre is outside.
        augmentations: For training; None for evaluation. In training boxes without a point of the LiDAR are left out.
        sweeps: Scans in a sample: the key frame and ``sweeps - 1`` before it.
        seed: Of all randomness.
        repeat_sweeps, split_file, allow_missing_frames, cache_dir: See :class:`~formerdata.nuscenes.NuScenesFrames`.

    Raises:
        ValueError: On a class that nuScenes' detection task does not have.
        DataError: As :class:`~formerdata.nuscenes.NuScenesFrames`.
    """

    cuts_heights = True

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str,
        class_names: Sequence[str] = CLASS_NAMES,
        point_cloud_range: Range = (-54.0, -54.0, -5.0, 54.0, 54.0, 3.0),
        augmentations: Augmentations | None = None,
        *,
        version: str = "v1.0-trainval",
        sweeps: int = 10,
        seed: int = 0,
        repeat_sweeps: bool = True,
        split_file: str | os.PathLike[str] | None = None,
        allow_missing_frames: bool = False,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        if unknown := [name for name in class_names if name not in CLASS_NAMES]:
            raise ValueError(f"class_names: expected some of {', '.join(CLASS_NAMES)}, got {unknown[0]!r}")
        super().__init__(class_names, point_cloud_range, augmentations, seed)
        self.frames = NuScenesFrames(
            root, split, version, sweeps=sweeps, repeat_sweeps=repeat_sweeps, split_file=split_file,
            allow_missing_frames=allow_missing_frames, cache_dir=cache_dir,
        )  # fmt: skip
        folder = Path(cache_dir) if cache_dir is not None else Path(root) / ".formerkit"
        tables = [Path(root) / version / f"{name}.json" for name in USED_TABLES]
        key = f"{split} of {len(self.frames)}, {sweeps} sweeps, {repeat_sweeps}"
        self.database = object_database(self, folder, tables, key=key, known_classes=CLASS_NAMES)

    def __len__(self) -> int:
        return len(self.frames)

    def plain_sample(self, position: int) -> Sample:
        """See :class:`~formerdata.detection.DetectionDataset`; in training only boxes that have points."""
        info, points = self.frames.info(position), self.frames.points(position)
        boxes, labels = np.zeros((0, 9), np.float32), np.zeros(0, np.int64)
        if info.boxes is not None:
            objects = info.boxes.objects
            numbers = [
                self.class_names.index(name) + 1 if name in self.class_names else 0 for name in ("", *CLASS_NAMES)
            ]
            labels = np.array(numbers)[objects.labels]
            wanted = (objects.labels > 0) & ((objects.num_lidar_points > 0) | (self.augmentations is None))
            boxes = boxes_in_lidar(objects.select(wanted), info.global_from_lidar).astype(np.float32)
            boxes, labels = np.nan_to_num(boxes), labels[wanted]
        return Sample(points, boxes, labels, info)
