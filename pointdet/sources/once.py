"""ONCE (Mao et al., 2021): five classes, scored by average precision with orientation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from formerdata.detection import Augmentations, Sample
from formerdata.detection.cut import Range
from formerdata.kitti.files import read_scan
from formerdata.once import CLASS_NAMES, ONCEBoxes, ONCEDataset, ONCEInfo, once_augmentations

from pointdet.boxes.detections import Detections
from pointdet.metrics.once import ONCEResult, evaluate_once
from pointdet.sources.base import Found, Score, absent, all_labelled, check_class_names, gathered, write_json


@dataclass(frozen=True)
class ONCE:
    """ONCE's 3D detection task.

    Attributes:
        root: Folder of ``data`` and ``ImageSets``.
        train_split, val_split: Lists in ``ImageSets``.
        class_names: Classes to detect, in label order.
        point_cloud_range: Lower (x, y, z), upper (x, y, z), m; the LiDAR's frame: x left, y back.
        augmentations: Of training samples.
        allow_missing_frames: Use the frames of a split that are there.
        cache_dir: Where indexes are kept; ``root/.formerkit`` if not given.
    """

    title: ClassVar[str] = "ONCE"
    has_built_in: ClassVar[bool] = False
    point_features: ClassVar[int] = 4
    ground: ClassVar[float] = -1.8
    axes: ClassVar[tuple[str, str]] = ("ahead", "left")
    scan_suffixes: ClassVar[tuple[str, ...]] = (".bin",)

    root: str = "data/once"
    train_split: str = "train"
    val_split: str = "val"
    class_names: tuple[str, ...] = CLASS_NAMES
    point_cloud_range: Range = (-75.2, -75.2, -5.0, 75.2, 75.2, 3.0)
    augmentations: Augmentations = field(default_factory=once_augmentations)
    allow_missing_frames: bool = False
    cache_dir: str | None = None

    def __post_init__(self) -> None:
        """Raise :class:`~formerkit.io.ConfigError` for what no training can use."""
        check_class_names(self.class_names, CLASS_NAMES)

    @staticmethod
    def is_present(root: str) -> bool:
        """Whether there are sequences and lists of them."""
        return (Path(root) / "data").is_dir() and (Path(root) / "ImageSets").is_dir()

    def built_in(self, seed: int) -> ONCE:
        """There are none.

        Raises:
            DataError: Always.
        """
        raise absent(self, expected="data and ImageSets")

    def frame_sets(self, seed: int) -> tuple[ONCEDataset, ONCEDataset]:
        """See :class:`~pointdet.sources.base.Source`."""
        return self._frames(self.train_split, self.augmentations, seed), self.frames(self.val_split)

    def frames(self, split: str) -> ONCEDataset:
        """The labelled frames of a list, or all of an unlabelled one."""
        return self._frames(split, None, 0)

    def _frames(self, split: str, augmentations: Augmentations | None, seed: int) -> ONCEDataset:
        return ONCEDataset(
            self.root, split, self.class_names, self.point_cloud_range, augmentations,
            seed=seed, cache_dir=self.cache_dir, allow_missing_frames=self.allow_missing_frames,
        )  # fmt: skip

    def score(self, found: Found, folder: Path) -> Score | None:
        """By the official rules; what was found is written as ``results.json``, a list of frames.

        The kit takes a pickle of the same content, which is not written here.
        """
        frames, said = gathered(found, lambda _, detections: detected_boxes(detections, self.class_names))
        content = [
            {"sequence": info.sequence, "frame_id": info.frame, **_plain(objects)}
            for info, objects in zip(frames, said, strict=True)
        ]
        write_json(folder / "results.json", content)
        if not all_labelled(frames):
            return None
        names = [info.frame_id for info in frames]
        truth = {name: info.boxes for name, info in zip(names, frames, strict=True)}
        return summary(evaluate_once(truth, dict(zip(names, said, strict=True))))

    def true_boxes(self, info: ONCEInfo) -> np.ndarray | None:
        """See :class:`~pointdet.sources.base.Source`."""
        if info.boxes is None:
            return None
        return info.boxes.boxes[np.isin(info.boxes.names, self.class_names)]

    def read_scan(self, path: Path) -> Sample:
        """A ``.bin`` of four numbers a point."""
        none = np.zeros((0, 7), np.float32), np.zeros(0, np.int64)
        return Sample(read_scan(path), *none, ONCEInfo(path.parent.name, path.stem, None))

    def write_results(self, path: Path, info: ONCEInfo, found: Detections) -> None:
        """``.json``: names, boxes and scores."""
        write_json(path.with_name(f"{path.name}.json"), _plain(detected_boxes(found, self.class_names)))


def detected_boxes(found: Detections, class_names: Sequence[str]) -> ONCEBoxes:
    """Detections as the evaluation takes them."""
    names = np.array(["", *class_names])[found.labels.numpy()]
    return ONCEBoxes(names, found.boxes.numpy().astype(np.float64)[:, :7], found.scores.numpy().astype(np.float64))


def _plain(found: ONCEBoxes) -> dict[str, list[object]]:
    scores = [] if found.scores is None else found.scores.tolist()
    return {"names": found.names.tolist(), "boxes_3d": found.boxes.tolist(), "scores": scores}


def summary(result: ONCEResult) -> Score:
    """The mean average precision over all distances is what weights are chosen by."""
    overall = {score.class_name: 100 * score.ap for score in result.scores if score.part == "overall"}
    logged = {f"{name}_AP": value for name, value in overall.items()} | {"mAP": 100 * result.main}
    lines = {name: f"{name}_AP" for name in overall}
    return Score(
        result.table(), result.as_dict(), "mAP", 100 * result.main, logged, lines, "average precision, percent"
    )
