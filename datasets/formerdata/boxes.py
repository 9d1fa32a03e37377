"""Geometry of 3D boxes in NumPy: corners, points inside, bird's-eye collisions.

Boxes are [N, 7] (x, y, z, dx, dy, dz, heading), LiDAR frame, (x, y, z) the centre.
"""

from __future__ import annotations

import numpy as np

# Order of KITTI's own drawings: bottom face counter-clockwise from the front left, then the top face.
_SIGNS = np.array(
    [[1, 1, -1], [1, -1, -1], [-1, -1, -1], [-1, 1, -1], [1, 1, 1], [1, -1, 1], [-1, -1, 1], [-1, 1, 1]],
    dtype=np.float64,
)


def limit_period(angle: np.ndarray, offset: float = 0.5, period: float = 2 * np.pi) -> np.ndarray:
    """``angle`` moved by whole periods into ``[-offset * period, (1 - offset) * period)``."""
    return angle - np.floor(angle / period + offset) * period


def box_corners(boxes: np.ndarray) -> np.ndarray:
    """[N, 8, 3] corners: the bottom face, then the top face, each from the front left one clockwise seen from above."""
    offsets = _SIGNS * boxes[:, None, 3:6] / 2
    cos, sin = np.cos(boxes[:, 6])[:, None], np.sin(boxes[:, 6])[:, None]
    x = cos * offsets[..., 0] - sin * offsets[..., 1]
    y = sin * offsets[..., 0] + cos * offsets[..., 1]
    return np.stack([x, y, offsets[..., 2]], axis=-1) + boxes[:, None, :3]


def bev_corners(boxes: np.ndarray) -> np.ndarray:
    """[N, 4, 2] corners of the boxes' ground plan."""
    return box_corners(boxes)[:, :4, :2]


def bev_collides(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[N, M] whether the ground plans of boxes [N, 7] and [M, 7] share more than a border.

    By separating axes: two convex plans are apart if and only if they are so along a side of one of them.
    """
    apart = _apart(a, b) | _apart(b, a).T
    return ~apart


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[N, M] whether a side of a[i] separates b[j] from it."""
    cos, sin = np.cos(a[:, 6]), np.sin(a[:, 6])
    axes = np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], axis=1)  # [N, 2, 2]
    relative = bev_corners(b)[None] - a[:, None, None, :2]  # [N, M, 4, 2]
    along = np.einsum("nmcd,nkd->nmkc", relative, axes)
    half = a[:, None, 3:5] / 2
    apart: np.ndarray = (along.min(-1) >= half) | (along.max(-1) <= -half)
    return np.asarray(apart.any(-1))


def points_in_boxes(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """[M, P] whether each of the points [P, 3+] lies in each of the boxes [M, 7], faces included."""
    inside = np.zeros((len(boxes), len(points)), dtype=np.bool_)
    if inside.size:
        from formerdata.box_kernels import mark_points

        mark_points(np.ascontiguousarray(points[:, :3], dtype=np.float32), boxes.astype(np.float64), inside)
    return inside


def points_in_any_box(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """[P] whether each point lies in some box."""
    return np.asarray(points_in_boxes(points, boxes).any(0))
