"""Exact overlap of rotated boxes, in the bird's-eye plane and in space.

A box without extent (a side of zero or less) overlaps nothing, not even itself; boxes that only touch share nothing.
"""

from __future__ import annotations

import numpy as np

PLAN = [0, 1, 3, 4, 6]
"""Of a box, what it looks like from above."""


def bev_intersection(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Areas [N, M] that rectangles [N, 5] and [M, 5] (x, y, dx, dy, heading) share: float64, square metres.

    Raises:
        ValueError: If an input has another shape.
    """
    from formerkit.parallel import run_ranges
    from pointdet.boxes import overlap_kernels

    a, b = _rows(a, 5), _rows(b, 5)
    shared = np.zeros((len(a), len(b)))
    run_ranges(overlap_kernels.areas, len(a), a, b, shared, min_rows=max(1, 20_000 // max(1, len(b))))
    return shared


def bev_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Bird's-eye intersection over union [N, M] of boxes [N, 7] and [M, 7] (x, y, z, dx, dy, dz, heading).

    Raises:
        ValueError: If an input has another shape.
    """
    a, b = _rows(a, 7), _rows(b, 7)
    shared = bev_intersection(a[:, PLAN], b[:, PLAN])
    area_a, area_b = a[:, 3] * a[:, 4], b[:, 3] * b[:, 4]
    return shared / np.maximum(area_a[:, None] + area_b - shared, 1e-12)


def iou_3d(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union [N, M] of the volumes of upright boxes [N, 7] and [M, 7].

    Raises:
        ValueError: If an input has another shape.
    """
    a, b = _rows(a, 7), _rows(b, 7)
    return _of_volumes(bev_intersection(a[:, PLAN], b[:, PLAN]), a[:, None], b[None])


def paired_iou_3d(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union [N] of the volumes of upright boxes, the first with the first: [N, 7] both.

    Raises:
        ValueError: If an input has another shape.
    """
    from formerkit.parallel import run_ranges
    from pointdet.boxes import overlap_kernels

    a, b = _rows(a, 7), _rows(b, 7)
    if len(a) != len(b):
        raise ValueError(f"overlap: expected as many boxes in both, got {len(a)} and {len(b)}")
    shared = np.zeros(len(a))
    run_ranges(overlap_kernels.paired_areas, len(a), _rows(a[:, PLAN], 5), _rows(b[:, PLAN], 5), shared, min_rows=4096)
    return _of_volumes(shared, a, b)


def _of_volumes(plan: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """From areas shared, [...], of boxes a and b [..., 7]."""
    top = np.minimum(a[..., 2] + a[..., 5] / 2, b[..., 2] + b[..., 5] / 2)
    bottom = np.maximum(a[..., 2] - a[..., 5] / 2, b[..., 2] - b[..., 5] / 2)
    shared = plan * np.clip(top - bottom, 0, None)
    return shared / np.maximum(a[..., 3:6].prod(-1) + b[..., 3:6].prod(-1) - shared, 1e-12)


def _rows(values: np.ndarray, columns: int) -> np.ndarray:
    values = np.ascontiguousarray(values, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != columns:
        raise ValueError(f"overlap: expected an array [N, {columns}], got {list(values.shape)}")
    return values
