"""Compiled test of points against the camera's view."""

from __future__ import annotations

import numba


@numba.njit(cache=True, nogil=True, error_model="numpy")
def mark_in_view(points, to_rect, projection, height, width, seen):
    """``seen[p]`` = point p [P, 3+] projects into the image, in front of the camera.

    The same float32 operations in the same order as ``Calibration.lidar_to_image``: the bits agree.
    """
    for p in range(points.shape[0]):
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        depth = x * to_rect[2, 0] + y * to_rect[2, 1] + z * to_rect[2, 2] + to_rect[2, 3]
        seen[p] = False
        if not depth >= 0:
            continue
        a = x * to_rect[0, 0] + y * to_rect[0, 1] + z * to_rect[0, 2] + to_rect[0, 3]
        b = x * to_rect[1, 0] + y * to_rect[1, 1] + z * to_rect[1, 2] + to_rect[1, 3]
        u = (a * projection[0, 0] + b * projection[0, 1] + depth * projection[0, 2] + projection[0, 3]) / depth
        v = (a * projection[1, 0] + b * projection[1, 1] + depth * projection[1, 2] + projection[1, 3]) / depth
        third = a * projection[2, 0] + b * projection[2, 1] + depth * projection[2, 2] + projection[2, 3]
        seen[p] = u >= 0 and u < width and v >= 0 and v < height and third - projection[2, 3] >= 0
