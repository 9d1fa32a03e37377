"""Boxes from the columns of annotations and detections, and back."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from formerdata.argoverse2.schema import ANNOTATION_CATEGORIES, CATEGORY_NUMBERS, CUBOID
from formerdata.rotations import headings, yaw_quaternions
from formerkit.io import DataError

_CENTRE_AND_SIDES, _QUATERNION = tuple(CUBOID)[:6], tuple(CUBOID)[6:]


def boxes_of(path: str | os.PathLike[str], columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """[M, 7] float64 x, y, z of the centre, length, width, height (m), heading (rad), in the vehicle's frame.

    Args:
        path: For the error.
        columns: By the names of :data:`~formerdata.argoverse2.schema.CUBOID`, each [M].

    Raises:
        DataError: If a side is not above 0, or a quaternion has no length; the row and column are named.
    """
    boxes = np.stack([columns[name] for name in _CENTRE_AND_SIDES], axis=1)
    flat = np.argwhere(~(boxes[:, 3:] > 0))
    if len(flat):
        row, side = flat[0]
        raise DataError(
            path,
            f"row {row} is {boxes[row, 3 + side]}",
            field=_CENTRE_AND_SIDES[3 + side],
            expected="a side above 0, m",
        )
    quaternions = np.stack([columns[name] for name in _QUATERNION], axis=1)
    short = np.flatnonzero(~(np.linalg.norm(quaternions, axis=1) > 1e-6))
    if len(short):
        raise DataError(
            path, f"row {short[0]} is a quaternion of length 0", field="qw, qx, qy, qz", expected="a rotation"
        )
    return np.concatenate([boxes, headings(quaternions)[:, None]], axis=1)


def columns_of(boxes: np.ndarray) -> dict[str, np.ndarray]:
    """The columns of boxes [M, 7], each [M] float64."""
    boxes = np.asarray(boxes, dtype=np.float64)
    parts = np.concatenate([boxes[:, :6], yaw_quaternions(boxes[:, 6])], axis=1)
    return {name: np.ascontiguousarray(parts[:, i]) for i, name in enumerate(CUBOID)}


def category_numbers(path: str | os.PathLike[str], names: np.ndarray) -> np.ndarray:
    """[M] int64 numbers of categories [M] str.

    Raises:
        DataError: On a name that Argoverse 2 does not have.
    """
    kinds, which = np.unique(names, return_inverse=True)
    unknown = [str(kind) for kind in kinds if str(kind) not in CATEGORY_NUMBERS]
    if unknown:
        row = int(np.argmax(names == unknown[0]))
        raise DataError(
            path,
            f"row {row} is {unknown[0]!r}",
            field="category",
            expected=f"one of {', '.join(ANNOTATION_CATEGORIES)}",
        )
    return np.array([CATEGORY_NUMBERS[str(kind)] for kind in kinds], dtype=np.int64)[which]
