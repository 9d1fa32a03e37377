"""How fast the official KITTI evaluation is on loads of the size of the validation split.

    python -m benchmarks.kitti_evaluator

3,769 frames. Light: about five car detections a frame (19,000), Car alone. Heavy: 50 detections of each of three
classes a frame (565,350). Both in 2D, bird's eye and 3D, strict and loose overlaps, three difficulties.

Labels are those of ``data/kitti_eval/val_small``, repeated, if they are at hand (``FORMERKIT_DATA``), else made up.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from formerdata.kitti import Objects, read_objects

from benchmarks.data import DATA
from benchmarks.timing import machine, medians
from formerkit.seeds import generator
from pointdet.metrics.kitti import evaluate

FRAMES = 3769
CLASSES = ("Car", "Pedestrian", "Cyclist")
SIZES = {"Car": (1.53, 1.63, 3.88), "Pedestrian": (1.76, 0.66, 0.84), "Cyclist": (1.74, 0.60, 1.76)}


def real_labels() -> list[Objects] | None:
    """The labels of val_small, or None where they are absent."""
    archive = DATA / "kitti_eval" / "val_small.tar.xz"
    if not archive.is_file():
        return None
    with tempfile.TemporaryDirectory() as folder, tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
        return [read_objects(path) for path in sorted(Path(folder).glob("**/label_2/*.txt"))]


def made_up_labels(rng: np.random.Generator, frames: int = 1000) -> list[Objects]:
    """Frames of zero to nine objects spread over the road ahead."""
    return [scattered(rng, rng.choice(CLASSES, rng.integers(0, 10)), scored=False) for _ in range(frames)]


def scattered(rng: np.random.Generator, names: np.ndarray, *, scored: bool) -> Objects:
    """Objects of the given classes anywhere ahead; image boxes by a pinhole camera."""
    count = len(names)
    z = rng.uniform(5, 60, count)
    location = np.column_stack([rng.uniform(-0.7, 0.7, count) * z, np.full(count, 1.65), z])
    dimensions = np.array([SIZES[name] for name in names]).reshape(count, 3) * rng.uniform(0.9, 1.1, (count, 3))
    u, foot, height = 620 + 720 * location[:, 0] / z, 187 + 720 * 1.65 / z, 720 * dimensions[:, 0] / z
    half = height * rng.uniform(0.3, 1.2, count)
    rotation = rng.uniform(-np.pi, np.pi, count)
    unknown = np.full(count, -1)
    return Objects(
        names=np.asarray(names, dtype=np.str_),
        truncated=unknown.astype(float) if scored else np.zeros(count),
        occluded=unknown if scored else rng.integers(0, 3, count),
        alpha=rotation - np.arctan2(location[:, 0], z),
        bbox=np.column_stack([u - half, foot - height, u + half, foot]),
        dimensions=dimensions,
        location=location,
        rotation_y=rotation,
        scores=rng.random(count) if scored else None,
    )


def detections(rng: np.random.Generator, truth: Objects, names: Sequence[str], count: int) -> Objects:
    """``count`` detections of each class: its true objects a little displaced, and the rest anywhere."""
    parts = []
    for name in names:
        own = truth.select(np.flatnonzero(truth.names == name)[:count])
        near = Objects(
            names=own.names,
            truncated=np.full(len(own), -1.0),
            occluded=np.full(len(own), -1),
            alpha=own.alpha + rng.normal(0, 0.1, len(own)),
            bbox=own.bbox + rng.normal(0, 2, (len(own), 4)),
            dimensions=own.dimensions * rng.normal(1, 0.03, (len(own), 3)),
            location=own.location + rng.normal(0, 0.1, (len(own), 3)),
            rotation_y=own.rotation_y + rng.normal(0, 0.1, len(own)),
            scores=rng.uniform(0.3, 1, len(own)),
        )
        parts += [near, scattered(rng, np.full(count - len(own), name), scored=True)]
    columns = vars(parts[0])
    return Objects(**{key: np.concatenate([getattr(part, key) for part in parts]) for key in columns})


def main() -> None:
    print(machine())
    rng = generator(0, "benchmark", "kitti_evaluator")
    labels = real_labels()
    print("labels: " + ("val_small, repeated" if labels else "made up"))
    labels = labels or made_up_labels(rng)
    truth = [labels[i % len(labels)] for i in range(FRAMES)]
    light = [detections(rng, frame, ("Car",), int(count)) for frame, count in zip(truth, _about_five(rng), strict=True)]
    heavy = [detections(rng, frame, CLASSES, 50) for frame in truth]
    seconds = medians({"light": lambda: evaluate(truth, light, ["Car"])}, runs=5, warm_up=1)
    seconds |= medians({"heavy": lambda: evaluate(truth, heavy, CLASSES)}, runs=3, warm_up=0)
    print(f"\n{FRAMES:,} frames, 2D + BEV + 3D, strict and loose")
    for name, found, classes in (("light", light, "Car"), ("heavy", heavy, ", ".join(CLASSES))):
        print(f"  {sum(map(len, found)):>8,} detections, {classes:<25} {seconds[name]:7.2f} s")


def _about_five(rng: np.random.Generator) -> np.ndarray:
    """Detections in each frame: 5.04 on average, as real detectors leave after suppression on KITTI."""
    return rng.poisson(5.04, FRAMES)


if __name__ == "__main__":
    main()
