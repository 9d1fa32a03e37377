"""KITTI (Geiger et al., 2012): 3D boxes of what the camera sees, scored by the official rules at 40 recall points."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from formerdata.detection import Sample
from formerdata.detection.cut import Range
from formerdata.kitti import (
    Calibration,
    FrameInfo,
    KittiDataset,
    Layout,
    Objects,
    boxes_from_objects,
    looks_like_kitti,
    objects_from_boxes,
    read_frame,
    read_objects,
    write_objects,
)
from formerdata.kitti.augment import Augmentations
from formerdata.kitti.dataset import sample_from_frame
from formerdata.kitti.files import DEFAULT_IMAGE_SHAPE
from formerdata.points import SUFFIXES, read_points

from formerkit.io import DataError
from pointdet.boxes.detections import Detections
from pointdet.metrics.kitti import KittiResult, evaluate
from pointdet.metrics.kitti_rules import CLASS_RULES
from pointdet.sources.base import Found, Score, all_labelled, check_class_names, check_counts, series_folder
from pointdet.visualize import KITTI_GROUND


@dataclass(frozen=True)
class KITTI:
    """KITTI's object data set.

    Attributes:
        root: KITTI in its official layout.
        train_split, val_split: Lists in ``ImageSets``.
        class_names: Classes to detect, in label order.
        point_cloud_range: Lower (x, y, z), upper (x, y, z), m.
        augmentations: Of training samples.
        cache_dir: Where the frame index and the object database are kept; ``root/.formerkit`` if not given.
        allow_missing_frames: Use the frames of a split that are there.
        builtin_root: Where built-in scenes are generated, a folder for each seed and number of them.
        builtin_train, builtin_val: Numbers of built-in scenes.
    """

    title: ClassVar[str] = "KITTI"
    has_built_in: ClassVar[bool] = True
    point_features: ClassVar[int] = 4
    ground: ClassVar[float] = KITTI_GROUND
    axes: ClassVar[tuple[str, str]] = ("right", "ahead")
    scan_suffixes: ClassVar[tuple[str, ...]] = SUFFIXES

    root: str = "data/kitti"
    train_split: str = "train"
    val_split: str = "val"
    class_names: tuple[str, ...] = ("Car", "Pedestrian", "Cyclist")
    point_cloud_range: Range = (0.0, -40.0, -3.0, 70.4, 40.0, 1.0)
    augmentations: Augmentations = field(default_factory=Augmentations)
    cache_dir: str | None = None
    allow_missing_frames: bool = False
    builtin_root: str = "data/builtin_scenes"
    builtin_train: int = 600
    builtin_val: int = 100

    def __post_init__(self) -> None:
        """Raise :class:`~formerkit.io.ConfigError` for what no training can use."""
        check_class_names(self.class_names, tuple(CLASS_RULES))
        check_counts(self, "builtin_train", "builtin_val")

    @staticmethod
    def is_present(root: str) -> bool:
        """Whether there is a folder of the official layout."""
        return looks_like_kitti(root)

    def built_in(self, seed: int) -> KITTI:
        """Generates scenes in KITTI's layout."""
        from formerdata.scenes import generate

        root = series_folder(self.builtin_root, seed, self.builtin_train, self.builtin_val)
        generate(root, num_train=self.builtin_train, num_val=self.builtin_val, seed=seed)
        return replace(self, root=str(root), cache_dir=None)

    def frame_sets(self, seed: int) -> tuple[KittiDataset, KittiDataset]:
        """See :class:`~pointdet.sources.base.Source`; every frame has a label file."""
        training = self._frames(self.train_split, self.augmentations, seed)
        validation = self._frames(self.val_split, None, seed)
        for frames in (training, validation):
            _demand_labels(frames)
        return training, validation

    def frames(self, split: str) -> KittiDataset:
        """The frames of a list in ``ImageSets``, those of ``test`` in the folder ``testing``."""
        return self._frames(split, None, 0, part="testing" if split == "test" else "training")

    def _frames(self, split: str, augmentations: Augmentations | None, seed: int, **more: Any) -> KittiDataset:
        return KittiDataset(
            self.root, split, self.class_names, self.point_cloud_range, augmentations,
            seed=seed, cache_dir=self.cache_dir, allow_missing_frames=self.allow_missing_frames, **more,
        )  # fmt: skip

    def score(self, found: Found, folder: Path) -> Score | None:
        """By result files with four decimals, as anyone else would read them."""
        frames, read = [], []
        for info, detections in found:
            self.write_results(folder / info.frame_id, info, detections)
            frames.append(info)
            read.append(read_objects(folder / f"{info.frame_id}.txt"))
        if not all_labelled(frames, "objects"):
            return None
        return summary(evaluate([info.objects for info in frames], read, self.class_names), self.class_names)

    def true_boxes(self, info: FrameInfo) -> np.ndarray | None:
        """See :class:`~pointdet.sources.base.Source`."""
        if info.objects is None:
            return None
        return boxes_from_objects(
            info.objects.select(np.isin(info.objects.names, list(self.class_names))), info.calibration
        )

    def read_scan(self, path: Path) -> Sample:
        """A scan where KITTI has it comes as in training and evaluation; any other is taken as it is."""
        return _kitti_sample(path) or _bare_sample(path)

    def write_results(self, path: Path, info: FrameInfo, found: Detections) -> None:
        """A result file, ``.txt``."""
        write_objects(path.with_name(f"{path.name}.txt"), result_objects(info, found, self.class_names))


