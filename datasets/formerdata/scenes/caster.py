"""Casting the scanner's rays at a triangle mesh (the arithmetic is in :mod:`formerdata.scenes.caster_kernels`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from formerdata.scenes.lidar import NUM_BEAMS, UPPER_BEAMS, Rays


@dataclass(frozen=True)
class Hits:
    """What each ray meets first.

    Attributes:
        distance: ``[64, A]`` float64, m; infinite where nothing is met.
        triangle: ``[64, A]`` int32, -1 where nothing is met.
        own_rays: ``[number of owners]`` int64, rays that would hit the owner if nothing stood in front of it.
    """

    distance: np.ndarray
    triangle: np.ndarray
    own_rays: np.ndarray


def cast(
    rays: Rays,
    corners: np.ndarray,
    opacity: np.ndarray,
    owners: np.ndarray,
    *,
    num_owners: int,
    chance: np.ndarray,
    max_range: float,
    block_ends: tuple[int, ...] = (UPPER_BEAMS, NUM_BEAMS),
) -> Hits:
    """The nearest triangle on every ray.

    Args:
        corners: ``[T, 3, 3]`` float64, m, in the scanner's frame.
        opacity: ``[T]`` float64, share of the pulses that a triangle stops.
        owners: ``[T]`` int32, which object a triangle belongs to, -1 for none; equal numbers stand together.
        num_owners: Number of objects.
        chance: ``[64, A]`` float64 in [0, 1): decides which pulses pass a triangle of low opacity.
        max_range: Triangles beyond are not met, m.
        block_ends: Where the beams of each of the rays' origins end.
    """
    from formerdata.scenes import caster_kernels  # numba is costly to import

    shape = rays.directions.shape[:2]
    distance = np.full(shape, np.inf)
    triangle = np.full(shape, -1, dtype=np.int32)
    own_rays = np.zeros(max(num_owners, 1), dtype=np.int64)
    caster_kernels.cast(
        np.ascontiguousarray(corners, dtype=np.float64),
        np.ascontiguousarray(opacity, dtype=np.float64),
        np.ascontiguousarray(owners, dtype=np.int32),
        rays.directions,
        np.tan(rays.elevations),
        rays.azimuths,
        float(rays.max_offset),
        rays.origins,
        np.array(block_ends),
        chance,
        float(max_range),
        distance,
        triangle,
        np.full(shape, -1, dtype=np.int32),
        own_rays,
    )
    return Hits(distance, triangle, own_rays[:num_owners])
