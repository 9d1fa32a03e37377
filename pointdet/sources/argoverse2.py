"""Argoverse 2's sensor data set (Wilson et al., 2021): 26 classes up to 200 m, scored by mAP and CDS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from formerdata.argoverse2 import (
    ANNOTATION_CATEGORIES,
    CATEGORIES,
    Argoverse2Dataset,
    Argoverse2Info,
    Argoverse2Objects,
    LogFolder,
    argoverse2_augmentations,
    concatenate_objects,
    labels_of_sweep,
    map_file,
    objects_of_sweep,
    read_submission,
    read_sweep,
    write_submission,
)
from formerdata.detection import Augmentations, Sample
from formerdata.detection.cut import Range

from pointdet.boxes.detections import Detections
from pointdet.metrics.argoverse2 import Argoverse2Result, evaluate_argoverse2
from pointdet.metrics.argoverse2_region import RegionOfInterest
from pointdet.sources.base import Found, Score, absent, all_labelled, check_class_names, gathered


@dataclass(frozen=True)
class Argoverse2:
    """Argoverse 2's 3D detection task.

    Attributes:
        root: Folder of the splits, each with a folder a log.
        train_split, val_split: Folders in ``root``.
        class_names: Classes to detect, in label order.
        point_cloud_range: Lower (x, y, z), upper (x, y, z), m.
        augmentations: Of training samples.
        allow_missing_frames: Use the annotated sweeps that are there.
        cache_dir: Where indexes are kept; ``SPLIT/.formerkit`` if not given.
    """

    title: ClassVar[str] = "Argoverse 2"
    has_built_in: ClassVar[bool] = False
    point_features: ClassVar[int] = 4
    ground: ClassVar[float] = -0.33
    axes: ClassVar[tuple[str, str]] = ("right", "ahead")
    scan_suffixes: ClassVar[tuple[str, ...]] = (".feather",)

    root: str = "data/argoverse2"
    train_split: str = "train"
    val_split: str = "val"
    class_names: tuple[str, ...] = CATEGORIES
    point_cloud_range: Range = (-200.0, -200.0, -4.0, 200.0, 200.0, 4.0)
    augmentations: Augmentations = field(default_factory=argoverse2_augmentations)
    allow_missing_frames: bool = False
    cache_dir: str | None = None

    def __post_init__(self) -> None:
        """Raise :class:`~formerkit.io.ConfigError` for what no training can use."""
        check_class_names(self.class_names, CATEGORIES)

    @staticmethod
    def is_present(root: str) -> bool:
        """Whether a split has logs."""
        return any(Path(root).glob("*/*/sensors/lidar"))

    def built_in(self, seed: int) -> Argoverse2:
        """There are none.

        Raises:
            DataError: Always.
        """
        raise absent(self, expected="SPLIT/LOG/sensors")

    def frame_sets(self, seed: int) -> tuple[Argoverse2Dataset, Argoverse2Dataset]:
        """See :class:`~pointdet.sources.base.Source`."""
        return self._frames(self.train_split, self.augmentations, seed), self.frames(self.val_split)

    def frames(self, split: str) -> Argoverse2Dataset:
        """The annotated sweeps of a folder; of ``test`` all."""
        return self._frames(split, None, 0)

    def _frames(self, split: str, augmentations: Augmentations | None, seed: int) -> Argoverse2Dataset:
        return Argoverse2Dataset(
            Path(self.root) / split, self.class_names, self.point_cloud_range, augmentations,
            seed=seed, cache_dir=self.cache_dir, allow_missing_frames=self.allow_missing_frames,
        )  # fmt: skip

    def score(self, found: Found, folder: Path) -> Score | None:
        """By the official rules, from the official file: ``detections.feather``.

        Only boxes in the region of interest count, as on the leaderboard, if all logs have their HD maps; else all.
        """
        frames, said = gathered(found, partial(detected_objects, class_names=self.class_names))
        path = folder / "detections.feather"
        write_submission(path, concatenate_objects(said))
        if not all_labelled(frames):
            return None
        truth = concatenate_objects([labels_of_sweep(info.log_id, info.timestamp, info.boxes) for info in frames])
        region = self._region({info.log_id for info in frames})
        result = evaluate_argoverse2(truth, read_submission(path), in_region=region)
        return summary(result, with_maps=region is not None)

    def _region(self, log_ids: set[str]) -> RegionOfInterest | None:
        """Of the split that these logs are in, if each has a map."""
        for split in sorted(path for path in Path(self.root).iterdir() if path.is_dir()):
            if all(map_file(LogFolder(split / log_id)) for log_id in log_ids):
                return RegionOfInterest(split)
        return None

    def true_boxes(self, info: Argoverse2Info) -> np.ndarray | None:
        """See :class:`~pointdet.sources.base.Source`; only boxes with points."""
        if info.boxes is None:
            return None
        numbers = [ANNOTATION_CATEGORIES.index(name) for name in self.class_names]
        return info.boxes.boxes[np.isin(info.boxes.categories, numbers) & (info.boxes.num_points > 0)]

    def read_scan(self, path: Path) -> Sample:
        """A sweep's feather file alone."""
        none = np.zeros((0, 7), np.float32), np.zeros(0, np.int64)
        return Sample(read_sweep(path), *none, Argoverse2Info(path.stem, 0, None))

    def write_results(self, path: Path, info: Argoverse2Info, found: Detections) -> None:
        """A table of detections, ``.feather``."""
        write_submission(path.with_name(f"{path.name}.feather"), detected_objects(info, found, self.class_names))


def detected_objects(info: Argoverse2Info, found: Detections, class_names: Sequence[str]) -> Argoverse2Objects:
    """Detections of a sweep as the official tools take them."""
    numbers = np.array([0, *(ANNOTATION_CATEGORIES.index(name) for name in class_names)])[found.labels.numpy()]
    boxes = found.boxes.numpy().astype(np.float64)[:, :7]
    return objects_of_sweep(info.log_id, info.timestamp, boxes, numbers, found.scores.numpy())


def summary(result: Argoverse2Result, *, with_maps: bool) -> Score:
    """The mean average precision is what weights are chosen by."""
    logged = {f"{score.category}_AP": 100 * score.ap for score in result.scores}
    logged |= {f"mean_{name}": value for name, value in result.mean().items()} | {"mAP": 100 * result.main}
    best = sorted(result.scores, key=lambda score: -score.num_truth)[:5]
    lines = {"mean": "mAP"} | {score.category.lower(): f"{score.category}_AP" for score in best}
    said = "boxes in the region of interest" if with_maps else "all boxes, on and off the road: logs without HD maps"
    return Score(
        f"{result.table()}\n{said}", result.as_dict(), "mAP", 100 * result.main, logged, lines,
        "average precision, mean and of the most frequent classes, percent",
    )  # fmt: skip
