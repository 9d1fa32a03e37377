"""ONCE as a torch data set: a sample is a function of (seed, epoch, frame) alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formerdata.detection.augment import RandomFlip
from formerdata.detection.augmentations import Augmentations
from formerdata.detection.cut import Range
from formerdata.detection.dataset import DetectionDataset
from formerdata.detection.object_cache import object_database
from formerdata.detection.sample import Sample
from formerdata.detection.sampling import ObjectSampling
from formerdata.kitti.files import read_scan
from formerdata.once.boxes import CLASS_NAMES, ONCEBoxes
from formerdata.once.index import ONCEIndex, cached_index
from formerdata.once.layout import ONCELayout, split_sequences
from formerkit.io import DataError

PASTED = {"Car": 1, "Bus": 4, "Truck": 3, "Pedestrian": 2, "Cyclist": 2}
"""How many objects of a class a scene is brought to."""


def once_augmentations(epochs: int | None = None) -> Augmentations:
    """OpenPCDet's augmentations on ONCE, on whose configuration LION's is built: pasting of objects with at least 5
    points, flips along both axes, rotation, scaling.

    Args:
        epochs: In which samples are augmented; None for all.
    """
    return Augmentations(RandomFlip(0.5, ("y", "x")), epochs=epochs, sampling=ObjectSampling(PASTED))


@dataclass(frozen=True)
class ONCEInfo:
    """What is known of a frame besides its points.

    Attributes:
        sequence, frame: Its key; ``frame`` is milliseconds as text.
        boxes: All its labels, as they are scored; None if it has none.
    """

    sequence: str
    frame: str
    boxes: ONCEBoxes | None

    @property
    def frame_id(self) -> str:
        """A name for files and people."""
        return f"{self.sequence}_{self.frame}"


class ONCEDataset(DetectionDataset):
    """Labelled frames of a split, for a detector; of an unlabelled split, all frames.

    A point has four numbers: x, y, z and the intensity as it is stored. Points and boxes stay in ONCE's LiDAR frame (x
    left, y back, z up), which is what OpenPCDet's reader does, too, though its other data sets have x forward: a
    quarter turn that is the same for all frames loses nothing, but headings count from the left.

    Args:
        root: Folder with ``data`` and ``ImageSets``.
        split: ``train``, ``val``, ``test``, ``raw_small`` ...
        class_names: Classes to detect, in label order, of ``CLASS_NAMES``.
        point_cloud_range: Lower (x, y, z), upper (x, y, z), m. Points are cut in x and y (in z the voxels do that); in
            training also boxes whose centre is outside.
        augmentations: For training; None for evaluation.
        seed: Of all randomness.
        cache_dir: Where the index is kept; ``root/.formerkit`` if None.
        allow_missing_frames: Use the frames that are there, rather than refuse a split with absent ones.

    Attributes:
        unlabelled: How many frames of a labelled split are left out because nobody labelled them, or an empty list of
            boxes says that nothing was found (as OpenPCDet does).

    Raises:
        ValueError: On a class that ONCE does not have.
        DataError: If the split list or a sequence's file is absent or broken, a frame to use has no scan (unless
            allowed), or there is none.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str,
        class_names: Sequence[str] = CLASS_NAMES,
        point_cloud_range: Range = (-75.2, -75.2, -5.0, 75.2, 75.2, 3.0),
        augmentations: Augmentations | None = None,
        *,
        seed: int = 0,
        cache_dir: str | os.PathLike[str] | None = None,
        allow_missing_frames: bool = False,
    ) -> None:
        if unknown := [name for name in class_names if name not in CLASS_NAMES]:
            raise ValueError(f"class_names: expected some of {', '.join(CLASS_NAMES)}, got {unknown[0]!r}")
        self.layout, self.split = ONCELayout(Path(root)), split
        super().__init__(class_names, point_cloud_range, augmentations, seed)
        folder = Path(cache_dir) if cache_dir is not None else self.layout.root / ".formerkit"
        self.index = cached_index(self.layout, split, split_sequences(root, split), folder)
        self.rows, self.unlabelled = _usable(self.index, self.layout, split, allow_missing=allow_missing_frames)
        names = sorted({str(self.index.sequences[row]) for row in self.rows})
        key = f"{split} of {len(self.rows)}"
        self.database = object_database(
            self, folder, [self.layout.sequence(name) for name in names], key=key, known_classes=CLASS_NAMES
        )

    def __len__(self) -> int:
        return len(self.rows)

    def plain_sample(self, position: int) -> Sample:
        """See :class:`~formerdata.detection.DetectionDataset`."""
        row = int(self.rows[position])
        sequence, frame = str(self.index.sequences[row]), str(self.index.frames[row])
        points, known = read_scan(self.layout.scan(sequence, frame)), self.index.frame_boxes(row)
        boxes, labels = np.zeros((0, 7), np.float32), np.zeros(0, np.int64)
        if known is not None:
            numbers = {name: label for label, name in enumerate(self.class_names, start=1)}
            labels = np.array([numbers.get(name, 0) for name in known.names.tolist()], dtype=np.int64)
            boxes = known.boxes.astype(np.float32)
        return Sample(points, boxes, labels, ONCEInfo(sequence, frame, known))


def _usable(index: ONCEIndex, layout: ONCELayout, split: str, *, allow_missing: bool) -> tuple[np.ndarray, int]:
    """[n] rows of the frames to use, and how many are left out for want of labels."""
    filled = index.labelled & (np.diff(index.starts) > 0)
    wanted = filled if index.labelled.any() else np.ones(len(index), dtype=np.bool_)
    absent = np.flatnonzero(wanted & ~index.present)
    if len(absent) and not allow_missing:
        path = layout.scan(str(index.sequences[absent[0]]), str(index.frames[absent[0]]))
        raise DataError(
            path,
            f"the frame is listed, its scan is absent; so it is with {len(absent)} of {wanted.sum()} frames",
            expected="every listed frame (or allow_missing_frames=True to use those that are there)",
        )
    rows = np.flatnonzero(wanted & index.present)
    if not len(rows):
        raise DataError(layout.split(split), f"none of {len(index)} frames can be used", expected="at least one scan")
    return rows, int((~wanted).sum())
