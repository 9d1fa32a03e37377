"""Compiled conversion of range images to points in the vehicle's frame."""

from __future__ import annotations

import math

import numba


@numba.njit(cache=True, nogil=True, error_model="numpy")
def unproject(start, stop, image, inclinations, azimuths, extrinsic, poses, vehicle_from_world, first, points, pixels):
    """Rows ``start`` to ``stop`` of a range image [H, W, 4] to points; ``first`` [H] is where a row's points begin.

    Writes ``points`` [N, 5] (x, y, z, intensity, elongation) and ``pixels`` [N] (row * W + column), in the image's
    order. ``azimuths`` [W, 2] are cosines and sines. ``poses`` is [H, W, 6], or empty for a scanner without poses of
    its pixels. All sums are in float64: a car's place in the world takes five digits before the point.
    """
    posed = poses.shape[0] > 0
    for row in range(start, stop):
        n = first[row]
        level, rise = math.cos(inclinations[row]), math.sin(inclinations[row])
        for column in range(image.shape[1]):
            distance = float(image[row, column, 0])
            if not distance > 0.0:
                continue
            flat = level * distance
            x, y, z = _move(extrinsic, azimuths[column, 0] * flat, azimuths[column, 1] * flat, rise * distance)
            if posed:
                x, y, z = _move_by_angles(poses[row, column], x, y, z)
                x, y, z = _move(vehicle_from_world, x, y, z)
            points[n, 0], points[n, 1], points[n, 2] = x, y, z
            points[n, 3], points[n, 4] = image[row, column, 1], image[row, column, 2]
            pixels[n] = row * image.shape[1] + column
            n += 1


@numba.njit(cache=True, nogil=True, inline="always")
def _move(transform, x, y, z):
    """A point through a [4, 4] transform."""
    return (
        transform[0, 0] * x + transform[0, 1] * y + transform[0, 2] * z + transform[0, 3],
        transform[1, 0] * x + transform[1, 1] * y + transform[1, 2] * z + transform[1, 3],
        transform[2, 0] * x + transform[2, 1] * y + transform[2, 2] * z + transform[2, 3],
    )


@numba.njit(cache=True, nogil=True, inline="always")
def _move_by_angles(pose, x, y, z):
    """A point turned about x by the roll, about y by the pitch, about z by the yaw, then shifted."""
    angle = float(pose[0])
    c, s = math.cos(angle), math.sin(angle)
    y, z = c * y - s * z, s * y + c * z
    angle = float(pose[1])
    c, s = math.cos(angle), math.sin(angle)
    x, z = c * x + s * z, c * z - s * x
    angle = float(pose[2])
    c, s = math.cos(angle), math.sin(angle)
    x, y = c * x - s * y, s * x + c * y
    return x + pose[3], y + pose[4], z + pose[5]
