"""Compiled overlap of rotated rectangles, exact to rounding, in float64.

One rectangle is moved into the frame of the other, where clipping is against four axis-parallel lines (Sutherland and
Hodgman, 1974). Rectangles are rows (x, y, dx, dy, heading).
"""

from __future__ import annotations

import math

import numba
import numpy as np

SCRATCH_ROWS = 20
"""Rows that a polygon may need on its way through :func:`intersection`.

Against one line, k corners leave at most 1.5 k: k / 2 that stay and k crossings. Four corners thus leave at most 6, 9,
13 and 19 behind the four lines. Convex polygons need 8 at most; the larger bound also holds when rounding bends them.
"""


@numba.njit(inline="always")
def _far_apart(a, b):
    """Whether the rectangles' circles do not meet: most pairs end here."""
    dx, dy = a[0] - b[0], a[1] - b[1]
    reach = 0.5 * (math.sqrt(a[2] * a[2] + a[3] * a[3]) + math.sqrt(b[2] * b[2] + b[3] * b[3]))
    return dx * dx + dy * dy >= reach * reach


@numba.njit(cache=True, nogil=True)
def clip(polygon, count, axis, sign, limit, out):
    """The part of ``polygon[:count]`` with ``sign * coordinate[axis] <= limit``; returns its number of corners."""
    size = 0
    for i in range(count):
        j = i + 1 if i + 1 < count else 0
        here = sign * polygon[i, axis] - limit
        there = sign * polygon[j, axis] - limit
        if here <= 0:
            out[size, 0], out[size, 1] = polygon[i, 0], polygon[i, 1]
            size += 1
        if (here < 0 and there > 0) or (here > 0 and there < 0):
            share = here / (here - there)
            out[size, 0] = polygon[i, 0] + share * (polygon[j, 0] - polygon[i, 0])
            out[size, 1] = polygon[i, 1] + share * (polygon[j, 1] - polygon[i, 1])
            size += 1
    return size


@numba.njit(cache=True, nogil=True)
def intersection(a, b, first, second):
    """Area that rectangles ``a`` and ``b`` share; ``first`` and ``second`` are [SCRATCH_ROWS, 2] scratch."""
    if a[2] <= 0 or a[3] <= 0 or b[2] <= 0 or b[3] <= 0 or _far_apart(a, b):
        return 0.0
    cos_b, sin_b = math.cos(b[4]), math.sin(b[4])
    dx, dy = a[0] - b[0], a[1] - b[1]
    x, y = cos_b * dx + sin_b * dy, cos_b * dy - sin_b * dx
    cos, sin = math.cos(a[4] - b[4]), math.sin(a[4] - b[4])
    ux, uy, vx, vy = cos * a[2] / 2, sin * a[2] / 2, -sin * a[3] / 2, cos * a[3] / 2
    first[0, 0], first[0, 1] = x + ux + vx, y + uy + vy
    first[1, 0], first[1, 1] = x - ux + vx, y - uy + vy
    first[2, 0], first[2, 1] = x - ux - vx, y - uy - vy
    first[3, 0], first[3, 1] = x + ux - vx, y + uy - vy
    count = clip(first, 4, 0, 1.0, b[2] / 2, second)
    count = clip(second, count, 0, -1.0, b[2] / 2, first)
    count = clip(first, count, 1, 1.0, b[3] / 2, second)
    count = clip(second, count, 1, -1.0, b[3] / 2, first)
    area = 0.0
    for i in range(count):
        j = i + 1 if i + 1 < count else 0
        area += first[i, 0] * first[j, 1] - first[j, 0] * first[i, 1]
    return max(0.0, 0.5 * area)


@numba.njit(cache=True, nogil=True)
def areas(first, last, a, b, out):
    """``out[i, j]`` = area that a[i] and b[j] share, for rows ``first`` to ``last`` of ``a``."""
    one, two = np.empty((SCRATCH_ROWS, 2)), np.empty((SCRATCH_ROWS, 2))
    for i in range(first, last):
        for j in range(b.shape[0]):
            out[i, j] = intersection(a[i], b[j], one, two)


@numba.njit(cache=True, nogil=True)
def paired_areas(first, last, a, b, out):
    """``out[i]`` = area that a[i] and b[i] share."""
    one, two = np.empty((SCRATCH_ROWS, 2)), np.empty((SCRATCH_ROWS, 2))
    for i in range(first, last):
        out[i] = intersection(a[i], b[i], one, two)


@numba.njit(cache=True, nogil=True)
def suppress(boxes, threshold, most, kept):
    """Greedy suppression of rectangles in the order given; writes kept rows, returns their number."""
    one, two = np.empty((SCRATCH_ROWS, 2)), np.empty((SCRATCH_ROWS, 2))
    n = boxes.shape[0]
    gone = np.zeros(n, dtype=np.bool_)
    count = 0
    for i in range(n):
        if gone[i]:
            continue
        kept[count] = i
        count += 1
        if count == most:
            break
        area = boxes[i, 2] * boxes[i, 3]
        for j in range(i + 1, n):
            if gone[j] or _far_apart(boxes[i], boxes[j]):
                continue
            shared = intersection(boxes[i], boxes[j], one, two)
            union = area + boxes[j, 2] * boxes[j, 3] - shared
            gone[j] = shared > threshold * max(union, 1e-12)
    return count
