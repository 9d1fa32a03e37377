"""Small segments of made-up numbers, and the conversion of range images as its formula reads."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from formerdata.waymo import LASERS, TOP, LidarCalibration, RawFrame, SegmentWriter, WaymoBoxes

BEGIN = 1_552_440_195_362_591


def rotation(roll: float, pitch: float, yaw: float) -> np.ndarray:
    """Yaw after pitch after roll, [3, 3]."""
    cr, sr, cp, sp, cy, sy = (f(a) for a in (roll, pitch, yaw) for f in (math.cos, math.sin))
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def transform(pose: np.ndarray) -> np.ndarray:
    """[4, 4] from roll, pitch, yaw, x, y, z."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation(*pose[:3].tolist()), pose[3:]
    return matrix


def slow_points(
    image: np.ndarray,
    calibration: LidarCalibration,
    poses: np.ndarray | None = None,
    vehicle_from_world: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The twin of ``range_image_points``: pixel by pixel, matrix by matrix."""
    height, width = image.shape[:2]
    points, pixels = [], []
    yaw = math.atan2(calibration.extrinsic[1, 0], calibration.extrinsic[0, 0])
    for row in range(height):
        if calibration.inclinations is None:
            share = (height - 1 - row + 0.5) / height
            elevation = calibration.lowest + share * (calibration.highest - calibration.lowest)
        else:
            elevation = calibration.inclinations[height - 1 - row]
        for column in range(width):
            distance = float(image[row, column, 0])
            if not distance > 0:
                continue
            azimuth = math.pi * (1 - 2 * (column + 0.5) / width) - yaw
            flat = math.cos(elevation) * distance
            point = np.array([math.cos(azimuth) * flat, math.sin(azimuth) * flat, math.sin(elevation) * distance, 1.0])
            point = calibration.extrinsic @ point
            if poses is not None:
                assert vehicle_from_world is not None
                point = vehicle_from_world @ transform(poses[row, column].astype(np.float64)) @ point
            points.append([*point[:3], *image[row, column, 1:3]])
            pixels.append(row * width + column)
    return np.array(points, dtype=np.float32).reshape(-1, 5), np.array(pixels, dtype=np.int64)


def calibrations(rng: np.random.Generator, height: int = 5) -> dict[int, LidarCalibration]:
    """Of five scanners, of which only the top one lists its beams."""
    made = {}
    for laser in LASERS:
        pose = np.concatenate([rng.normal(0, 0.02, 2), rng.uniform(-3, 3, 1), rng.normal(0, 1, 3)])
        listed = np.sort(rng.uniform(-0.3, 0.05, height)) if laser == TOP else None
        made[laser] = LidarCalibration(transform(pose), listed, -1.5, 0.5)
    return made


def image(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """[H, W, 4] with a third of the pixels empty."""
    made = rng.random((height, width, 4), dtype=np.float32) * np.float32([75, 2, 1, 1])
    made[..., 3] = np.where(rng.random((height, width)) < 0.1, 1, -1)
    made[rng.random((height, width)) < 1 / 3] = -1
    return made


def boxes(rng: np.random.Generator, count: int) -> WaymoBoxes:
    """Objects anywhere."""
    numbers = rng.integers(0, 3, (4, count))
    places = np.column_stack(
        [rng.uniform(-50, 50, (count, 3)), rng.uniform(1, 5, (count, 3)), rng.uniform(-3, 3, count)]
    )
    ids = np.array([f"object_{i}" for i in range(count)], dtype=np.str_)
    motion = rng.normal(size=(2, count, 3))
    if count:
        motion[:, 0] = np.nan
    return WaymoBoxes(places, rng.integers(1, 5, count), ids, motion[0], motion[1], *numbers)


def raw_frame(rng: np.random.Generator, number: int, size: tuple[int, int], count: int) -> RawFrame:
    """A frame ``number`` tenths of a second after the first."""
    height, width = size
    pose = np.concatenate([rng.normal(0, 0.02, 2), rng.uniform(-3, 3, 1), rng.normal(0, 300, 3)])
    poses = (pose + rng.normal(0, 0.01, (height, width, 6))).astype(np.float32)
    images = {laser: (image(rng, height, width), image(rng, height, width) if laser != 3 else None) for laser in LASERS}
    return RawFrame(BEGIN + 100_000 * number, transform(pose), images, poses, boxes(rng, count))


def write_segment(
    split: Path,
    name: str = "segment_a",
    counts: tuple[int, ...] = (3, 0, 2),
    size: tuple[int, int] = (5, 9),
    seed: int = 0,
) -> tuple[dict[int, LidarCalibration], list[RawFrame]]:
    """A segment with a frame for each of ``counts``, which are its numbers of boxes."""
    rng = np.random.default_rng(seed)
    calibrated = calibrations(rng, size[0])
    frames = [raw_frame(rng, number, size, count) for number, count in enumerate(counts)]
    with SegmentWriter(split, name, calibrated) as writer:
        for frame in frames:
            writer.add(frame)
    return calibrated, frames
