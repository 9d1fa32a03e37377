"""Waymo Open Dataset (Sun et al., CVPR 2020), either release: all around the car, scored by APH."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from formerdata.detection import Augmentations, Sample
from formerdata.detection.cut import Range
from formerdata.float_rows import read_float_rows
from formerdata.waymo import (
    BOX_TYPES,
    WaymoBoxes,
    WaymoDataset,
    WaymoInfo,
    WaymoObjects,
    concatenate_objects,
    objects_of_frame,
    read_objects,
    waymo_augmentations,
    write_objects,
)
from formerdata.waymo.built_in import SegmentSettings

from formerkit.io import ConfigError
from pointdet.boxes.detections import Detections
from pointdet.metrics.waymo import WaymoResult, evaluate_waymo
from pointdet.sources.base import (
    Found,
    Score,
    all_labelled,
    check_class_names,
    check_counts,
    gathered,
    kind_of,
    series_folder,
)

SCORED = BOX_TYPES[1:]


@dataclass(frozen=True)
class Waymo:
    """Waymo's perception data set.

    Attributes:
        root: Folder of the splits, each with its component tables, or with ``.tfrecord`` files.
        train_split, val_split: Folders in ``root``.
        class_names: Classes to detect, in label order.
        point_cloud_range: Lower (x, y, z), upper (x, y, z), m.
        augmentations: Of training samples.
        interval, val_interval: Every so many frames of a segment are trained on, and validated on.
        returns: Of the laser pulses, 1 and 2.
        cache_dir: Where indexes are kept; ``SPLIT/.formerkit`` if not given.
        builtin_root: Where built-in segments are generated, a folder for each seed, number and kind of them.
        builtin_train, builtin_val: Numbers of built-in segments.
        builtin: What they are like.
    """

    title: ClassVar[str] = "Waymo"
    has_built_in: ClassVar[bool] = True
    point_features: ClassVar[int] = 5
    ground: ClassVar[float] = 0.0
    axes: ClassVar[tuple[str, str]] = ("right", "ahead")
    scan_suffixes: ClassVar[tuple[str, ...]] = (".bin",)

    root: str = "data/waymo"
    train_split: str = "training"
    val_split: str = "validation"
    class_names: tuple[str, ...] = ("Vehicle", "Pedestrian", "Cyclist")
    point_cloud_range: Range = (-75.52, -75.52, -2.0, 75.52, 75.52, 4.0)
    augmentations: Augmentations = field(default_factory=waymo_augmentations)
    interval: int = 1
    val_interval: int = 1
    returns: tuple[int, ...] = (1, 2)
    cache_dir: str | None = None
    builtin_root: str = "data/builtin_segments"
    builtin_train: int = 60
    builtin_val: int = 10
    builtin: SegmentSettings = field(default_factory=SegmentSettings)

    def __post_init__(self) -> None:
        """Raise :class:`~formerkit.io.ConfigError` for what no training can use."""
        check_class_names(self.class_names, SCORED)
        check_counts(self, "interval", "val_interval", "builtin_train", "builtin_val")
        if not self.returns or not set(self.returns) <= {1, 2}:
            raise ConfigError(f"data.returns: expected 1, 2 or both, got {list(self.returns)}")

    @staticmethod
    def is_present(root: str) -> bool:
        """Whether a split has ``lidar`` tables (v2) or records (v1)."""
        return any(Path(root).glob("*/lidar/*.parquet")) or any(Path(root).glob("*/*.tfrecord"))

    def built_in(self, seed: int) -> Waymo:
        """Generates segments in Waymo's layout."""
        from formerdata.waymo.generate import generate_waymo

        kind = kind_of(asdict(self.builtin))
        root = series_folder(self.builtin_root, seed, self.builtin_train, self.builtin_val, kind)
        generate_waymo(
            root, num_train=self.builtin_train, num_val=self.builtin_val, seed=seed, settings=self.builtin
        )  # fmt: skip
        return replace(self, root=str(root), cache_dir=None)

    def frame_sets(self, seed: int) -> tuple[WaymoDataset, WaymoDataset]:
        """See :class:`~pointdet.sources.base.Source`."""
        training = self._frames(self.train_split, self.interval, self.augmentations, seed)
        return training, self.frames(self.val_split)

    def frames(self, split: str) -> WaymoDataset:
        """The frames of a folder, every ``val_interval``-th of each segment."""
        return self._frames(split, self.val_interval, None, 0)

    def _frames(self, split: str, interval: int, augmentations: Augmentations | None, seed: int) -> WaymoDataset:
        return WaymoDataset(
            Path(self.root) / split, self.class_names, self.point_cloud_range, augmentations,
            seed=seed, interval=interval, returns=self.returns, cache_dir=self.cache_dir,
        )  # fmt: skip

    def score(self, found: Found, folder: Path) -> Score | None:
        """By the official rules, from a file of objects as the official tools read it: ``detections.bin``."""
        frames, said = gathered(found, partial(detected_objects, class_names=self.class_names))
        path = folder / "detections.bin"
        write_objects(path, concatenate_objects(said))
        if not all_labelled(frames):
            return None
        truth = concatenate_objects([labelled_objects(info, info.boxes) for info in frames])
        return summary(evaluate_waymo(truth, read_objects(path)), self.class_names)

    def true_boxes(self, info: WaymoInfo) -> np.ndarray | None:
        """See :class:`~pointdet.sources.base.Source`; only boxes with points."""
        if info.boxes is None:
            return None
        types = [BOX_TYPES.index(name) for name in self.class_names]
        return info.boxes.boxes[np.isin(info.boxes.types, types) & (info.boxes.num_points > 0)]

    def read_scan(self, path: Path) -> Sample:
        """A ``.bin`` of six numbers a point, as other toolboxes convert Waymo: x, y, z, intensity, elongation, time."""
        points = read_float_rows(path, ("x", "y", "z", "intensity", "elongation", "timestamp"))[:, :5].copy()
        np.tanh(points[:, 3:], out=points[:, 3:])
        return Sample(points, np.zeros((0, 7), np.float32), np.zeros(0, np.int64), WaymoInfo(path.stem, 0, None))

    def write_results(self, path: Path, info: WaymoInfo, found: Detections) -> None:
        """A file of objects, ``.bin``."""
        write_objects(path.with_name(f"{path.name}.bin"), detected_objects(info, found, self.class_names))


