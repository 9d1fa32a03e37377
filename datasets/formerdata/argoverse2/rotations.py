"""Quaternions, scalar first (w, x, y, z), and headings about the vertical axis."""

from __future__ import annotations

import numpy as np


def headings_of(quaternions: np.ndarray) -> np.ndarray:
    """[...] rad from -pi to pi: the yaw of quaternions [..., 4] of any length but 0.

    Of the rotation matrix it is atan2(R_yx, R_xx): where the turned x axis points in the plane. Roll and pitch, which
    Argoverse 2's boxes do not have, are left out, as in the official evaluation.
    """
    w, x, y, z = np.moveaxis(np.asarray(quaternions, dtype=np.float64), -1, 0)
    return np.arctan2(2 * (x * y + w * z), w * w + x * x - y * y - z * z)


def quaternions_of(headings: np.ndarray) -> np.ndarray:
    """[..., 4] unit quaternions that turn by headings [...], rad, counter-clockwise about z."""
    half = np.asarray(headings, dtype=np.float64) / 2
    none = np.zeros_like(half)
    return np.stack([np.cos(half), none, none, np.sin(half)], axis=-1)


def matrices_of(quaternions: np.ndarray) -> np.ndarray:
    """[..., 3, 3] rotation matrices of quaternions [..., 4] of any length but 0."""
    q = np.asarray(quaternions, dtype=np.float64)
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
