"""The laser scanner: where its beams go, and what it reports of what they hit.

Modelled on the Velodyne HDL-64E S2 of KITTI's car: 64 lasers in two blocks (the upper one about three to a degree, the
lower one two to a degree) which turn ten times a second, and whose azimuths are read from an encoder with steps of
0.09 degrees. A scan lists the lasers from the top down, and each laser's points counter-clockwise from +x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from formerdata.scenes.materials import table

NUM_BEAMS = 64
UPPER_BEAMS = 32
SENSOR_HEIGHT = 1.73
# Elevation of the topmost and the lowest beam of either block, degrees, and the height of the block's optical centre
# above the origin of the Velodyne frame, m.
_UPPER = (1.94, -8.71, 0.204)
_LOWER = (-9.03, -25.0, 0.121)
# Spacing within a block is uneven from the factory, and a little different in each unit (degrees).
_UPPER_UNEVEN, _LOWER_UNEVEN = 0.03, 0.06
_ENCODER_STEP = np.radians(0.09)
_FIRINGS = 2175
# Reflectance that the scanner reports as 0, and how sharply echoes fail below the threshold.
_DARK_LEVEL = 0.06
_SHARPNESS = 3.0


@dataclass(frozen=True)
class Rays:
    """The pulses of one turn.

    Attributes:
        directions: ``[64, A, 3]`` float64 unit vectors, beams from the top down, azimuth rising from 0.
        elevations: ``[64]`` float64, rad, falling.
        azimuths: ``[A]`` float64 in ``[0, 2 pi)``, rising; a pulse may deviate by less than ``max_offset``.
        max_offset: rad.
        origins: ``[2]`` float64, z of the upper and the lower block's centre; x and y are 0.
    """

    directions: np.ndarray
    elevations: np.ndarray
    azimuths: np.ndarray
    max_offset: float
    origins: np.ndarray


def scan_rays(rng: np.random.Generator) -> Rays:
    """The rays of a turn of one unit: factory tolerances and the phase of the encoder drawn from ``rng``."""
    elevations = np.concatenate(
        [
            _block(rng, _UPPER[0], _UPPER[1], _UPPER_UNEVEN, UPPER_BEAMS),
            _block(rng, _LOWER[0], _LOWER[1], _LOWER_UNEVEN, NUM_BEAMS - UPPER_BEAMS),
        ]
    )
    turn = 2 * np.pi
    ideal = (np.arange(_FIRINGS) + rng.random()) * (turn / _FIRINGS)
    azimuths = np.unique(np.floor(ideal / _ENCODER_STEP)) * _ENCODER_STEP
    # Each laser of the unit is aimed a little to the side, and the encoder's readings tremble.
    max_offset = _ENCODER_STEP
    offsets = rng.uniform(0.1, 0.8, (NUM_BEAMS, 1)) + rng.uniform(-0.1, 0.1, (NUM_BEAMS, len(azimuths)))
    azimuth = azimuths + offsets * max_offset
    level = np.cos(elevations)[:, None]
    rise = np.broadcast_to(np.sin(elevations)[:, None], azimuth.shape)
    directions = np.stack([level * np.cos(azimuth), level * np.sin(azimuth), rise], axis=-1)
    return Rays(directions, elevations, azimuths, max_offset, np.array([_UPPER[2], _LOWER[2]]))


def _block(rng: np.random.Generator, top: float, bottom: float, uneven: float, beams: int) -> np.ndarray:
    elevations = np.linspace(top, bottom, beams) + rng.uniform(-2 * uneven, 2 * uneven, beams)
    return np.radians(np.sort(elevations)[::-1])


@dataclass(frozen=True)
class Sensor:
    """What the scanner reports.

    Attributes:
        max_range: Farthest reading, m.
        min_range: Nearest reading, m.
        range_noise: Standard deviation of the range, m.
        threshold: Reflectance over squared range below which more than half of the echoes are lost, 1/m^2.
        gain_spread: Mean loss of the lasers against the best: each reads brightness in its own scale.
    """

    max_range: float = 80.0
    min_range: float = 1.5
    range_noise: float = 0.018
    threshold: float = 2.0e-5
    gain_spread: float = 0.2


@dataclass(frozen=True)
class Echoes:
    """The rays that hit something (``[H]`` each), in the order of the scan.

    Attributes:
        rays: int64 index into the flattened ``[64, A]`` rays.
        distance: float64, m.
        material: int16.
        tone: float64, the reflectance of that very thing over that of its material.
        incidence: float64, cosine of the angle to the surface's normal, 0 to 1.
    """

    rays: np.ndarray
    distance: np.ndarray
    material: np.ndarray
    tone: np.ndarray
    incidence: np.ndarray


def measure(rays: Rays, echoes: Echoes, sensor: Sensor, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What the scanner writes down.

    Returns:
        ``[P, 4]`` float32 rows (x, y, z, reflectance), rounded to 1 mm and 0.01 as KITTI's scans are, and ``[P]`` int64
        indices into ``echoes``: which of them were seen.
    """
    m, count = echoes.material, len(echoes.material)
    beams = echoes.rays // len(rays.azimuths)
    # Foliage answers from somewhere inside; everything else from its surface, give or take the timer's noise.
    distance = echoes.distance + rng.standard_exponential(count) * table("depth")[m]
    distance = distance + rng.normal(0.0, sensor.range_noise, count)
    facing = np.clip(echoes.incidence, 1e-3, 1.0)
    reflectance = table("reflectance")[m] * echoes.tone * facing ** table("gloss")[m]

    gain = np.clip(1.1 - sensor.gain_spread * rng.standard_exponential(NUM_BEAMS), 0.15, 1.1)[beams]
    power = gain * reflectance * (1.0 - table("veil")[m]) / distance**2
    # A soft threshold: echoes of one surface come or fail together, laser by laser, as black cars do in real scans.
    seen = rng.random(count) * (1.0 + (sensor.threshold / power) ** _SHARPNESS) < 1.0
    seen &= (distance > sensor.min_range) & (distance < sensor.max_range)
    kept = np.flatnonzero(seen)

    reading = gain * reflectance - _DARK_LEVEL + rng.normal(0.0, 1.0, count) * table("grain")[m]
    points = np.empty((len(kept), 4))
    points[:, :3] = rays.directions.reshape(-1, 3)[echoes.rays[kept]] * distance[kept, None]
    points[:, 2] += rays.origins[(beams[kept] >= UPPER_BEAMS).astype(int)]
    points[:, :3] = np.round(points[:, :3], 3)
    points[:, 3] = np.round(np.clip(reading[kept], 0.0, 0.99), 2)
    return points.astype(np.float32), kept
