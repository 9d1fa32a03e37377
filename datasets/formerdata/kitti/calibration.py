"""KITTI's calibration files, and the way between LiDAR, rectified camera and image."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from formerdata.text import read_text
from formerkit.io import DataError

_SHAPES = {"P2": (3, 4), "R0_rect": (3, 3), "Tr_velo_to_cam": (3, 4)}


@dataclass(frozen=True)
class Calibration:
    """One frame's calibration, float32.

    Attributes:
        P2: [3, 4] projection of the left colour camera.
        R0: [3, 3] rectifying rotation.
        V2C: [3, 4] LiDAR to camera.
    """

    P2: np.ndarray
    R0: np.ndarray
    V2C: np.ndarray

    def lidar_to_rect(self, points: np.ndarray) -> np.ndarray:
        """[N, 3] LiDAR to rectified camera frame, in the points' precision."""
        return _affine(points, self.R0 @ self.V2C)

    def rect_to_lidar(self, points: np.ndarray) -> np.ndarray:
        """[N, 3] rectified camera to LiDAR frame."""
        there = self.R0.astype(np.float64) @ self.V2C.astype(np.float64)
        # A matrix inverse, not a transpose: files carry seven digits, not an exact rotation.
        back = np.linalg.inv(there[:, :3])
        return _affine(points.astype(np.float64) - there[:, 3], back).astype(points.dtype)

    def rect_to_image(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (u, v) [N, 2] and depth [N] of points in the rectified frame.

        As in the reference, (u, v) are divided by the *rectified* z, not by the projection's own third row (the two
        differ by a few millimetres), and the depth is that third row less the camera's offset. Points in the camera's
        plane have pixels that are not finite.
        """
        projected = _affine(points, self.P2)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            pixels = projected[:, :2] / points[:, 2:3]
        return pixels, projected[:, 2] - self.P2[2, 3]

    def lidar_to_image(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (u, v) [N, 2] and depth [N] of LiDAR points [N, 3]."""
        return self.rect_to_image(self.lidar_to_rect(points))


def _affine(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """[N, 3] ``matrix[:, :3] @ point (+ matrix[:, 3])``.

    Column by column: a BLAS product may round the same point differently with another number of threads or points, and
    then a run that is resumed elsewhere would not see the same points.
    """
    moved = np.empty((len(points), 3), dtype=np.result_type(points, matrix))
    x, y, z = np.ascontiguousarray(points.T)
    with np.errstate(over="ignore", invalid="ignore"):  # absurd but finite coordinates project to nowhere
        for row, out in zip(matrix, moved.T, strict=True):
            np.multiply(x, row[0], out=out)
            out += y * row[1]
            out += z * row[2]
            if len(row) == 4:
                out += row[3]
    return moved


def read_calibration(path: str | os.PathLike[str]) -> Calibration:
    """Read ``calib/NNNNNN.txt``; the lines are found by their names.

    Raises:
        DataError: If a matrix is missing, twice there, malformed, not finite or not what it should be (a rotation, a
            projection); the line is named.
        FileNotFoundError: If there is no such file.
    """
    found: dict[str, np.ndarray] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        name, separator, rest = line.partition(":")
        name = name.strip()
        if not separator or name not in _SHAPES:
            continue
        if name in found:
            raise DataError(path, "stands here a second time", line=number, field=name, expected="one such line")
        found[name] = _matrix(rest.split(), _SHAPES[name], path, number, name)
        if expected := _unfit(name, found[name].astype(np.float64)):
            raise DataError(path, "the numbers cannot be right", line=number, field=name, expected=expected)
    if missing := [name for name in _SHAPES if name not in found]:
        raise DataError(path, f"no line {', '.join(missing)}", expected="the lines P2, R0_rect and Tr_velo_to_cam")
    return Calibration(found["P2"], found["R0_rect"], found["Tr_velo_to_cam"])


def _unfit(name: str, matrix: np.ndarray) -> str | None:
    """What the matrix should be, if it is not."""
    left = matrix[:, :3]
    if name == "P2":
        fits = left[0, 0] > 0 and left[1, 1] > 0 and abs(left[2, 2] - 1) < 1e-3 and np.linalg.det(left) > 0
        return None if fits else "a projection (positive focal lengths, third row 0 0 1)"
    fits = np.abs(left @ left.T - np.eye(3)).max() < 0.01 and np.linalg.det(left) > 0
    return None if fits else "a rotation (and a shift)" if matrix.shape[1] == 4 else "a rotation"


def _matrix(words: list[str], shape: tuple[int, int], path: str | os.PathLike[str], line: int, name: str) -> np.ndarray:
    expected = f"{shape[0] * shape[1]} finite numbers"
    try:
        values = np.array([float(word) for word in words], dtype=np.float32)
    except ValueError:
        raise DataError(path, "not all entries are numbers", line=line, field=name, expected=expected) from None
    if values.size != shape[0] * shape[1] or not np.isfinite(values).all():
        raise DataError(path, f"{values.size} numbers", line=line, field=name, expected=expected)
    return values.reshape(shape)
