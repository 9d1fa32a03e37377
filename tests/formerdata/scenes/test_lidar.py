"""The scanner: where its beams go, and what it reports."""

from __future__ import annotations

import numpy as np
import pytest
from formerdata.scenes.lidar import NUM_BEAMS, UPPER_BEAMS, Echoes, Rays, Sensor, measure, scan_rays
from formerdata.scenes.materials import SURFACES, Material, Surface, table


@pytest.fixture(scope="module")
def rays() -> Rays:
    return scan_rays(np.random.default_rng(0))


def wall(rays: Rays, distance: float, material: Material, *, incidence: float = 1.0, every: int = 1) -> Echoes:
    """The same echo on all rays."""
    index = np.arange(0, rays.directions.shape[0] * rays.directions.shape[1], every)
    ones = np.ones(len(index))
    return Echoes(index, distance * ones, np.full(len(index), int(material), np.int16), ones, incidence * ones)


def test_beams_are_those_of_the_hdl_64e(rays: Rays) -> None:
    assert rays.directions.shape[0] == NUM_BEAMS == 64
    np.testing.assert_allclose(np.linalg.norm(rays.directions, axis=-1), 1.0)
    degrees = np.degrees(rays.elevations)
    assert (np.diff(degrees) < 0).all()
    assert 1.5 < degrees[0] < 2.5
    assert -26 < degrees[-1] < -24
    upper, lower = -np.diff(degrees[:UPPER_BEAMS]), -np.diff(degrees[UPPER_BEAMS:])
    assert upper.mean() == pytest.approx(1 / 3, abs=0.03)
    assert lower.mean() == pytest.approx(1 / 2, abs=0.03)
    assert upper.std() > 0.01  # uneven
    np.testing.assert_allclose(
        np.arcsin(rays.directions[..., 2]), rays.elevations[:, None] + 0 * rays.azimuths, atol=1e-12
    )


def test_azimuths_turn_once_counter_clockwise(rays: Rays) -> None:
    assert 1900 < len(rays.azimuths) < 2300
    azimuth = np.arctan2(rays.directions[..., 1], rays.directions[..., 0]) % (2 * np.pi)
    deviation = azimuth - rays.azimuths
    assert deviation.min() >= 0
    assert deviation.max() < rays.max_offset
    assert (np.diff(azimuth, axis=1) > 0).all()
    steps = np.degrees(np.diff(rays.azimuths)) / 0.09
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)


def test_reported_points_lie_on_their_rays_within_the_noise(rays: Rays) -> None:
    sensor = Sensor(range_noise=0.02)
    points, kept = measure(rays, wall(rays, 20.0, Material.PLASTER, every=7), sensor, np.random.default_rng(1))
    assert points.dtype == np.float32
    index = np.arange(0, rays.directions.shape[0] * rays.directions.shape[1], 7)[kept]
    beam = index // len(rays.azimuths)
    origin = np.zeros((len(kept), 3))
    origin[:, 2] = rays.origins[(beam >= UPPER_BEAMS).astype(int)]
    along = points[:, :3] - origin
    direction = rays.directions.reshape(-1, 3)[index]
    distance = (along * direction).sum(1)
    assert np.abs(np.cross(along, direction)).max() < 2e-3  # rounding to 1 mm
    assert distance.mean() == pytest.approx(20.0, abs=0.002)
    assert distance.std() == pytest.approx(0.02, rel=0.1)
    np.testing.assert_allclose(points[:, :3], np.round(points[:, :3].astype(float), 3), atol=4e-6)
    np.testing.assert_allclose(points[:, 3] * 100, np.round(points[:, 3] * 100), atol=1e-4)


def share(rays: Rays, distance: float, material: Material, incidence: float = 1.0) -> float:
    echoes = wall(rays, distance, material, incidence=incidence, every=11)
    return len(measure(rays, echoes, Sensor(), np.random.default_rng(2))[1]) / len(echoes.rays)


def test_weak_echoes_are_lost_strong_ones_are_not(rays: Rays) -> None:
    assert share(rays, 10.0, Material.PLASTER) > 0.995
    assert share(rays, 85.0, Material.PLASTER) == 0.0  # beyond the farthest reading
    assert share(rays, 0.8, Material.PLASTER) == 0.0
    assert share(rays, 60.0, Material.PLATE) > 0.97
    assert (
        share(rays, 8.0, Material.PAINT_DARK)
        > share(rays, 25.0, Material.PAINT_DARK)
        > share(rays, 50.0, Material.PAINT_DARK)
    )
    assert share(rays, 25.0, Material.PAINT_DARK) > share(rays, 25.0, Material.PAINT_DARK, incidence=0.2)
    assert share(rays, 20.0, Material.GLASS) < 0.3


def test_reflectance_tells_materials_apart(rays: Rays) -> None:
    def reading(material: Material) -> float:
        return float(
            measure(rays, wall(rays, 9.0, material, every=11), Sensor(), np.random.default_rng(3))[0][:, 3].mean()
        )

    assert reading(Material.PAINT_DARK) < 0.05
    assert reading(Material.ASPHALT) == pytest.approx(0.22, abs=0.1)
    assert reading(Material.PLATE) > 0.7
    everything = [reading(material) for material in Material]
    assert min(everything) >= 0.0
    assert max(everything) <= 0.99


def test_every_material_has_a_surface() -> None:
    assert set(SURFACES) == set(Material)
    opacity = table("opacity")
    assert opacity[Material.GLASS] == SURFACES[Material.GLASS].opacity < 1.0 == Surface(0.5).opacity
    assert ((opacity > 0) & (opacity <= 1)).all()
