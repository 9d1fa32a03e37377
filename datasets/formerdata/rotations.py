"""Rotations and places: quaternions, scalar first (w, x, y, z), matrices, headings."""

from __future__ import annotations

import numpy as np


def rotation_matrices(rotations: np.ndarray) -> np.ndarray:
    """[..., 3, 3] float64 of quaternions [..., 4]; their lengths do not matter."""
    q = np.asarray(rotations, dtype=np.float64)
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quaternions(matrices: np.ndarray) -> np.ndarray:
    """[..., 4] float64 of rotation matrices [..., 3, 3], w >= 0.

    It is the eigenvector of a symmetric matrix with the largest eigenvalue (Bar-Itzhack, 2000): the closest rotation
    where rounding has made the matrix a little oblique, and no case is a special one.
    """
    m = np.asarray(matrices, dtype=np.float64)
    k = np.zeros((*m.shape[:-2], 4, 4))
    k[..., 0, 0] = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    for i in range(3):
        a, b = (i + 1) % 3, (i + 2) % 3
        k[..., i + 1, i + 1] = m[..., i, i] - m[..., a, a] - m[..., b, b]
        k[..., 0, i + 1] = k[..., i + 1, 0] = m[..., b, a] - m[..., a, b]
        k[..., a + 1, b + 1] = k[..., b + 1, a + 1] = m[..., a, b] + m[..., b, a]
    found = np.linalg.eigh(k)[1][..., -1]
    return np.where(found[..., :1] < 0, -found, found)


def quaternion_products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[..., 4] the rotation b, then the rotation a."""
    aw, ax, ay, az = np.moveaxis(np.asarray(a, dtype=np.float64), -1, 0)
    bw, bx, by, bz = np.moveaxis(np.asarray(b, dtype=np.float64), -1, 0)
    parts = (
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    )
    return np.stack(parts, axis=-1)


def yaw_quaternions(yaws: np.ndarray) -> np.ndarray:
    """[..., 4] of turns about z, rad, counter-clockwise."""
    half = np.asarray(yaws, dtype=np.float64) / 2
    zero = np.zeros_like(half)
    return np.stack([np.cos(half), zero, zero, np.sin(half)], axis=-1)


def headings(rotations: np.ndarray) -> np.ndarray:
    """[...] rad from -pi to pi: where rotations [..., 4] turn the x axis to, seen from above; of any length but 0.

    Of the matrix it is atan2(R_yx, R_xx), in the official evaluations of nuScenes and Argoverse 2, too.
    """
    w, x, y, z = np.moveaxis(np.asarray(rotations, dtype=np.float64), -1, 0)
    return np.arctan2(2 * (x * y + w * z), w * w + x * x - y * y - z * z)


def pose_matrices(rotations: np.ndarray, translations: np.ndarray) -> np.ndarray:
    """[..., 4, 4] float64 transforms: rotate, then move."""
    matrices = np.zeros((*np.shape(rotations)[:-1], 4, 4))
    matrices[..., :3, :3] = rotation_matrices(rotations)
    matrices[..., :3, 3] = translations
    matrices[..., 3, 3] = 1.0
    return matrices


def inverse_pose(matrix: np.ndarray) -> np.ndarray:
    """[..., 4, 4] the way back of transforms that rotate and move."""
    back = np.zeros_like(matrix)
    turned = np.swapaxes(matrix[..., :3, :3], -1, -2)
    back[..., :3, :3] = turned
    back[..., :3, 3] = -np.einsum("...ij,...j->...i", turned, matrix[..., :3, 3])
    back[..., 3, 3] = 1.0
    return back
