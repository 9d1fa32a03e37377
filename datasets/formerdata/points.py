"""Point clouds from files of the usual kinds."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from formerdata.float_rows import read_float_rows
from formerdata.kitti.files import read_scan
from formerkit.io import DataError, require

SUFFIXES = (".bin", ".npy", ".pcd", ".ply")


def read_points(path: str | os.PathLike[str], *, bin_columns: int = 4) -> np.ndarray:
    """[N, 4] float32 x, y, z (m), intensity (0 where the file has none).

    ``.bin`` is KITTI's Velodyne form, ``.npy`` an array of three or four columns; ``.pcd`` and ``.ply`` need Open3D.
    Rows of NaN coordinates in a ``.pcd`` are left out: that is how organised clouds mark rays without an echo.

    Args:
        path: The file.
        bin_columns: Numbers a point in a ``.bin`` file; those behind the fourth are left out. KITTI has 4. Waymo's and
            nuScenes' frames have 6 (with elongation and time) and 5 in the form that MMDetection3D gives them. The file
            does not say; :func:`read_bin` gives all of them.

    Raises:
        DataError: If the file is absent, malformed, of another kind, or holds values that are not finite.
        MissingExtraError: If Open3D is needed and absent.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(path, "no such file", expected="a point cloud")
    if path.suffix == ".bin":
        return read_scan(path) if bin_columns == 4 else np.ascontiguousarray(read_bin(path, bin_columns)[:, :4])
    if path.suffix == ".npy":
        points = _from_array(path)
    elif path.suffix in SUFFIXES:
        points = _from_open3d(path)
    else:
        raise DataError(path, f"unknown kind {path.suffix!r}", expected=f"one of {', '.join(SUFFIXES)}")
    _refuse_infinite(path, points)
    return points


def read_bin(path: str | os.PathLike[str], columns: int) -> np.ndarray:
    """[N, columns] float32, little-endian, one point after the other; the first four are x, y, z, intensity.

    Raises:
        ValueError: If ``columns`` is below 4.
        DataError: If the file is absent, its size is not a whole number of points, or a value is not finite.
    """
    path = Path(path)
    if columns < 4:
        raise ValueError(f"read_bin: expected 4 columns or more, got {columns}")
    if not path.is_file():
        raise DataError(path, "no such file", expected="a point cloud")
    return read_float_rows(path, ("x", "y", "z", "intensity", *(f"column {i}" for i in range(5, columns + 1))))


def _refuse_infinite(path: Path, points: np.ndarray) -> None:
    if not np.isfinite(points).all():
        row = int(np.argwhere(~np.isfinite(points))[0, 0])
        raise DataError(path, f"point {row} is not finite", expected="finite numbers")


def _with_intensity(xyz: np.ndarray, intensity: np.ndarray | None) -> np.ndarray:
    points = np.zeros((len(xyz), 4), dtype=np.float32)
    points[:, :3] = xyz
    if intensity is not None:
        points[:, 3] = intensity
    return points


def _from_array(path: Path) -> np.ndarray:
    try:
        with open(path, "rb") as file:
            # Unlike np.load it takes nothing but a single plain array: no archive, no pickle.
            array = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:
        raise DataError(path, f"not a plain array ({error})", expected="an array of numbers") from error
    if array.ndim != 2 or array.shape[1] not in (3, 4) or array.dtype.kind not in "fiu":
        raise DataError(path, f"shape {array.shape}, type {array.dtype}", expected="numbers, [N, 3] or [N, 4]")
    return _with_intensity(array[:, :3], array[:, 3] if array.shape[1] == 4 else None)


def _from_open3d(path: Path) -> np.ndarray:
    open3d = require("open3d", "viz", purpose=f"reading {path.suffix} files")
    cloud = open3d.t.io.read_point_cloud(str(path))
    if cloud.is_empty():
        raise DataError(path, "no points could be read")
    names = [name for name in ("intensity", "intensities", "reflectance") if name in cloud.point]
    intensity = cloud.point[names[0]].numpy()[:, 0] if names else None
    points = _with_intensity(cloud.point.positions.numpy(), intensity)
    return points[~np.isnan(points[:, :3]).all(axis=1)] if path.suffix == ".pcd" else points
