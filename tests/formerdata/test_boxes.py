"""Box geometry against obvious twins."""

from __future__ import annotations

import numpy as np
from formerdata.boxes import bev_collides, bev_corners, box_corners, limit_period, points_in_any_box, points_in_boxes
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon


def random_boxes(seed: int, n: int) -> np.ndarray:
    g = np.random.default_rng(seed)
    return np.column_stack(
        [g.uniform(-6, 6, (n, 2)), g.uniform(-1, 1, n), g.uniform(0.3, 5, (n, 3)), g.uniform(-4, 4, n)]
    )


def test_corners_of_a_turned_box() -> None:
    corners = box_corners(np.array([[1.0, 2.0, 3.0, 4.0, 2.0, 1.0, np.pi / 2]]))
    assert corners.shape == (1, 8, 3)
    np.testing.assert_allclose(corners[0, :, 0].min(), 0.0, atol=1e-12)
    np.testing.assert_allclose(corners[0, :, 1].max(), 4.0, atol=1e-12)
    np.testing.assert_allclose(np.unique(corners[0, :, 2]), [2.5, 3.5])
    # The first two corners are the front.
    np.testing.assert_allclose(corners[0, :2, 1], [4.0, 4.0])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_collision_equals_a_shared_area(seed: int) -> None:
    a, b = random_boxes(seed, 6), random_boxes(seed + 1, 7)
    plans = [[Polygon(corners) for corners in bev_corners(boxes)] for boxes in (a, b)]
    shared = np.array([[one.intersection(other).area for other in plans[1]] for one in plans[0]])
    clear = (shared > 1e-9) | (shared == 0)
    assert np.array_equal(bev_collides(a, b)[clear], (shared > 0)[clear])


def test_touching_boxes_do_not_collide() -> None:
    box = np.array([[0.0, 0, 0, 2, 2, 2, 0]])
    beside = np.array([[2.0, 0, 0, 2, 2, 2, 0], [1.999, 0, 0, 2, 2, 2, 0]])
    assert bev_collides(box, beside).tolist() == [[False, True]]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(0, 5))
def test_points_in_boxes_equals_a_change_of_frame(seed: int, n: int) -> None:
    boxes = random_boxes(seed, n)
    points = np.random.default_rng(seed).uniform(-7, 7, (200, 4)).astype(np.float32)
    twin = np.zeros((n, 200), dtype=bool)
    for i, (x, y, z, dx, dy, dz, heading) in enumerate(boxes):
        turn = np.array([[np.cos(heading), np.sin(heading)], [-np.sin(heading), np.cos(heading)]])
        local = (points[:, :2] - [x, y]) @ turn.T
        twin[i] = (abs(local[:, 0]) <= dx / 2) & (abs(local[:, 1]) <= dy / 2) & (abs(points[:, 2] - z) <= dz / 2)
    assert np.array_equal(points_in_boxes(points, boxes), twin)
    assert np.array_equal(points_in_any_box(points, boxes), twin.any(0))


def test_limit_period() -> None:
    np.testing.assert_allclose(limit_period(np.array([-3.5, 0.0, 3.5, 9.9])), [2.78318531, 0, -2.78318531, -2.66637061])
