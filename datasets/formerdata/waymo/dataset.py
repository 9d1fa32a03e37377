"""Waymo as a torch data set: a sample is a function of (seed, epoch, frame) alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formerdata.detection.augment import GlobalTranslation, RandomFlip
from formerdata.detection.augmentations import Augmentations
from formerdata.detection.cut import Range
from formerdata.detection.dataset import DetectionDataset
from formerdata.detection.object_cache import object_database
from formerdata.detection.sample import Sample
from formerdata.detection.sampling import ObjectSampling
from formerdata.waymo.boxes import WaymoBoxes
from formerdata.waymo.frame import WaymoFrame
from formerdata.waymo.frames import WaymoFrames
from formerdata.waymo.index import CACHE
from formerdata.waymo.schema import BOX_TYPES

CLASS_NAMES = ("Vehicle", "Pedestrian", "Cyclist")
"""What detectors are trained for; signs are labelled, too."""


def waymo_augmentations(epochs: int | None = None) -> Augmentations:
    """LION's augmentations on Waymo: pasting of objects, flips along both axes, rotation, scaling, translation.

    Vehicles with at least 5 points, pedestrians and cyclists with at least 10 are pasted until a scene has 15, 10 and
    10 of them.

    Args:
        epochs: In which samples are augmented; LION leaves out the last of a run.
    """
    sampling = ObjectSampling(
        {"Vehicle": 15, "Pedestrian": 10, "Cyclist": 10}, {"Vehicle": 5, "Pedestrian": 10, "Cyclist": 10}
    )
    return Augmentations(RandomFlip(0.5, ("y", "x")), translation=GlobalTranslation(), epochs=epochs, sampling=sampling)


@dataclass(frozen=True)
class WaymoInfo:
    """What is known of a frame besides its points.

    Attributes:
        segment, timestamp: Its key.
        boxes: All its labels, as they are scored; None in a split without them.
    """

    segment: str
    timestamp: int
    boxes: WaymoBoxes | None

    @property
    def frame_id(self) -> str:
        """A name for files and people."""
        return f"{self.segment}_{self.timestamp}"


class WaymoDataset(DetectionDataset):
    """Frames of a split, all scanners, for a detector.

    A point has five numbers: x, y, z in the vehicle's frame, and the hyperbolic tangents of intensity and elongation,
    which have no upper limit (as LION's and OpenPCDet's configurations have it). Points of no-label zones are kept.

    Args:
        split: Folder of the split, for example ``ROOT/training``.
        class_names: Classes to detect, in label order, of ``BOX_TYPES``.
        point_cloud_range: Lower (x, y, z), upper (x, y, z), m. Points are cut in x and y (in z the voxels do that); in
            training also boxes whose centre is outside.
        augmentations: For training; None for evaluation. In training boxes without a point are left out; those of
            types that are not detected (signs) keep pasted objects away, as in the reference.
        seed: Of all randomness.
        interval: Every so many frames of a segment; 5 in LION's published configuration.
        returns: Of the laser pulses.
        cache_dir: Where indexes and the object database are kept; ``SPLIT/.formerkit`` if None. The database is of the
            frames that ``interval`` chooses and has points as samples have them, after the hyperbolic tangent.

    Raises:
        ValueError: On a class that Waymo does not have.
        DataError: If a segment is broken, or there is none.
        MissingExtraError: If pyarrow is absent.
    """

    def __init__(
        self,
        split: str | os.PathLike[str],
        class_names: Sequence[str] = CLASS_NAMES,
        point_cloud_range: Range = (-75.52, -75.52, -2.0, 75.52, 75.52, 4.0),
        augmentations: Augmentations | None = None,
        *,
        seed: int = 0,
        interval: int = 1,
        returns: Sequence[int] = (1, 2),
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        if unknown := [name for name in class_names if name not in BOX_TYPES[1:]]:
            raise ValueError(f"class_names: expected some of {', '.join(BOX_TYPES[1:])}, got {unknown[0]!r}")
        super().__init__(class_names, point_cloud_range, augmentations, seed)
        self.frames = WaymoFrames(split, interval=interval, returns=returns, cache_dir=cache_dir)
        folder = Path(cache_dir) if cache_dir is not None else Path(split) / CACHE
        key = f"interval {interval}, returns {sorted(returns)}"
        self.database = object_database(self, folder, self.frames.files(), key=key, known_classes=BOX_TYPES[1:])

    def __len__(self) -> int:
        return len(self.frames)

    def plain_sample(self, position: int) -> Sample:
        """A whole frame: for evaluation its boxes of the classes to detect, for training all that have points.

        Labels are 0 for types that are not detected.
        """
        frame: WaymoFrame = self.frames[position]
        points = frame.points.copy()
        np.tanh(points[:, 3:], out=points[:, 3:])
        boxes, labels = np.zeros((0, 7), np.float32), np.zeros(0, np.int64)
        if frame.boxes is not None:
            numbers = [self.class_names.index(name) + 1 if name in self.class_names else 0 for name in BOX_TYPES]
            labels = np.array(numbers)[frame.boxes.types]
            training = (frame.boxes.num_points > 0) & (frame.boxes.types > 0)  # type 0 is unknown
            wanted = labels > 0 if self.augmentations is None else training
            boxes, labels = frame.boxes.boxes[wanted].astype(np.float32), labels[wanted]
        return Sample(points, boxes, labels, WaymoInfo(frame.segment, frame.timestamp, frame.boxes))
