"""Made-up scans with objects, and the pasting of objects as it is told: with loops, for one object after another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from formerdata.detection import LabelledFrame, ObjectDatabase, Sample, build_objects

CLASSES = ("Car", "Pedestrian", "Bus")
SIZES = {"Car": (4.0, 2.0, 1.5), "Pedestrian": (0.8, 0.7, 1.8), "Bus": (11.0, 3.0, 3.0), "Sign": (0.3, 0.3, 1.0)}


@dataclass(frozen=True)
class Info:
    """Of a made-up frame."""

    frame_id: str


def labelled_frame(
    seed: int, *, features: int = 2, columns: int = 7, most: int = 8, spread: float = 40
) -> LabelledFrame:
    """A frame with up to ``most`` objects (they may overlap), each with 0 to 19 points, and points between them."""
    rng = np.random.default_rng(seed)
    names = [str(name) for name in rng.choice([*CLASSES, "Sign"], rng.integers(0, most + 1))]
    boxes = np.zeros((len(names), columns), dtype=np.float32)
    clouds = [rng.uniform(-spread, spread, (200, 3)) * [1, 1, 0.05]]
    for box, name in zip(boxes, names, strict=True):
        box[:3] = rng.uniform(-spread, spread, 3) * [1, 1, 0.02]
        box[3:6], box[6:] = SIZES[name], rng.uniform(-3, 3, columns - 6)
        local = rng.uniform(-0.45, 0.45, (rng.integers(0, 20), 3)) * box[3:6]
        cos, sin = math.cos(box[6]), math.sin(box[6])
        clouds.append(local @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) + box[:3])
    points = np.concatenate(clouds)
    points = np.column_stack([points, rng.random((len(points), features))]).astype(np.float32)
    return LabelledFrame(points, boxes, names, f"frame_{seed}")


def sample_of(frame: LabelledFrame) -> Sample:
    labels = [CLASSES.index(name) + 1 if name in CLASSES else 0 for name in frame.names]
    return Sample(frame.points, frame.boxes, np.array(labels, dtype=np.int64), Info(frame.frame_id))


def database_of(frames: list[LabelledFrame], folder: Path, **options: int) -> ObjectDatabase:
    build_objects(folder, frames, progress=False, **options)
    return ObjectDatabase(folder)


def slow_corners(box: np.ndarray) -> list[tuple[float, float]]:
    """Of the ground plan."""
    x, y, _, dx, dy, _, turn = (float(value) for value in box[:7])
    cos, sin = math.cos(turn), math.sin(turn)
    signs = ((1, 1), (1, -1), (-1, -1), (-1, 1))
    return [(x + cos * a * dx / 2 - sin * b * dy / 2, y + sin * a * dx / 2 + cos * b * dy / 2) for a, b in signs]


def slow_collides(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the ground plans meet: unless all corners of one lie beyond a side of the other."""
    for one, other in ((a, b), (b, a)):
        for angle in (float(one[6]) + quarter * math.pi / 2 for quarter in range(4)):
            half = float(one[3]) / 2 if round(2 * (angle - float(one[6])) / math.pi) % 2 == 0 else float(one[4]) / 2
            axis = (math.cos(angle), math.sin(angle))
            centre = float(one[0]) * axis[0] + float(one[1]) * axis[1]
            if all(x * axis[0] + y * axis[1] - centre >= half for x, y in slow_corners(other)):
                return False
    return True


def slow_inside(point: np.ndarray, box: np.ndarray) -> bool:
    dx, dy, dz = (float(point[i]) - float(box[i]) for i in range(3))
    cos, sin = math.cos(float(box[6])), math.sin(float(box[6]))
    along, across = cos * dx + sin * dy, cos * dy - sin * dx
    return abs(along) <= box[3] / 2 and abs(across) <= box[4] / 2 and abs(dz) <= box[5] / 2


def slow_objects(frames: list[LabelledFrame]) -> list[tuple[str, np.ndarray, np.ndarray, str]]:
    """Class, box, points relative to its centre and frame of each object that has points."""
    found = []
    for frame in frames:
        for name, box in zip(frame.names, frame.boxes, strict=True):
            cloud = [point.copy() for point in frame.points if slow_inside(point, box)]
            for point in cloud:
                point[:3] -= box[:3]
            if cloud:
                found.append((str(name), box, np.stack(cloud), frame.frame_id))
    return found


def slow_paste(
    sample: Sample, objects: list[tuple[str, np.ndarray, np.ndarray, str]], drawn: dict[str, list[int]]
) -> Sample:
    """The sample with those of the drawn objects, class by class, that meet nothing and none of their own class."""
    boxes, labels, clouds = list(sample.boxes), list(sample.labels), []
    for name, numbers in drawn.items():
        free = []
        for i in numbers:
            others = [objects[j][1] for j in numbers if j != i]
            if not any(slow_collides(objects[i][1], other) for other in boxes + others):
                free.append(i)
        for i in free:
            boxes.append(objects[i][1])
            labels.append(CLASSES.index(name) + 1)
            cloud = objects[i][2].copy()
            cloud[:, :3] += objects[i][1][:3]
            clouds.append(cloud)
    pasted = boxes[len(sample.boxes) :]
    rest = [point for point in sample.points if not any(slow_inside(point, box) for box in pasted)]
    points = np.concatenate([*clouds, np.stack(rest)]) if rest else np.concatenate(clouds)
    return Sample(points, np.stack(boxes), np.array(labels, dtype=np.int64), sample.info)
