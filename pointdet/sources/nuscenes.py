"""nuScenes (Caesar et al., CVPR 2020): ten classes with velocities from ten sweeps, scored by NDS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from formerdata.detection import Augmentations, Sample
from formerdata.detection.cut import Range
from formerdata.nuscenes import (
    CLASS_NAMES,
    NuScenesDataset,
    NuScenesInfo,
    NuScenesObjects,
    boxes_in_lidar,
    concatenate_objects,
    concatenate_truth,
    nuscenes_augmentations,
    objects_from_lidar,
    read_results,
    read_scan,
    write_results,
)
from formerdata.nuscenes.built_in import VERSION, SceneSettings

from pointdet.boxes.detections import Detections
from pointdet.metrics.nuscenes import NuScenesResult, evaluate_nuscenes
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


@dataclass(frozen=True)
class NuScenes:
    """nuScenes' detection task.

    Attributes:
        root: Folder of ``samples``, ``sweeps`` and the versions' tables.
        version: Folder of the tables.
        train_split, val_split: See :mod:`formerdata.nuscenes.splits`.
        class_names: Classes to detect, in label order.
        point_cloud_range: Lower (x, y, z), upper (x, y, z), m; the LiDAR's frame: x right, y ahead.
        augmentations: Of training samples.
        sweeps: Scans in a sample, the key frame and those before it.
        split_file: List of the scenes of the splits.
        cache_dir: Where indexes are kept; ``root/.formerkit`` if not given.
        builtin_root: Where built-in scenes are generated, a folder for each seed, number and kind of them.
        builtin_train, builtin_val: Numbers of built-in scenes.
        builtin: What they are like.
    """

    title: ClassVar[str] = "nuScenes"
    has_built_in: ClassVar[bool] = True
    point_features: ClassVar[int] = 5
    ground: ClassVar[float] = -1.84
    axes: ClassVar[tuple[str, str]] = ("behind", "right")
    scan_suffixes: ClassVar[tuple[str, ...]] = (".bin",)

    root: str = "data/nuscenes"
    version: str = "v1.0-trainval"
    train_split: str = "train"
    val_split: str = "val"
    class_names: tuple[str, ...] = CLASS_NAMES
    point_cloud_range: Range = (-54.0, -54.0, -5.0, 54.0, 54.0, 3.0)
    augmentations: Augmentations = field(default_factory=nuscenes_augmentations)
    sweeps: int = 10
    split_file: str | None = None
    cache_dir: str | None = None
    builtin_root: str = "data/builtin_nuscenes"
    builtin_train: int = 20
    builtin_val: int = 5
    builtin: SceneSettings = field(default_factory=SceneSettings)

    def __post_init__(self) -> None:
        """Raise :class:`~formerkit.io.ConfigError` for what no training can use."""
        check_class_names(self.class_names, CLASS_NAMES)
        check_counts(self, "sweeps", "builtin_train", "builtin_val")

    @staticmethod
    def is_present(root: str) -> bool:
        """Whether a version has tables."""
        return any(Path(root).glob("v1.0-*/sample.json"))

    def built_in(self, seed: int) -> NuScenes:
        """Generates scenes of plain boxes in nuScenes' layout."""
        from formerdata.nuscenes.built_in import generate_nuscenes

        kind = kind_of(asdict(self.builtin))
        root = series_folder(self.builtin_root, seed, self.builtin_train, self.builtin_val, kind)
        if not self.is_present(str(root)):
            generate_nuscenes(
                root, num_train=self.builtin_train, num_val=self.builtin_val, seed=seed, settings=self.builtin
            )
        return replace(
            self, root=str(root), version=VERSION, train_split="built_in_train", val_split="built_in_val",
            split_file=None, cache_dir=None,
        )  # fmt: skip

    def frame_sets(self, seed: int) -> tuple[NuScenesDataset, NuScenesDataset]:
        """See :class:`~pointdet.sources.base.Source`."""
        return self._frames(self.train_split, self.augmentations, seed), self.frames(self.val_split)

    def frames(self, split: str) -> NuScenesDataset:
        """The samples of a split."""
        return self._frames(split, None, 0)

    def _frames(self, split: str, augmentations: Augmentations | None, seed: int) -> NuScenesDataset:
        return NuScenesDataset(
            self.root, split, self.class_names, self.point_cloud_range, augmentations, version=self.version,
            sweeps=self.sweeps, seed=seed, split_file=self.split_file, cache_dir=self.cache_dir,
        )  # fmt: skip

    def score(self, found: Found, folder: Path) -> Score | None:
        """By the official rules, from the official results file: ``results_nusc.json``."""
        frames, said = gathered(found, partial(detected_objects, class_names=self.class_names))
        path = folder / "results_nusc.json"
        write_results(path, concatenate_objects(said))
        if not all_labelled(frames):
            return None
        truth = concatenate_truth([info.boxes for info in frames])
        read, _ = read_results(path, truth.sample_tokens.tolist())
        return summary(evaluate_nuscenes(truth, read), self.class_names)

    def true_boxes(self, info: NuScenesInfo) -> np.ndarray | None:
        """See :class:`~pointdet.sources.base.Source`; only boxes with points."""
        if info.boxes is None:
            return None
        objects = info.boxes.objects
        labels = [CLASS_NAMES.index(name) + 1 for name in self.class_names]
        shown = objects.select(np.isin(objects.labels, labels) & (objects.num_lidar_points > 0))
        return boxes_in_lidar(shown, info.global_from_lidar)

    def read_scan(self, path: Path) -> Sample:
        """A ``.pcd.bin`` alone, without sweeps before it: every point is of now."""
        points = read_scan(path)
        points[:, 4] = 0
        name = path.name.removesuffix(".pcd.bin")
        info = NuScenesInfo(name, name, "", 0, np.eye(4), None)
        return Sample(points, np.zeros((0, 9), np.float32), np.zeros(0, np.int64), info)

    def write_results(self, path: Path, info: NuScenesInfo, found: Detections) -> None:
        """A results file, ``.json``; of a scan without its place in the world in the LiDAR's frame."""
        write_results(path.with_name(f"{path.name}.json"), detected_objects(info, found, self.class_names))


def detected_objects(info: NuScenesInfo, found: Detections, class_names: Sequence[str]) -> NuScenesObjects:
    """Detections of a sample as the official tools take them."""
    return objects_from_lidar(
        info.sample_token, info.global_from_lidar, found.boxes.numpy(), found.scores.numpy(), found.labels.numpy(),
        class_names,
    )  # fmt: skip


def summary(result: NuScenesResult, class_names: Sequence[str]) -> Score:
    """NDS is what weights are chosen by."""
    logged = {f"{score.name}_AP": 100 * score.ap for score in result.scores}
    logged |= {"mAP": 100 * result.mean_ap, "NDS": 100 * result.nds}
    lines = {name: f"{name}_AP" for name in class_names} | {"NDS": "NDS"}
    return Score(
        result.table(), result.as_dict(), "NDS", 100 * result.nds, logged, lines,
        "average precision and NDS, percent",
    )  # fmt: skip
