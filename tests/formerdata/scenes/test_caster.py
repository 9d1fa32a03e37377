"""The ray caster against testing every ray with every triangle."""

from __future__ import annotations

import numpy as np
import pytest
from formerdata.scenes.caster import Hits, cast
from formerdata.scenes.lidar import NUM_BEAMS, UPPER_BEAMS, Rays, scan_rays
from formerdata.scenes.materials import Material
from formerdata.scenes.mesh import box, ellipsoid, merge, quads, tube
from hypothesis import given, settings
from hypothesis import strategies as st

_MAX_RANGE = 80.0


def every_pair(
    rays: Rays, corners: np.ndarray, opacity: np.ndarray, owners: np.ndarray, chance: np.ndarray, count: int
) -> Hits:
    """The slow twin: Möller and Trumbore's test for all rays and all triangles, "Fast, Minimum Storage Ray/Triangle
    Intersection", 1997."""
    shape = rays.directions.shape[:2]
    distance = np.full(shape, np.inf)
    triangle = np.full(shape, -1, dtype=np.int32)
    touched = np.zeros((count, *shape), dtype=bool)
    origin = np.zeros((NUM_BEAMS, 1, 3))
    origin[:UPPER_BEAMS, 0, 2], origin[UPPER_BEAMS:, 0, 2] = rays.origins
    for t, (a, b, c) in enumerate(corners):
        p = np.cross(rays.directions, c - a)
        determinant = p @ (b - a)
        with np.errstate(divide="ignore", invalid="ignore"):
            to_origin = origin - a
            u = (to_origin * p).sum(-1) / determinant
            q = np.cross(to_origin, b - a)
            v = (rays.directions * q).sum(-1) / determinant
            r = (q @ (c - a)) / determinant
        met = (u >= 0) & (v >= 0) & (u + v <= 1) & (r > 0) & (r <= _MAX_RANGE)
        golden = (np.sqrt(5.0) - 1) / 2
        met &= (chance + (t * golden) % 1.0) % 1.0 < opacity[t]
        if owners[t] >= 0:
            touched[owners[t]] |= met
        nearer = met & (r < distance)
        distance[nearer], triangle[nearer] = r[nearer], t
    return Hits(distance, triangle, touched.sum((1, 2)))


def assert_same(
    rays: Rays, corners: np.ndarray, opacity: np.ndarray, owners: np.ndarray, chance: np.ndarray, count: int
) -> Hits:
    fast = cast(rays, corners, opacity, owners, num_owners=count, chance=chance, max_range=_MAX_RANGE)
    slow = every_pair(rays, corners, opacity, owners, chance, count)
    differ = (fast.triangle != slow.triangle) & ~np.isclose(fast.distance, slow.distance, atol=1e-9)
    # On the very edge of a triangle, rounding may decide one way or the other.
    assert differ.mean() < 1e-4
    same = ~differ & np.isfinite(slow.distance)
    np.testing.assert_allclose(fast.distance[same], slow.distance[same], rtol=0, atol=1e-8)
    np.testing.assert_allclose(fast.own_rays, slow.own_rays, atol=3)
    return fast


@pytest.fixture(scope="module")
def rays() -> Rays:
    """A scan with every eighth azimuth, so that the twin is done in time."""
    full = scan_rays(np.random.default_rng(0))
    directions = np.ascontiguousarray(full.directions[:, ::8])
    return Rays(directions, full.elevations, np.ascontiguousarray(full.azimuths[::8]), full.max_offset, full.origins)


def test_meshes_as_in_a_scene(rays: Rays) -> None:
    rng = np.random.default_rng(1)
    meshes = [
        box((5, -1, -1.7), (9, 1, 0), Material.BRICK),
        ellipsoid((-8, 3, 0), (2, 1, 1.5), Material.LEAVES),
        tube((3, 4, -1.7), (3.5, 4, 3), 0.2, Material.METAL),
        box((-30, -20, -3), (40, -19.5, 6), Material.PLASTER),
        quads(np.array([[[-60, -60, -1.7], [60, -60, -1.8], [60, 60, -1.7], [-60, 60, -1.6]]]), Material.ASPHALT),
    ]
    mesh = merge(meshes)
    owners = np.repeat([0, 1, 2, -1, -1], [len(m) for m in meshes]).astype(np.int32)
    opacity = np.where(mesh.materials == Material.LEAVES, 0.6, 1.0)
    hits = assert_same(rays, mesh.corners, opacity, owners, rng.random(rays.directions.shape[:2]), 3)
    assert np.isfinite(hits.distance).mean() > 0.7
    assert (hits.own_rays > 20).all()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.5, 5.0, 60.0]), size=st.sampled_from([0.05, 2.0, 40.0])
)
def test_any_triangles(rays: Rays, seed: int, spread: float, size: float) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.normal(size=(12, 1, 3)) * [spread, spread, 2.0] + rng.normal(size=(12, 3, 3)) * size
    # Degenerate ones too: vertical through the axis, a line, a point.
    corners[0] = [[2, 2, -2], [4, 4, -1], [3, 3, 1]]
    corners[1, 2] = corners[1, 1]
    corners[2] = corners[2, 0]
    owners = np.repeat(np.arange(4), 3).astype(np.int32)
    assert_same(rays, corners, rng.choice([0.4, 1.0], 12), owners, rng.random(rays.directions.shape[:2]), 4)


def test_a_triangle_around_the_scanner_and_one_across_the_seam(rays: Rays) -> None:
    corners = np.array(
        [
            [[20.0, 0.3, -2.0], [-20.0, 17.0, -2.0], [-20.0, -16.0, -2.0]],
            [[6.0, -1.0, -1.0], [6.0, 1.0, -1.0], [6.0, 0.1, 1.0]],
        ]
    )
    owners = np.array([0, 1], dtype=np.int32)
    hits = assert_same(rays, corners, np.ones(2), owners, np.zeros(rays.directions.shape[:2]), 2)
    assert hits.own_rays[0] > 1000
    # The second lies across azimuth 0: rays at both ends of the scan meet it.
    columns = np.flatnonzero((hits.triangle == 1).any(0))
    assert columns.min() < 20
    assert columns.max() > len(rays.azimuths) - 20


def test_nothing_to_hit(rays: Rays) -> None:
    empty = np.zeros((0, 3, 3))
    hits = cast(rays, empty, np.ones(0), np.zeros(0, np.int32), num_owners=0, chance=np.zeros((64, 1)), max_range=80.0)
    assert (hits.triangle == -1).all()
    assert len(hits.own_rays) == 0
