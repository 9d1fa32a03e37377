"""The lie of the land: a tilted, gently rolling surface under the road, and the road's own shape on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from formerdata.scenes.lidar import SENSOR_HEIGHT
from formerdata.scenes.materials import Material
from formerdata.scenes.mesh import Mesh, sheet

_REACH = 86.0  # m; a little more than the scanner's


@dataclass(frozen=True)
class Ground:
    """Height of the ground in the LiDAR frame: ``z = -1.73 + slope . (x, y) + sum of long waves``.

    Attributes:
        slope: ``[2]`` rise along x and y.
        waves: ``[W, 4]`` wave vector (kx, ky, rad/m), phase, amplitude (m).
    """

    slope: np.ndarray
    waves: np.ndarray

    def height(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """z of the ground at ``x``, ``y`` (any equal shapes)."""
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        z = -SENSOR_HEIGHT + self.slope[0] * x + self.slope[1] * y
        for kx, ky, phase, amplitude in self.waves:
            z = z + amplitude * (np.sin(kx * x + ky * y + phase) - np.sin(phase))
        return z


def make_ground(rng: np.random.Generator) -> Ground:
    """A random lie of the land."""
    length = rng.uniform(60.0, 200.0, 3)
    bearing = rng.uniform(0, 2 * np.pi, 3)
    k = 2 * np.pi / length
    waves = np.stack(
        [k * np.cos(bearing), k * np.sin(bearing), rng.uniform(0, 2 * np.pi, 3), rng.uniform(0.0, 0.0016, 3) * length],
        axis=1,
    )
    return Ground(rng.normal([0.006, 0.0], [0.008, 0.014]), waves)


def ground_mesh(ground: Ground) -> Mesh:
    """The surface as triangles, fine near the scanner and coarse far away."""
    radii = np.geomspace(2.0, _REACH, 30)
    angles = np.linspace(0.0, 2 * np.pi, 61)
    x, y = radii[:, None] * np.cos(angles), radii[:, None] * np.sin(angles)
    return sheet(np.stack([x, y, ground.height(x, y)], axis=-1), Material.ASPHALT)


def plane_of(ground: Ground) -> np.ndarray:
    """Least-squares plane of the ground before the car, ``[4]`` (normal up, offset) in the LiDAR frame."""
    x, y = np.meshgrid(np.arange(4.0, 40.0, 2.0), np.arange(-8.0, 9.0, 2.0))
    columns = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], axis=1)
    a, b, c = np.linalg.lstsq(columns, ground.height(x, y).ravel(), rcond=None)[0]
    plane = np.array([-a, -b, 1.0, -c])
    return plane / np.linalg.norm(plane[:3])
