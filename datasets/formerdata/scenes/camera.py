"""KITTI's calibration for a made-up car: camera matrices and the transforms between its sensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

IMAGE_WIDTH, IMAGE_HEIGHT = 1242, 375


@dataclass(frozen=True)
class Rig:
    """Calibration of one scene, float64, in the words of KITTI's calib files.

    Attributes:
        projections: ``[4, 3, 4]``, P0 to P3.
        rectification: ``[3, 3]``, R0_rect.
        velo_to_cam: ``[3, 4]``, Tr_velo_to_cam.
        imu_to_velo: ``[3, 4]``, Tr_imu_to_velo.
    """

    projections: np.ndarray
    rectification: np.ndarray
    velo_to_cam: np.ndarray
    imu_to_velo: np.ndarray

    def lidar_to_rect(self, points: np.ndarray) -> np.ndarray:
        """LiDAR frame to rectified camera frame, ``[N, 3]`` to ``[N, 3]``."""
        camera = points @ self.velo_to_cam[:, :3].T + self.velo_to_cam[:, 3]
        return camera @ self.rectification.T

    def rect_to_image(self, points: np.ndarray) -> np.ndarray:
        """Rectified camera frame to pixels of the left colour camera, ``[N, 3]`` (in front of it) to ``[N, 2]``."""
        p2 = self.projections[2]
        image = points @ p2[:, :3].T + p2[:, 3]
        return image[:, :2] / image[:, 2:]

    def to_text(self) -> str:
        """The calib file."""
        rows = [(f"P{i}", p) for i, p in enumerate(self.projections)]
        rows += [
            ("R0_rect", self.rectification),
            ("Tr_velo_to_cam", self.velo_to_cam),
            ("Tr_imu_to_velo", self.imu_to_velo),
        ]
        return "".join(f"{name}: {' '.join(f'{v:.12e}' for v in matrix.ravel())}\n" for name, matrix in rows) + "\n"


def make_rig(rng: np.random.Generator) -> Rig:
    """A rig like those of KITTI's recording days: focal length about 720 px, cameras 0.54 m apart."""
    focal = rng.normal(719.0, 4.0)
    cx, cy = rng.normal(608.0, 3.0), rng.normal(175.0, 3.0)
    # Horizontal place of the four cameras, m right of camera 0.
    bases = [0.0, 0.537 + rng.normal(0, 0.001), -0.060 + rng.normal(0, 0.001), 0.472 + rng.normal(0, 0.001)]
    projections = []
    for i, base in enumerate(bases):
        p = np.array([[focal, 0.0, cx, -focal * base], [0.0, focal, cy, 0.0], [0.0, 0.0, 1.0, 0.0]])
        if i >= 2:
            p[1:, 3] = rng.normal(0, 0.3), rng.normal(0.0035, 0.001)
        projections.append(p)
    axes = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])  # x right, y down, z forward
    rotation = _small_rotation(rng.normal([-0.011, 0.0, 0.007], [0.006, 0.001, 0.001])) @ axes
    offset = np.array([-0.008, -0.068, -0.29]) + rng.normal(0, [0.008, 0.006, 0.03])
    return Rig(
        np.stack(projections),
        _small_rotation(rng.normal([0.0042, -0.0080, -0.0099], 0.0006)),
        np.column_stack([rotation, offset]),
        np.column_stack(
            [_small_rotation(rng.normal(0, [0.015, 0.002, 0.001])), rng.normal([-0.808, 0.32, -0.80], 0.002)]
        ),
    )


def _small_rotation(angles: np.ndarray) -> np.ndarray:
    """Rotation about x, then y, then z."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x
