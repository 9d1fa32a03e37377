"""Training augmentations in the reference's order: paste objects, flip, rotate, scale, move.

All randomness comes from the generator that they are called with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from formerdata.boxes import bev_collides, points_in_any_box
from formerdata.detection.augment import SceneAugmentations
from formerdata.detection.sample import Sample
from formerdata.kitti.calibration import Calibration
from formerdata.kitti.database import ObjectDatabase
from formerdata.kitti.objects import CLASS_NAMES


@dataclass(frozen=True)
class GroundTruthSampling:
    """Paste objects of other frames into this one (Yan et al., 2018).

    Attributes:
        counts: Objects drawn of each class, whatever the frame already holds.
        min_points: An object must have as many.
        use_road_plane: Stand pasted objects on the road plane, where the frame has one.
    """

    counts: Mapping[str, int] = field(default_factory=lambda: {"Car": 15, "Pedestrian": 10, "Cyclist": 10})
    min_points: int = 5
    use_road_plane: bool = True

    def __post_init__(self) -> None:
        if unknown := [name for name in self.counts if name not in CLASS_NAMES]:
            raise ValueError(f"sampling.counts: unknown class {unknown[0]!r}; expected {', '.join(CLASS_NAMES[:-1])}")
        if self.min_points < 0 or min(self.counts.values(), default=0) < 0:
            raise ValueError(f"sampling: expected numbers from 0 on, got {dict(self.counts)}, {self.min_points} points")

    def __call__(
        self, sample: Sample, database: ObjectDatabase, class_names: tuple[str, ...], generator: np.random.Generator
    ) -> Sample:
        chosen, boxes, labels = [], sample.boxes, []
        for name, count in self.counts.items():
            if name not in class_names:
                continue
            candidates = database.usable(name, self.min_points)
            draw = generator.permutation(candidates)[:count]
            # Class by class, against all that stands already and against each other: of two candidates that collide
            # with one another both go, as in the reference.
            new = database.boxes[draw]
            clash = bev_collides(new, boxes).any(1) if len(boxes) else np.zeros(len(new), dtype=np.bool_)
            among = bev_collides(new, new)
            np.fill_diagonal(among, False)
            free = ~(clash | among.any(1))
            chosen.extend(draw[free].tolist())
            boxes = np.concatenate([boxes, new[free]])
            labels.extend([class_names.index(name) + 1] * int(free.sum()))
        if not chosen:
            return sample
        pasted = boxes[len(sample.boxes) :].copy()
        if self.use_road_plane and sample.info.plane is not None:
            pasted[:, 2] -= height_above_plane(pasted, sample.info.plane, sample.info.calibration)
        clouds = []
        for index, box in zip(chosen, pasted, strict=True):
            cloud = database.object_points(index).copy()
            cloud[:, :3] += box[:3]
            clouds.append(cloud)
        # What the scene had where an object now stands is gone; the object's own points come first.
        rest = sample.points[~points_in_any_box(sample.points, pasted)]
        return replace(
            sample,
            points=np.concatenate([*clouds, rest]),
            boxes=np.concatenate([sample.boxes, pasted]),
            labels=np.concatenate([sample.labels, np.array(labels, dtype=np.int64)]),
        )


def height_above_plane(boxes: np.ndarray, plane: np.ndarray, calibration: Calibration) -> np.ndarray:
    """[M] height of the boxes' bottoms over the road plane, m, along the LiDAR's z."""
    centre = calibration.lidar_to_rect(boxes[:, :3])
    a, b, c, d = plane
    ground = np.column_stack([centre[:, 0], (-d - a * centre[:, 0] - c * centre[:, 2]) / b, centre[:, 2]])
    return boxes[:, 2] - boxes[:, 5] / 2 - calibration.rect_to_lidar(ground)[:, 2]


@dataclass(frozen=True)
class Augmentations(SceneAugmentations):
    """All of them, in the reference's order; None leaves one out.

    Attributes:
        sampling: Pasting of objects, which comes first.
        flip, rotation, scaling, translation, epochs: Of the whole scene.
    """

    sampling: GroundTruthSampling | None = field(default_factory=GroundTruthSampling)

    def __call__(
        self,
        sample: Sample,
        database: ObjectDatabase | None,
        class_names: tuple[str, ...],
        generator: np.random.Generator,
        epoch: int = 0,
    ) -> Sample:
        if self.active(epoch) and self.sampling is not None and database is not None:
            sample = self.sampling(sample, database, class_names, generator)
        detected = sample.labels > 0
        sample = replace(sample, boxes=sample.boxes[detected], labels=sample.labels[detected])
        return self.changed(sample, generator, epoch)