def detected_objects(info: WaymoInfo, found: Detections, class_names: tuple[str, ...]) -> WaymoObjects:
    """Detections of a frame as the official tools take them."""
    types = np.array([0, *(BOX_TYPES.index(name) for name in class_names)])[found.labels.numpy()]
    return objects_of_frame(info.segment, info.timestamp, found.boxes.numpy()[:, :7], types, found.scores.numpy())


def labelled_objects(info: WaymoInfo, labels: WaymoBoxes) -> WaymoObjects:
    """Labels of a frame."""
    return objects_of_frame(
        info.segment, info.timestamp, labels.boxes, labels.types,
        difficulty=labels.difficulty, num_points=labels.num_points, ids=labels.ids.tolist(),
    )  # fmt: skip


def summary(result: WaymoResult, class_names: tuple[str, ...]) -> Score:
    """The mean APH of the classes at level 2 is what weights are chosen by."""
    logged: dict[str, float] = {}
    for name in class_names:
        for level in (1, 2):
            score = result.score(name.upper(), level)
            logged |= {f"{name}_L{level}_AP": 100 * score.ap, f"{name}_L{level}_APH": 100 * score.aph}
    main = float(np.mean([logged[f"{name}_L2_APH"] for name in class_names]))
    lines = {name: f"{name}_L2_APH" for name in class_names}
    return Score(
        result.table(), result.as_dict(), "mean_APH_L2", main, logged, lines,
        "average precision weighted by heading (APH), level 2, percent",
    )  # fmt: skip
