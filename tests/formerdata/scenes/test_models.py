"""Vehicles and people: of KITTI's sizes, inside their boxes, feet and wheels on the ground."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from formerdata.scenes import people, surroundings, vehicles
from formerdata.scenes.materials import Material
from formerdata.scenes.mesh import Model

# Mean (and tolerance) of length, width, height over KITTI's 3,705 training label files at hand.
_KITTI = {
    "car": (vehicles.car, (3.89, 1.62, 1.53), (0.44, 0.11, 0.14)),
    "van": (vehicles.van, (5.15, 1.91, 2.19), (0.85, 0.18, 0.32)),
    "truck": (vehicles.truck, (9.2, 2.61, 3.36), (2.2, 0.23, 0.36)),
    "pedestrian": (people.pedestrian, (0.82, 0.63, 1.77), (0.25, 0.12, 0.13)),
    "sitting": (people.sitting_person, (1.06, 0.54, 1.28), (0.27, 0.07, 0.08)),
    "cyclist": (people.cyclist, (1.77, 0.57, 1.72), (0.15, 0.14, 0.10)),
}


def models(make: Callable[[np.random.Generator], Model], count: int) -> list[Model]:
    return [make(np.random.default_rng(i)) for i in range(count)]


@pytest.mark.parametrize("name", _KITTI)
def test_sizes_are_those_of_kitti(name: str) -> None:
    make, mean, deviation = _KITTI[name]
    sizes = np.array([model.size for model in models(make, 150)])
    # Within one of KITTI's own deviations, and as various as KITTI's in most sizes.
    assert (np.abs(sizes.mean(0) - mean) < np.array(deviation)).all()
    assert (sizes.std(0) < 1.5 * np.array(deviation)).all()
    if name == "car":
        np.testing.assert_allclose(sizes.mean(0), mean, rtol=0.03)
        assert (sizes.std(0) > 0.6 * np.array(deviation)).all()


@pytest.mark.parametrize("name", _KITTI)
def test_boxes_are_tight(name: str) -> None:
    make = _KITTI[name][0]
    for model in models(make, 20):
        corners = model.mesh.corners.reshape(-1, 3)
        size = np.array(model.size)
        body = corners[np.abs(corners[:, 1]) <= size[1] / 2 + 1e-6]  # without mirrors
        assert len(body) > 0.8 * len(corners)
        low, high = body.min(0), body.max(0)
        np.testing.assert_allclose(low[2], 0.0, atol=0.02)
        np.testing.assert_allclose(high[2], size[2], atol=0.15)
        for axis in (0, 1):
            # Off by no more than the margin that annotators leave.
            assert -0.02 < size[axis] / 2 - high[axis] < 0.16
            assert -0.02 < size[axis] / 2 + low[axis] < 0.16


def test_cars_have_windows_seats_wheels_and_plates() -> None:
    materials = set(vehicles.car(np.random.default_rng(0)).mesh.materials.tolist())
    assert {Material.GLASS, Material.CABIN, Material.TYRE, Material.PLATE, Material.LAMP} <= materials


def test_the_front_is_in_front() -> None:
    # A saloon's bonnet is longer than its boot, and the windscreen slopes more than the rear window: more of the
    # body lies low in front than behind.
    heights = []
    for model in models(vehicles.car, 30):
        corners = model.mesh.corners.reshape(-1, 3)
        front = corners[corners[:, 0] > 0.3 * model.size[0]][:, 2].max()
        rear = corners[corners[:, 0] < -0.3 * model.size[0]][:, 2].max()
        heights.append(rear - front)
    assert np.median(heights) > 0.2


@pytest.mark.parametrize(
    "maker", [maker for maker, _ in surroundings.STREET_THINGS] + [surroundings.house, surroundings.hedge]
)
def test_scenery_is_finite_and_stands(maker: surroundings.Maker) -> None:
    for i in range(5):
        mesh = maker(np.random.default_rng(i))
        assert np.isfinite(mesh.corners).all()
        assert mesh.low[2] <= 0.05
        assert mesh.high[2] > 0.2
