"""What a LiDAR sees of a world of upright boxes on flat ground: the nearest hit of each of its rays."""

from __future__ import annotations

import numpy as np

BEAMS = 32


def ray_directions(columns: int) -> tuple[np.ndarray, np.ndarray]:
    """[32 * columns, 3] unit vectors in the LiDAR's frame, and [32 * columns] ring of each: -30 to 10 degrees."""
    rings = np.repeat(np.arange(BEAMS), columns)
    elevations = np.radians(-30.0 + rings * 40.0 / (BEAMS - 1))
    azimuths = np.tile(np.arange(columns) * (2 * np.pi / columns), BEAMS)
    level = np.cos(elevations)
    return np.stack([level * np.cos(azimuths), level * np.sin(azimuths), np.sin(elevations)], axis=1), rings


def cast(
    origin: np.ndarray, directions: np.ndarray, boxes: np.ndarray, *, ground: float, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Distance [R] float64 (infinite where nothing is hit) and what is hit [R] int64: a box, or -1 for the ground.

    Args:
        origin: [3] where the rays begin. directions: [R, 3] unit vectors.
        boxes: [M, 7] x, y, z, length, width, height, heading; a ray that begins in one does not hit it.
        ground: Height of the ground, m.
        reach: Things beyond are not seen, m.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        nearest = np.where(directions[:, 2] < 0, (ground - origin[2]) / directions[:, 2], np.inf)
        owner = np.full(len(directions), -1, dtype=np.int64)
        for i, box in enumerate(boxes):
            distance = _box_distance(origin - box[:3], directions, box)
            closer = distance < nearest
            nearest, owner = np.where(closer, distance, nearest), np.where(closer, i, owner)
    return np.where(nearest <= reach, nearest, np.inf), owner


def _box_distance(origin: np.ndarray, directions: np.ndarray, box: np.ndarray) -> np.ndarray:
    """[R] by slabs: the ray is in the box from where it has entered all three to where it first leaves one."""
    cos, sin = np.cos(box[6]), np.sin(box[6])
    turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    start, along = turn @ origin, directions @ turn.T
    one, two = (-box[3:6] / 2 - start) / along, (box[3:6] / 2 - start) / along
    enters, leaves = np.minimum(one, two).max(1), np.maximum(one, two).min(1)
    return np.where((enters > 0) & (enters <= leaves), enters, np.inf)
