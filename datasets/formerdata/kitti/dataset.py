"""KITTI as a torch data set: a sample is a function of (seed, epoch, frame) alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from formerdata.detection.cut import Range
from formerdata.detection.dataset import DetectionDataset
from formerdata.detection.sample import Sample
from formerdata.kitti.augment import Augmentations
from formerdata.kitti.conversion import boxes_from_objects
from formerdata.kitti.database import cached_database
from formerdata.kitti.files import Layout, read_split
from formerdata.kitti.frame import Frame, in_field_of_view
from formerdata.kitti.index import cached_index
from formerkit.io import DataError


class KittiDataset(DetectionDataset):
    """Frames of a split, cut to the camera's view, augmented for training.

    Args:
        root: Folder of the official layout.
        split: Name of a list in ``ImageSets``.
        class_names: Classes to detect, in label order; other labels only keep pasted objects away.
        point_cloud_range: Lower (x, y, z), upper (x, y, z), m. Points are cut in x and y (in z the voxels do that); in
            training also boxes whose centre is outside.
        augmentations: For training; None for evaluation.
        seed: Of all randomness.
        part: ``training`` or ``testing``.
        cache_dir: Where the frame index and the object database are kept; ``root/.formerkit`` if None.
        allow_missing_frames: Use the frames of the split that are there, rather than refuse a split with absent ones.

    Raises:
        DataError: If the split is absent or malformed, names absent frames (unless allowed), or none is usable; if a
            frame's labels, calibration or plane are malformed.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str,
        class_names: Sequence[str] = ("Car", "Pedestrian", "Cyclist"),
        point_cloud_range: Range = (0.0, -40.0, -3.0, 70.4, 40.0, 1.0),
        augmentations: Augmentations | None = None,
        *,
        seed: int = 0,
        part: str = "training",
        cache_dir: str | os.PathLike[str] | None = None,
        allow_missing_frames: bool = False,
    ) -> None:
        self.layout = Layout(Path(root), part)
        super().__init__(class_names, point_cloud_range, augmentations, seed)
        self.frame_ids = usable_frames(self.layout, split, allow_missing=allow_missing_frames)
        folder = Path(cache_dir) if cache_dir is not None else self.layout.root / ".formerkit"
        self.index = cached_index(self.layout, self.frame_ids, folder)
        if augmentations is not None and augmentations.sampling is not None:
            self.database = cached_database(self.layout, self.index, folder)

    def __len__(self) -> int:
        return len(self.frame_ids)

    def plain_sample(self, position: int) -> Sample:
        """See :class:`~formerdata.detection.DetectionDataset`."""
        return sample_from_frame(self.index.read_frame(self.layout, position), self.class_names)


def sample_from_frame(frame: Frame, class_names: tuple[str, ...]) -> Sample:
    """Points in the camera's view and all labelled boxes but DontCare; labels 0 for classes that are not detected."""
    info = frame.info
    points = frame.points[in_field_of_view(frame.points, info.calibration, info.image_shape)]
    boxes, labels = np.zeros((0, 7), dtype=np.float32), np.zeros(0, dtype=np.int64)
    if info.objects is not None:
        objects = info.objects.select(info.objects.names != "DontCare")
        boxes = boxes_from_objects(objects, info.calibration)
        numbers = {name: i for i, name in enumerate(class_names, start=1)}
        labels = np.array([numbers.get(name, 0) for name in objects.names], dtype=np.int64)
    return Sample(points, boxes, labels, info)


def usable_frames(layout: Layout, split: str, *, allow_missing: bool) -> list[str]:
    """The frames of a split that are there.

    Raises:
        DataError: If the list is absent, names absent frames (unless allowed), or none is left.
    """
    path = layout.split(split)
    if not path.is_file():
        present = sorted(entry.stem for entry in path.parent.glob("*.txt")) if path.parent.is_dir() else []
        raise DataError(path, "the split list is absent", expected=f"one of: {', '.join(present) or 'no list found'}")
    listed = read_split(path)
    present_scans = {entry.stem for entry in layout.scan("x").parent.glob("*.bin")}
    here = [frame_id for frame_id in listed if frame_id in present_scans]
    if len(here) < len(listed) and not allow_missing:
        missing = [frame_id for frame_id in listed if frame_id not in present_scans]
        some = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise DataError(
            path,
            f"{len(missing)} of {len(listed)} frames have no scan in {layout.scan('x').parent} ({some})",
            expected="every listed frame (or allow_missing_frames=True to use those that are there)",
        )
    if not here:
        raise DataError(path, f"none of {len(listed)} frames has a scan in {layout.scan('x').parent}")
    return here