def result_objects(info: FrameInfo, found: Detections, class_names: tuple[str, ...]) -> Objects:
    """Detections as a result file has them: in the camera's frame, with their boxes in the image."""
    names = [class_names[label - 1] for label in found.labels.tolist()]
    return objects_from_boxes(found.boxes.numpy(), found.scores.numpy(), names, info.calibration, info.image_shape)


def summary(result: KittiResult, class_names: tuple[str, ...]) -> Score:
    """The mean over classes of the 3D average precision (R40, moderate) is what weights are chosen by."""
    curves = {name: result.curve(name, "3d", "moderate") for name in class_names}
    values = result.as_dict()
    return Score(
        result.table(), values, "mean_3d_moderate", sum(curve.ap_r40 for curve in curves.values()) / len(curves),
        {_column(key): value["AP_R40"] for key, value in values.items()},
        {name: _column(curve.key) for name, curve in curves.items()},
        "3D average precision, moderate, R40, percent",
    )  # fmt: skip


def _column(key: str) -> str:
    return key.replace("@", "_")


def _kitti_sample(path: Path) -> Sample | None:
    path = path.resolve()
    if path.suffix != ".bin" or path.parent.name != "velodyne":
        return None
    layout = Layout(path.parents[2], path.parents[1].name)
    if not layout.calibration(path.stem).parent.is_dir():
        return None
    return sample_from_frame(read_frame(layout, path.stem), ())


def _bare_sample(path: Path) -> Sample:
    """A scan alone: an upright camera at the sensor stands in for the calibration."""
    projection = np.array([[720, 0, 620, 0], [0, 720, 187, 0], [0, 0, 1, 0]], dtype=np.float32)
    axes = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0]], dtype=np.float32)
    info = FrameInfo(path.stem, Calibration(projection, np.eye(3, dtype=np.float32), axes), DEFAULT_IMAGE_SHAPE, None)
    none = np.zeros((0, 7), dtype=np.float32)
    return Sample(read_points(path), none, np.zeros(0, dtype=np.int64), info)


def _demand_labels(frames: KittiDataset) -> None:
    """A frame without a label file is not one without objects: it would teach that there are none, or not be scored."""
    absent = [frame for frame, labelled in zip(frames.frame_ids, frames.index.labelled, strict=True) if not labelled]
    if absent:
        some = ", ".join(absent[:5]) + (", ..." if len(absent) > 5 else "")
        raise DataError(
            frames.layout.label(absent[0]).parent,
            f"{len(absent)} of {len(frames)} label files are absent ({some})",
            expected="one for each frame, empty where there are no objects",
        )
