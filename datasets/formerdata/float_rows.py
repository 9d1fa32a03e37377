"""Files of bare float32 numbers, so many a point: the form in which KITTI, nuScenes and ONCE store scans."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from formerkit.io import DataError


def read_float_rows(path: str | os.PathLike[str], fields: Sequence[str]) -> np.ndarray:
    """[N, F] float32; an empty file is one without points.

    Args:
        path: The file, little-endian.
        fields: What the F numbers of a point are.

    Raises:
        DataError: If the size is not a whole number of points, or a value is not finite; the byte is named.
        FileNotFoundError: If there is no such file.
    """
    points = unchecked_rows(path, fields)
    # One sum is much quicker than isfinite over all: it is finite only if every value is (or overflows, then we look).
    if not np.isfinite(points.sum(dtype=np.float64)):
        bad = np.flatnonzero(~np.isfinite(points))
        if bad.size:
            raise not_finite(path, points, int(bad[0]) // len(fields), fields)
    return points


def unchecked_rows(path: str | os.PathLike[str], fields: Sequence[str]) -> np.ndarray:
    """As :func:`read_float_rows`, whatever the values are."""
    raw, width = np.fromfile(path, dtype=np.uint8), 4 * len(fields)
    if raw.size % width:
        raise DataError(
            path,
            f"{raw.size} bytes end inside a point",
            byte=raw.size - raw.size % width,
            expected=f"a multiple of {width} bytes ({len(fields)} float32 a point)",
        )
    return raw.view("<f4").reshape(-1, len(fields)).astype(np.float32, copy=False)


def not_finite(path: str | os.PathLike[str], points: np.ndarray, row: int, fields: Sequence[str]) -> DataError:
    """The error about the first value of a row that is not finite."""
    column = int(np.argmin(np.isfinite(points[row])))
    return DataError(
        path,
        f"point {row} of {len(points)} is {points[row, column]}",
        byte=4 * (row * len(fields) + column),
        field=fields[column],
        expected="finite numbers",
    )
