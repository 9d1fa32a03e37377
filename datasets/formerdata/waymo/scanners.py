"""The five scanners of the built-in Waymo car: where they sit, where their pixels look, what they report.

Modelled on what Waymo publishes of its cars: a top scanner of 64 unevenly spaced beams that turns ten times a second
and reaches 75 m, and four short-range ones at the bumpers and front doors, that look down to their feet and reach 20 m.
The places and numbers of beams are those of the data set, rounded; none of its values is stored here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from formerdata.scenes.lidar import Rays
from formerdata.scenes.materials import table
from formerdata.waymo.range_image import LidarCalibration
from formerdata.waymo.schema import TOP


@dataclass(frozen=True)
class Scanner:
    """A scanner on the car.

    Attributes:
        laser: Its number.
        place: x, y, z in the vehicle's frame, m.
        turn: roll, pitch, yaw on the car, rad.
        height, width: Of its range image.
        lowest, highest: Borders of its field of view, rad.
        max_range, min_range: m.
        noise: Standard deviation of the range, m.
    """

    laser: int
    place: tuple[float, float, float]
    turn: tuple[float, float, float]
    height: int = 200
    width: int = 600
    lowest: float = -np.pi / 2
    highest: float = np.pi / 6
    max_range: float = 20.0
    min_range: float = 0.3
    noise: float = 0.01

    def calibration(self) -> LidarCalibration:
        """As a segment's calibration table has it."""
        extrinsic = pose_matrix(np.array([*self.turn, *self.place]))
        listed = None
        if self.laser == TOP:  # close together at the horizon, as far things need it
            share = np.linspace(0.0, 1.0, self.height) ** 0.7
            listed = self.lowest + share * (self.highest - self.lowest)
        return LidarCalibration(extrinsic, listed, self.lowest, self.highest)


SCANNERS = (
    Scanner(TOP, (1.43, 0.0, 2.18), (0.004, -0.006, 2.58), 64, 2650, -0.307, 0.042, max_range=75.0, min_range=1.0),
    Scanner(2, (4.07, 0.0, 0.69), (0.01, 0.0, 0.01)),
    Scanner(3, (3.25, 1.02, 0.98), (0.0, 0.01, 1.57)),
    Scanner(4, (3.25, -1.02, 0.98), (-0.01, 0.0, -1.57)),
    Scanner(5, (-1.15, 0.0, 0.46), (0.0, -0.01, 3.13)),
)  # fmt: skip


def scanners(detail: float = 1.0) -> tuple[Scanner, ...]:
    """The five scanners, their images narrower by the factor ``detail`` (above 0, at most 1)."""
    return tuple(replace(each, width=max(8, round(each.width * detail))) for each in SCANNERS)


def pose_matrix(pose: np.ndarray) -> np.ndarray:
    """[..., 4, 4] float64 transforms of poses [..., 6]: roll, pitch, yaw (about x, then y, then z; rad), x, y, z."""
    pose = np.asarray(pose, dtype=np.float64)
    (cr, cp, cy), (sr, sp, sy) = (np.moveaxis(f(pose[..., :3]), -1, 0) for f in (np.cos, np.sin))
    matrix = np.zeros((*pose.shape[:-1], 4, 4))
    matrix[..., 0, :3] = np.stack([cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr], axis=-1)
    matrix[..., 1, :3] = np.stack([sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr], axis=-1)
    matrix[..., 2, :3] = np.stack([-sp, cp * sr, cp * cr], axis=-1)
    matrix[..., :3, 3], matrix[..., 3, 3] = pose[..., 3:], 1.0
    return matrix


def matrix_pose(matrix: np.ndarray) -> np.ndarray:
    """[6] roll, pitch, yaw, x, y, z of a transform [4, 4]: the inverse of :func:`pose_matrix`."""
    pitch = np.arcsin(np.clip(-matrix[2, 0], -1.0, 1.0))
    roll, yaw = np.arctan2(matrix[2, 1], matrix[2, 2]), np.arctan2(matrix[1, 0], matrix[0, 0])
    return np.array([roll, pitch, yaw, *matrix[:3, 3]])


def pixel_rays(scanner: Scanner, columns: np.ndarray) -> tuple[Rays, np.ndarray]:
    """Rays through the pixels of some columns, and where each of the rays' columns is in ``columns``.

    The caster wants azimuths that rise from 0; those of an image fall.
    """
    calibration = scanner.calibration()
    elevations = calibration.rows(scanner.height)
    azimuths = calibration.columns(scanner.width)[columns] % (2 * np.pi)
    order = np.argsort(azimuths)
    azimuths = azimuths[order]
    level, rise = np.cos(elevations)[:, None], np.sin(elevations)[:, None]
    directions = [level * np.cos(azimuths), level * np.sin(azimuths), np.broadcast_to(rise, (len(level), len(order)))]
    return Rays(np.stack(directions, axis=-1), elevations, azimuths, 0.0, np.zeros(1)), order


def echo(
    scanner: Scanner,
    distance: np.ndarray,
    material: np.ndarray,
    tone: np.ndarray,
    incidence: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """[N, 3] float32 range (m; -1 where the echo is lost), intensity and elongation of N hits.

    Intensity goes with the reflectance, and beyond 1 for retroreflectors; elongation grows with the depth of foliage
    and with slanting incidence.
    """
    depth = rng.standard_exponential(len(distance)) * table("depth")[material]
    measured = distance + depth + rng.normal(0.0, scanner.noise, len(distance))
    facing = np.clip(incidence, 1e-3, 1.0)
    reflectance = table("reflectance")[material] * tone * facing ** table("gloss")[material]
    power = reflectance * (1.0 - table("veil")[material]) * (scanner.max_range / np.maximum(distance, 1.0)) ** 2
    seen = (rng.random(len(distance)) < power / (power + 0.03)) & (measured > scanner.min_range)
    seen &= measured < scanner.max_range
    grain = rng.normal(0.0, 1.0, len(distance)) * table("grain")[material]
    intensity = np.maximum(reflectance + grain, 0.0) * np.where(reflectance > 0.75, 10.0, 1.0)
    elongation = np.minimum(0.3 * depth + 0.1 * (1.0 - facing) ** 2 * rng.random(len(distance)), 1.5)
    return np.stack([np.where(seen, measured, -1.0), intensity, elongation], axis=1).astype(np.float32)
