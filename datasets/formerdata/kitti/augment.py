"""Training augmentations in the reference's order: paste objects, flip, rotate, scale, move.

Each is a small frozen dataclass whose fields are its settings; called with a sample and a generator it returns a new
sample. All randomness comes from that generator.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from formerdata.boxes import bev_collides, limit_period, points_in_any_box
from formerdata.kitti.calibration import Calibration
from formerdata.kitti.database import ObjectDatabase
from formerdata.kitti.frame import FrameInfo
from formerdata.kitti.objects import CLASS_NAMES


@dataclass(frozen=True)
class Sample:
    """A frame on its way to the model.

    Attributes:
        points: [N, 4] float32. boxes: [M, 7] float32. labels: [M] int64, 1-based; 0 marks boxes of classes that are
            not detected (only until objects have been pasted).
        info: Of the frame.
    """

    points: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    info: FrameInfo


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
class RandomFlip:
    """Mirror the scene.

    Attributes:
        probability: Of mirroring, for each axis.
        axes: Coordinates whose sign changes, in turn: ``y`` exchanges left and right, ``x`` ahead and behind.
    """

    probability: float = 0.5
    axes: tuple[Literal["x", "y"], ...] = ("y",)

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"flip.probability: expected 0 to 1, got {self.probability}")
        if not set(self.axes) <= {"x", "y"} or len(set(self.axes)) < len(self.axes):
            raise ValueError(f"flip.axes: expected each of 'x' and 'y' at most once, got {list(self.axes)}")

    def __call__(self, sample: Sample, generator: np.random.Generator) -> Sample:
        points, boxes = sample.points.copy(), sample.boxes.copy()
        for axis in self.axes:
            if generator.random() >= self.probability:
                continue
            column = "xy".index(axis)
            points[:, column] *= -1
            boxes[:, column] *= -1
            boxes[:, 6] = -boxes[:, 6] if axis == "y" else np.float32(math.pi) - boxes[:, 6]
        return replace(sample, points=points, boxes=boxes)


@dataclass(frozen=True)
class GlobalRotation:
    """Turn the scene about the sensor.

    Attributes:
        max_angle: The angle is uniform between minus and plus this, rad.
    """

    max_angle: float = math.pi / 4

    def __post_init__(self) -> None:
        if not 0 <= self.max_angle < math.inf:
            raise ValueError(f"rotation.max_angle: expected an angle from 0 on, rad, got {self.max_angle}")

    def __call__(self, sample: Sample, generator: np.random.Generator) -> Sample:
        angle = generator.uniform(-self.max_angle, self.max_angle)
        cos, sin = math.cos(angle), math.sin(angle)
        turn = np.array([[cos, sin], [-sin, cos]], dtype=np.float32)
        points, boxes = sample.points.copy(), sample.boxes.copy()
        points[:, :2] = points[:, :2] @ turn
        boxes[:, :2] = boxes[:, :2] @ turn
        boxes[:, 6] += angle
        return replace(sample, points=points, boxes=boxes)


@dataclass(frozen=True)
class GlobalScaling:
    """Scale the scene.

    Attributes:
        min, max: The factor is uniform between them.
    """

    min: float = 0.95
    max: float = 1.05

    def __post_init__(self) -> None:
        if not 0 < self.min <= self.max < math.inf:
            raise ValueError(f"scaling: expected 0 < min <= max, got {self.min} and {self.max}")

    def __call__(self, sample: Sample, generator: np.random.Generator) -> Sample:
        factor = np.float32(generator.uniform(self.min, self.max))
        points, boxes = sample.points.copy(), sample.boxes.copy()
        points[:, :3] *= factor
        boxes[:, :6] *= factor
        return replace(sample, points=points, boxes=boxes)


@dataclass(frozen=True)
class GlobalTranslation:
    """Move the scene.

    Attributes:
        std: Deviation along each axis, m.
    """

    std: tuple[float, float, float] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        if len(self.std) != 3 or not all(0 <= value < math.inf for value in self.std):
            raise ValueError(f"translation.std: expected three numbers from 0 on, m, got {self.std}")

    def __call__(self, sample: Sample, generator: np.random.Generator) -> Sample:
        step = generator.normal(0, self.std).astype(np.float32)
        points, boxes = sample.points.copy(), sample.boxes.copy()
        points[:, :3] += step
        boxes[:, :3] += step
        return replace(sample, points=points, boxes=boxes)


@dataclass(frozen=True)
class Augmentations:
    """All of them, in the reference's order; None leaves one out.

    Attributes:
        sampling: Pasting of objects.
        flip, rotation, scaling, translation: Of the whole scene.
        epochs: In so many epochs, the first of a run, samples are augmented; None for all. A detector that ends on
            scenes as they are knows better how many objects these hold.
    """

    sampling: GroundTruthSampling | None = GroundTruthSampling()
    flip: RandomFlip | None = RandomFlip()
    rotation: GlobalRotation | None = GlobalRotation()
    scaling: GlobalScaling | None = GlobalScaling()
    translation: GlobalTranslation | None = None
    epochs: int | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None and self.epochs < 0:
            raise ValueError(f"augmentations.epochs: expected None or a number from 0 on, got {self.epochs}")

    def __call__(
        self,
        sample: Sample,
        database: ObjectDatabase | None,
        class_names: tuple[str, ...],
        generator: np.random.Generator,
        epoch: int = 0,
    ) -> Sample:
        active = self.epochs is None or epoch < self.epochs
        if active and self.sampling is not None and database is not None:
            sample = self.sampling(sample, database, class_names, generator)
        detected = sample.labels > 0
        sample = replace(sample, boxes=sample.boxes[detected], labels=sample.labels[detected])
        for step in (self.flip, self.rotation, self.scaling, self.translation):
            if active and step is not None:
                sample = step(sample, generator)
        boxes = sample.boxes.copy()
        boxes[:, 6] = limit_period(boxes[:, 6])
        return replace(sample, boxes=boxes)
