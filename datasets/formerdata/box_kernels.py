"""Compiled test of points against boxes."""

from __future__ import annotations

import math

import numba


@numba.njit(cache=True, nogil=True)
def mark_points(points, boxes, inside):
    """``inside[m, p]`` = point p [P, 3] lies in box m [M, 7]. Boxes are tested by their circle in the plan first."""
    for m in range(boxes.shape[0]):
        x, y, z = boxes[m, 0], boxes[m, 1], boxes[m, 2]
        half_x, half_y, half_z = boxes[m, 3] / 2, boxes[m, 4] / 2, boxes[m, 5] / 2
        cos, sin = math.cos(boxes[m, 6]), math.sin(boxes[m, 6])
        reach = half_x * half_x + half_y * half_y
        for p in range(points.shape[0]):
            dx, dy = points[p, 0] - x, points[p, 1] - y
            if dx * dx + dy * dy > reach or abs(points[p, 2] - z) > half_z:
                inside[m, p] = False
                continue
            inside[m, p] = abs(cos * dx + sin * dy) <= half_x and abs(cos * dy - sin * dx) <= half_y
