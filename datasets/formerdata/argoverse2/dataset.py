"""Argoverse 2 as a torch data set: a sample is a function of (seed, epoch, sweep) alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formerdata.argoverse2.boxes import Argoverse2Boxes
from formerdata.argoverse2.files import LogFolder
from formerdata.argoverse2.frames import Argoverse2Frame, Argoverse2Frames
from formerdata.argoverse2.schema import ANNOTATION_CATEGORIES, CATEGORIES
from formerdata.detection.augment import GlobalTranslation, RandomFlip
from formerdata.detection.augmentations import Augmentations
from formerdata.detection.cut import Range
from formerdata.detection.dataset import DetectionDataset
from formerdata.detection.object_cache import object_database
from formerdata.detection.sample import Sample
from formerdata.detection.sampling import ObjectSampling

_ONE = {
    "REGULAR_VEHICLE", "MOBILE_PEDESTRIAN_CROSSING_SIGN", "LARGE_VEHICLE", "BUS", "BOX_TRUCK", "TRUCK",
    "VEHICULAR_TRAILER", "TRUCK_CAB", "SCHOOL_BUS", "ARTICULATED_BUS",
}  # fmt: skip
PASTED = {name: 1 if name in _ONE else 2 for name in CATEGORIES}
"""How many objects of a class a scene is brought to, as LION's configuration has it."""


def argoverse2_augmentations(epochs: int | None = None) -> Augmentations:
    """LION's augmentations on Argoverse 2: pasting of objects with at least 5 points until a scene has one or two of a
    class, flips along both axes, rotation, scaling, translation.

    Args:
        epochs: In which samples are augmented; LION leaves out the last of a run.
    """
    return Augmentations(
        RandomFlip(0.5, ("y", "x")), translation=GlobalTranslation(), epochs=epochs, sampling=ObjectSampling(PASTED)
    )


@dataclass(frozen=True)
class Argoverse2Info:
    """What is known of a sweep besides its points.

    Attributes:
        log_id, timestamp: Its key; nanoseconds.
        boxes: All its annotations, as they are scored; None in a split without them.
    """

    log_id: str
    timestamp: int
    boxes: Argoverse2Boxes | None

    @property
    def frame_id(self) -> str:
        """A name for files and people."""
        return f"{self.log_id}_{self.timestamp}"


class Argoverse2Dataset(DetectionDataset):
    """Annotated sweeps of a split, for a detector.

    A point has four numbers: x, y, z in the vehicle's frame, and the intensity from 0 to 255 as it is stored. That is
    what LION's reader of this data set writes to its files and reads back, without a scale; its data configuration,
    which could name one, is not among its published files, and OpenPCDet's of the same name has none.

    Args:
        split: Folder of the split, for example ``ROOT/sensor/train``.
        class_names: Classes to detect, in label order, of ``ANNOTATION_CATEGORIES``.
        point_cloud_range: Lower (x, y, z), upper (x, y, z), m. Points are cut in x and y (in z the voxels do that); in
            training also boxes whose centre is outside.
        augmentations: For training; None for evaluation. In training boxes without a point are left out.
        seed: Of all randomness.
        labelled: Whether there must be annotations; by the split's name if None (all but ``test``).
        cache_dir: Where indexes are kept; ``SPLIT/.formerkit`` if None.
        allow_missing_frames: Use the annotated sweeps that are there, rather than refuse a split with absent ones.

    Raises:
        ValueError: On a class that Argoverse 2 does not have.
        DataError: As :class:`~formerdata.argoverse2.frames.Argoverse2Frames`.
        MissingExtraError: If pyarrow is absent.
    """

    def __init__(
        self,
        split: str | os.PathLike[str],
        class_names: Sequence[str] = CATEGORIES,
        point_cloud_range: Range = (-200.0, -200.0, -4.0, 200.0, 200.0, 4.0),
        augmentations: Augmentations | None = None,
        *,
        seed: int = 0,
        labelled: bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        allow_missing_frames: bool = False,
    ) -> None:
        if unknown := [name for name in class_names if name not in ANNOTATION_CATEGORIES]:
            raise ValueError(f"class_names: expected some of {', '.join(ANNOTATION_CATEGORIES)}, got {unknown[0]!r}")
        super().__init__(class_names, point_cloud_range, augmentations, seed)
        self.frames = Argoverse2Frames(
            split, labelled=labelled, cache_dir=cache_dir, allow_missing_frames=allow_missing_frames
        )
        folder = Path(cache_dir) if cache_dir is not None else Path(split) / ".formerkit"
        tables = [LogFolder(Path(split) / log_id).annotations for log_id in self.frames.log_ids.tolist()]
        key = f"{len(self.frames)} sweeps"
        self.database = object_database(self, folder, tables, key=key, known_classes=ANNOTATION_CATEGORIES)

    def __len__(self) -> int:
        return len(self.frames)

    def plain_sample(self, position: int) -> Sample:
        """See :class:`~formerdata.detection.DetectionDataset`; in training only boxes that have points."""
        frame: Argoverse2Frame = self.frames[position]
        boxes, labels = np.zeros((0, 7), np.float32), np.zeros(0, np.int64)
        if frame.boxes is not None:
            known = {name: label for label, name in enumerate(self.class_names, start=1)}
            labels = np.array([known.get(name, 0) for name in ANNOTATION_CATEGORIES])[frame.boxes.categories]
            wanted = (frame.boxes.num_points > 0) | (self.augmentations is None)
            boxes, labels = frame.boxes.boxes[wanted].astype(np.float32), labels[wanted]
        return Sample(frame.points, boxes, labels, Argoverse2Info(frame.log_id, frame.timestamp, frame.boxes))
