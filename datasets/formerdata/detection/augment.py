"""Random changes of a whole scene: flip, rotate, scale, move.

Each is a small frozen dataclass whose fields are its settings; called with a sample and a generator it returns a new
sample. All randomness comes from that generator. Boxes with velocities, [M, 9], have these changed alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

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
