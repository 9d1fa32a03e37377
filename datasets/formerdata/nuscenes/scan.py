"""Scans of the LiDAR, and several of them in the frame of the latest."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from formerdata.float_rows import not_finite, read_float_rows, unchecked_rows
from formerkit.io import DataError

NEAR = 1.0
"""Half the side of the square around the sensor whose points are left out of the scans before the key frame, m."""

_COLUMNS = ("x", "y", "z", "intensity", "ring")


def read_scan(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a ``.pcd.bin``: [N, 5] float32 x, y, z (m), intensity (0 to 255), ring (0 to 31, of the 32 beams).

    The LiDAR's frame is x right, y ahead, z up. An empty file is a scan without points.

    Raises:
        DataError: If there is no such file, its size is not a whole number of points, or a value is not finite; the
            byte is named.
    """
    try:
        return read_float_rows(path, _COLUMNS)
    except FileNotFoundError:
        raise _absent(path) from None


def merge_scans(
    paths: Sequence[str | os.PathLike[str]], transforms: np.ndarray, delays: Sequence[float], near: float = NEAR
) -> np.ndarray:
    """[N, 5] float32 x, y, z (m, frame of the first scan), intensity (0 to 255), age (s) of the points of some scans.

    The first is the key frame, all of whose points are kept; of the others those near the sensor are left out, which
    lie on the car (as OpenPCDet has it; the devkit leaves them out of the key frame, too).

    Args:
        paths: The scans.
        transforms: [n, 4, 4] float64, key frame from each.
        delays: [n] seconds from each scan to the key frame.
        near: Points with \\|x\\| and \\|y\\| both below this are near.

    Raises:
        DataError: As :func:`read_scan`.
    """
    from formerdata.nuscenes.scan_kernels import place_points

    scans = [_read(path) for path in paths]
    out = np.empty((sum(map(len, scans)), 5), dtype=np.float32)
    end = 0
    for i, raw in enumerate(scans):
        end = place_points(raw, transforms[i], near if i else 0.0, np.float32(delays[i]), out, end)
        if end < 0:
            raise not_finite(paths[i], raw, -1 - end, _COLUMNS)
    return out[:end]


def _read(path: str | os.PathLike[str]) -> np.ndarray:
    try:
        return unchecked_rows(path, _COLUMNS)
    except FileNotFoundError:
        raise _absent(path) from None


def _absent(path: str | os.PathLike[str]) -> DataError:
    return DataError(path, "no such file", expected="a scan of the LiDAR")
