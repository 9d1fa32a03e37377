"""Compiled ray caster: triangles drawn into the scanner's own range image with a depth buffer.

All rays of a block of lasers start in one point, so a triangle can only be hit by rays inside its window of azimuth
and elevation: no search tree is needed, and each ray finds exactly its nearest triangle.

A triangle with corners A, B, C relative to the origin is hit by direction d when ``d . (B x C)``, ``d . (C x A)`` and
``d . (A x B)`` have one sign; then the distance is ``A . (B x C)`` over their sum.
"""

from __future__ import annotations

import math

import numba
import numpy as np

_GOLDEN = 0.6180339887498949


@numba.njit(cache=True, nogil=True)
def cast(
    corners,
    opacity,
    owners,
    directions,
    slopes,
    azimuths,
    max_offset,
    origins,
    block_ends,
    chance,
    max_range,
    distance,
    hit,
    stamp,
    own_rays,
):
    """Fill ``distance`` and ``hit`` ``[64, A]``, and count in ``own_rays`` the rays that would hit each owner alone.

    Triangles of one owner stand together. ``stamp`` ``[64, A]`` is preset to -1. ``slopes`` are the tangents of the
    elevations, falling. A ray passes a triangle of low opacity when the fraction of ``chance`` plus a multiple of the
    golden ratio is large: a fixed, even sequence, the same in any order of work.
    """
    first_beam = 0
    for block in range(len(origins)):
        for t in range(len(corners)):
            _draw(
                t, corners[t], opacity[t], owners[t], directions, slopes, azimuths, max_offset, origins[block],
                first_beam, block_ends[block], chance, max_range, distance, hit, stamp, own_rays,
            )  # fmt: skip
        first_beam = block_ends[block]


@numba.njit(cache=True, nogil=True)
def _draw(
    t, triangle, opacity, owner, directions, slopes, azimuths, max_offset, origin,
    first_beam, end_beam, chance, max_range, distance, hit, stamp, own_rays,
):  # fmt: skip
    ax, ay, az = triangle[0, 0], triangle[0, 1], triangle[0, 2] - origin
    bx, by, bz = triangle[1, 0], triangle[1, 1], triangle[1, 2] - origin
    cx, cy, cz = triangle[2, 0], triangle[2, 1], triangle[2, 2] - origin
    near = _distance_from_axis(ax, ay, bx, by, cx, cy)
    if near > max_range:
        return
    low_slope, high_slope = _slope_window(ax, ay, az, bx, by, bz, cx, cy, cz, near)
    if low_slope > slopes[first_beam] or high_slope < slopes[end_beam - 1]:
        return
    start, width = _azimuth_window(ax, ay, bx, by, cx, cy, near)
    column, columns = _columns(start - max_offset, width + 2 * max_offset, azimuths)
    # Normals of the three planes through the origin and an edge.
    ux, uy, uz = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    vx, vy, vz = cy * az - cz * ay, cz * ax - cx * az, cx * ay - cy * ax
    wx, wy, wz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    volume = ax * ux + ay * uy + az * uz
    passing = (t * _GOLDEN) % 1.0
    total = len(azimuths)
    for beam in range(first_beam, end_beam):
        if slopes[beam] > high_slope:
            continue
        if slopes[beam] < low_slope:
            break
        for j in range(columns):
            a = column + j
            if a >= total:
                a -= total
            dx, dy, dz = directions[beam, a, 0], directions[beam, a, 1], directions[beam, a, 2]
            u = dx * ux + dy * uy + dz * uz
            v = dx * vx + dy * vy + dz * vz
            w = dx * wx + dy * wy + dz * wz
            if not ((u >= 0.0 and v >= 0.0 and w >= 0.0) or (u <= 0.0 and v <= 0.0 and w <= 0.0)):
                continue
            whole = u + v + w
            if whole == 0.0:
                continue
            r = volume / whole
            if r <= 0.0 or r > max_range:
                continue
            if opacity < 1.0 and (chance[beam, a] + passing) % 1.0 >= opacity:
                continue
            if owner >= 0 and stamp[beam, a] != owner:
                stamp[beam, a] = owner
                own_rays[owner] += 1
            if r < distance[beam, a]:
                distance[beam, a] = r
                hit[beam, a] = t


@numba.njit(cache=True, nogil=True)
def _distance_from_axis(ax, ay, bx, by, cx, cy):
    """Horizontal distance of a triangle from the z axis: 0 when the axis goes through it."""
    ab, bc, ca = ax * by - ay * bx, bx * cy - by * cx, cx * ay - cy * ax
    inside = (ab >= 0 and bc >= 0 and ca >= 0) or (ab <= 0 and bc <= 0 and ca <= 0)
    # All three crosses vanish for a vertical triangle in a plane through the axis: then the edges decide.
    if inside and (ab != 0 or bc != 0 or ca != 0):
        return 0.0
    return min(_edge_distance(ax, ay, bx, by), min(_edge_distance(bx, by, cx, cy), _edge_distance(cx, cy, ax, ay)))


@numba.njit(cache=True, nogil=True)
def _edge_distance(ax, ay, bx, by):
    ex, ey = bx - ax, by - ay
    square = ex * ex + ey * ey
    s = 0.0
    if square > 0.0:
        s = min(1.0, max(0.0, -(ax * ex + ay * ey) / square))
    return math.hypot(ax + s * ex, ay + s * ey)


@numba.njit(cache=True, nogil=True)
def _slope_window(ax, ay, az, bx, by, bz, cx, cy, cz, near):
    """Bounds on z over horizontal distance, a little wide so that rounding loses no ray."""
    far = max(math.hypot(ax, ay), max(math.hypot(bx, by), math.hypot(cx, cy)))
    low, high = min(az, min(bz, cz)), max(az, max(bz, cz))
    near, far = max(near, 1e-6), max(far, 1e-6)
    low_slope = low / near if low < 0 else low / far
    high_slope = high / near if high > 0 else high / far
    return low_slope - 1e-9 - 1e-9 * abs(low_slope), high_slope + 1e-9 + 1e-9 * abs(high_slope)


@numba.njit(cache=True, nogil=True)
def _azimuth_window(ax, ay, bx, by, cx, cy, near):
    """First azimuth and width of the arc that a triangle covers."""
    if near <= 1e-9:
        return 0.0, 2 * math.pi
    first = math.atan2(ay, ax)
    second, third = _turn(math.atan2(by, bx) - first), _turn(math.atan2(cy, cx) - first)
    low, high = min(0.0, min(second, third)), max(0.0, max(second, third))
    return first + low - 1e-9, high - low + 2e-9


@numba.njit(cache=True, nogil=True)
def _turn(angle):
    """The same angle in [-pi, pi]."""
    if angle > math.pi:
        return angle - 2 * math.pi
    if angle < -math.pi:
        return angle + 2 * math.pi
    return angle


@numba.njit(cache=True, nogil=True)
def _columns(start, width, azimuths):
    """First column at or after ``start`` (cyclic) and the number of columns within ``width`` of it."""
    total = len(azimuths)
    if width >= 2 * math.pi:
        return 0, total
    start = start % (2 * math.pi)
    first = np.searchsorted(azimuths, start)
    stop = start + width
    if stop < 2 * math.pi:
        return first % total, np.searchsorted(azimuths, stop, side="right") - first
    return first % total, total - first + np.searchsorted(azimuths, stop - 2 * math.pi, side="right")
