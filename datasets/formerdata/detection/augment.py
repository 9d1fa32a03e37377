"""Random changes of a whole scene: flip, rotate, scale, move.

Each is a small frozen dataclass whose fields are its settings; called with a sample and a generator it returns a new
sample. All randomness comes from that generator. Boxes with velocities, [M, 9], have these changed alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from formerdata.boxes import limit_period
from formerdata.detection.sample import Sample


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
            boxes[:, 7 + column : 8 + column] *= -1
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
        if boxes.shape[1] > 7:
            boxes[:, 7:9] = boxes[:, 7:9] @ turn
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
        boxes[:, 7:] *= factor
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
class SceneAugmentations:
    """Changes of the whole scene, in this order; None leaves one out.

    Attributes:
        flip, rotation, scaling, translation: The changes.
        epochs: In so many epochs, the first of a run, samples are augmented; None for all. A detector that ends on
            scenes as they are knows better how many objects these hold.
    """

    flip: RandomFlip | None = field(default_factory=RandomFlip)
    rotation: GlobalRotation | None = field(default_factory=GlobalRotation)
    scaling: GlobalScaling | None = field(default_factory=GlobalScaling)
    translation: GlobalTranslation | None = None
    epochs: int | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None and self.epochs < 0:
            raise ValueError(f"augmentations.epochs: expected None or a number from 0 on, got {self.epochs}")

    def active(self, epoch: int) -> bool:
        """Whether samples of an epoch are augmented."""
        return self.epochs is None or epoch < self.epochs

    def __call__(
        self,
        sample: Sample,
        database: Any,
        class_names: tuple[str, ...],
        generator: np.random.Generator,
        epoch: int = 0,
    ) -> Sample:
        """The sample without boxes that are not detected (label 0), changed as a whole.

        ``database`` and ``class_names`` are for :class:`~formerdata.detection.Augmentations`, which pastes objects.
        """
        detected = sample.labels > 0
        sample = replace(sample, boxes=sample.boxes[detected], labels=sample.labels[detected])
        return self.changed(sample, generator, epoch)

    def changed(self, sample: Sample, generator: np.random.Generator, epoch: int) -> Sample:
        """The sample after all changes, headings from -pi to pi."""
        for step in (self.flip, self.rotation, self.scaling, self.translation):
            if step is not None and self.active(epoch):
                sample = step(sample, generator)
        boxes = sample.boxes.copy()
        boxes[:, 6] = limit_period(boxes[:, 6])
        return replace(sample, boxes=boxes)
