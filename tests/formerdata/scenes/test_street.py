"""The street's line and cross-section."""

from __future__ import annotations

import numpy as np
import pytest
from formerdata.scenes.ground import make_ground, plane_of
from formerdata.scenes.street import Street, roadside


def street(curvature: float = 0.0, yaw: float = 0.0) -> Street:
    return Street(1.0, 2.0, yaw, curvature, half_width=4.0, pavement=2.0, kerb=0.1, rise=(0.0, 0.2))


def test_a_straight_street() -> None:
    assert street().place(10.0, 3.0) == pytest.approx((11.0, 5.0, 0.0))
    assert street(yaw=np.pi / 2).place(10.0, 3.0) == pytest.approx((-2.0, 12.0, np.pi / 2))


def test_a_curved_street_is_a_circle() -> None:
    curved = street(curvature=0.01)
    centre = np.array([1.0, 102.0])
    for along in (-70.0, 0.0, 33.0):
        for across in (-5.0, 0.0, 5.0):
            x, y, yaw = curved.place(along, across)
            assert np.hypot(*(np.array([x, y]) - centre)) == pytest.approx(100.0 - across)
            assert yaw == pytest.approx(0.01 * along)


def test_lift() -> None:
    lifts = [street().lift(across) for across in (0.0, -4.0, 5.0, -5.0, 8.0, -8.0)]
    assert lifts == pytest.approx([0.0, 0.0, 0.1, 0.1, 0.1 + 0.2 * 2.0, 0.1])


def test_roadside_leaves_the_gaps_open() -> None:
    rng = np.random.default_rng(0)
    ground = make_ground(rng)
    meshes = roadside(street(), ground, [(10.0, 20.0)], rng)
    x = np.concatenate([mesh.corners[..., 0].ravel() for mesh in meshes]) - 1.0
    assert len(meshes) == 8  # two sides, two pieces, pavement and verge
    assert not ((x >= 10.0) & (x <= 20.0)).any()


def test_plane_follows_the_ground() -> None:
    ground = make_ground(np.random.default_rng(3))
    a, b, c, d = plane_of(ground)
    assert np.hypot(np.hypot(a, b), c) == pytest.approx(1.0)
    x, y = np.random.default_rng(0).uniform([4, -8], [40, 8], (100, 2)).T
    residual = a * x + b * y + c * ground.height(x, y) + d
    assert np.abs(residual).max() < 0.25
    assert float(ground.height(np.array(0.0), np.array(0.0))) == pytest.approx(-1.73)
