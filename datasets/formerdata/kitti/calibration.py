"""KITTI's calibration files, and the way between LiDAR, rectified camera and image."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
        """[N, 3] LiDAR to rectified camera frame, float32."""
        rotation = self.R0 @ self.V2C[:, :3]
        return points @ rotation.T + self.R0 @ self.V2C[:, 3]

    def rect_to_lidar(self, points: np.ndarray) -> np.ndarray:
        """[N, 3] rectified camera to LiDAR frame."""
        rotation = (self.R0.astype(np.float64) @ self.V2C[:, :3].astype(np.float64)).T
        shift = self.R0.astype(np.float64) @ self.V2C[:, 3].astype(np.float64)
        # The rotation's inverse is taken as a matrix inverse: files carry seven digits, not an exact rotation.
        return ((points.astype(np.float64) - shift) @ np.linalg.inv(rotation)).astype(points.dtype)

    def rect_to_image(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (u, v) [N, 2] and depth [N] of points in the rectified frame.

        As in the reference, (u, v) are divided by the *rectified* z, not by the projection's own third row (the two
        differ by a few millimetres), and the depth is that third row less the camera's offset.
        """
        projected = points @ self.P2[:, :3].T + self.P2[:, 3]
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = projected[:, :2] / points[:, 2:3]
        return pixels, projected[:, 2] - self.P2[2, 3]

    def lidar_to_image(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (u, v) [N, 2] and depth [N] of LiDAR points [N, 3]."""
        return self.rect_to_image(self.lidar_to_rect(points))


def read_calibration(path: str | os.PathLike[str]) -> Calibration:
    """Read ``calib/NNNNNN.txt``.

    Raises:
        DataError: If a matrix is missing, malformed, not finite or not invertible.
    """
    found: dict[str, np.ndarray] = {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        name, separator, rest = line.partition(":")
        name = name.strip()
        if separator and name in _SHAPES:
            found[name] = _matrix(rest.split(), _SHAPES[name], path, number, name)
    if missing := [name for name in _SHAPES if name not in found]:
        raise DataError(path, f"no line {', '.join(missing)}", expected="the lines P2, R0_rect and Tr_velo_to_cam")
    for name in ("R0_rect", "Tr_velo_to_cam"):
        if abs(np.linalg.det(found[name][:, :3].astype(np.float64))) < 0.5:
            raise DataError(path, "not a rotation (its determinant is near 0)", field=name, expected="a rotation")
    if found["P2"][0, 0] <= 0 or found["P2"][1, 1] <= 0:
        raise DataError(path, "focal lengths are not positive", field="P2", expected="a projection matrix")
    return Calibration(found["P2"], found["R0_rect"], found["Tr_velo_to_cam"])


def _matrix(words: list[str], shape: tuple[int, int], path: str | os.PathLike[str], line: int, name: str) -> np.ndarray:
    expected = f"{shape[0] * shape[1]} finite numbers"
    try:
        values = np.array([float(word) for word in words], dtype=np.float32)
    except ValueError:
        raise DataError(path, "not all entries are numbers", line=line, field=name, expected=expected) from None
    if values.size != shape[0] * shape[1] or not np.isfinite(values).all():
        raise DataError(path, f"{values.size} numbers", line=line, field=name, expected=expected)
    return values.reshape(shape)
