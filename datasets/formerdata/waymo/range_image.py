"""Range images: where the rays of their pixels go, and the points that they hold.

Row 0 is the highest beam; column 0 looks backwards and the columns go clockwise seen from above, in the vehicle's
frame: the azimuths in the scanner's own frame are turned back by the yaw of its extrinsic. Source: the functions of
``waymo_open_dataset.utils.range_image_utils``. These sum in float32, in which a world coordinate of 16 km has a
resolution of 1 mm: theirs and ours differ by as much for the top scanner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from formerkit.parallel import run_ranges

CHANNELS = 4
"""Of a range image: range, intensity, elongation, no-label zone."""


@dataclass(frozen=True)
class LidarCalibration:
    """Of one scanner, for a whole segment.

    Attributes:
        extrinsic: [4, 4] float64, vehicle from scanner.
        inclinations: [H] float64 elevation of each beam, rad, rising; or None where they are evenly spaced.
        lowest, highest: Borders of the field of view, rad: each evenly spaced beam is in the middle of its share.
    """

    extrinsic: np.ndarray
    inclinations: np.ndarray | None
    lowest: float
    highest: float

    def rows(self, height: int) -> np.ndarray:
        """[H] float64 elevation of the rows of a range image, rad, row 0 first (falling).

        Raises:
            ValueError: If the calibration lists another number of beams.
        """
        rising = self.inclinations
        if rising is None:
            rising = self.lowest + (np.arange(height) + 0.5) / height * (self.highest - self.lowest)
        if len(rising) != height:
            raise ValueError(f"{len(rising)} beam inclinations for {height} rows")
        return np.ascontiguousarray(rising[::-1])

    def columns(self, width: int) -> np.ndarray:
        """[W] float64 azimuth of the columns in the scanner's frame, rad (not wrapped), falling."""
        yaw = np.arctan2(self.extrinsic[1, 0], self.extrinsic[0, 0])
        return ((np.arange(width, 0, -1) - 0.5) / width * 2 - 1) * np.pi - yaw


def range_image_points(
    image: np.ndarray,
    calibration: LidarCalibration,
    poses: np.ndarray | None = None,
    vehicle_from_world: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The points of one return of one scanner.

    Args:
        image: [H, W, 4] float32; pixels whose range is not above 0 (or is no number) hold no point.
        calibration: Of the scanner.
        poses: [H, W, 6] float32 roll, pitch, yaw, x, y, z: the vehicle in the world at the time of each pixel. Only
            the top scanner has them.
        vehicle_from_world: [4, 4] float64, the inverse of the frame's pose; with ``poses``.

    Returns:
        Points [N, 5] float32: x, y, z (m) in the vehicle's frame at the time of the frame, intensity, elongation (both
        as they are stored; tanh is a matter of the model). And [N] int64 pixels, row * W + column, rising.

    Raises:
        ValueError: If shapes do not fit together, or ``poses`` comes without ``vehicle_from_world``.
    """
    if image.ndim != 3 or image.shape[2] != CHANNELS:
        raise ValueError(f"range image: expected a shape [H, W, {CHANNELS}], got {list(image.shape)}")
    height, width = image.shape[:2]
    if poses is None:
        poses = np.empty((0, 0, 6), dtype=np.float32)
        vehicle_from_world = np.eye(4)
    elif poses.shape != (height, width, 6):
        raise ValueError(f"poses: expected a shape [{height}, {width}, 6], got {list(poses.shape)}")
    if vehicle_from_world is None:
        raise ValueError("vehicle_from_world: expected the inverse pose of the frame, with poses of the pixels")
    from formerdata.waymo.range_kernels import unproject  # numba is costly to import

    image = np.ascontiguousarray(image, dtype=np.float32)
    counts = np.count_nonzero(image[:, :, 0] > 0, axis=1)
    first = np.concatenate([[0], np.cumsum(counts)])
    points = np.empty((first[-1], 5), dtype=np.float32)
    pixels = np.empty(first[-1], dtype=np.int64)
    azimuths = calibration.columns(width)
    run_ranges(
        unproject,
        height,
        image,
        calibration.rows(height),
        np.stack([np.cos(azimuths), np.sin(azimuths)], axis=1),
        np.ascontiguousarray(calibration.extrinsic, dtype=np.float64),
        np.ascontiguousarray(poses, dtype=np.float32),
        np.ascontiguousarray(vehicle_from_world, dtype=np.float64),
        first,
        points,
        pixels,
        min_rows=16,
    )
    return points, pixels
