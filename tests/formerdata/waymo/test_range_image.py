"""Range images to points: the compiled conversion against the formula pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from formerdata.waymo import LidarCalibration, range_image_points
from formerdata.waymo.scanners import matrix_pose, pose_matrix
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formerdata.waymo.made_up import calibrations, image, slow_points, transform


@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 20),
    width=st.integers(1, 12),
    laser=st.sampled_from([1, 2]),
    posed=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_points_are_those_of_the_formula(seed: int, height: int, width: int, laser: int, posed: bool) -> None:
    rng = np.random.default_rng(seed)
    calibration, picture = calibrations(rng, height)[laser], image(rng, height, width)
    frame = np.concatenate([rng.uniform(-1, 1, 3), rng.normal(0, 1000, 3)])
    poses = (frame + rng.normal(0, 0.05, (height, width, 6))).astype(np.float32) if posed else None
    inverse = np.linalg.inv(transform(frame))
    points, pixels = range_image_points(picture, calibration, poses, inverse)
    expected, at = slow_points(picture, calibration, poses, inverse)
    np.testing.assert_array_equal(pixels, at)
    np.testing.assert_allclose(points, expected, rtol=0, atol=2e-5)
    np.testing.assert_array_equal(points[:, 3:], picture.reshape(-1, 4)[pixels, 1:3])


def test_the_middle_column_looks_ahead_and_columns_go_clockwise() -> None:
    level = LidarCalibration(pose_matrix(np.array([0, 0, 0.7, 1.0, 2.0, 3.0])), None, -0.2, 0.2)
    picture = np.full((2, 5, 4), 10, dtype=np.float32)
    points, _ = range_image_points(picture, level)
    x, y, z = (points[:, :3] - [1, 2, 3]).reshape(2, 5, 3).transpose(2, 0, 1)
    # The scanner is turned by 0.7 rad on the car; its images are not.
    np.testing.assert_allclose(np.degrees(np.arctan2(y, x)), np.tile([144, 72, 0, -72, -144], (2, 1)), atol=1e-4)
    np.testing.assert_allclose(np.arcsin(z / 10), [[0.1] * 5, [-0.1] * 5], atol=1e-6)


def test_a_second_pose_moves_a_pixel_only() -> None:
    level = LidarCalibration(np.eye(4), np.array([0.0]), 0.0, 0.0)
    picture = np.full((1, 3, 4), 5, dtype=np.float32)
    poses = np.zeros((1, 3, 6), dtype=np.float32)
    poses[0, 1, 3:] = 0.5, 0.25, -1
    still, _ = range_image_points(picture, level)
    moved, _ = range_image_points(picture, level, poses, np.eye(4))
    np.testing.assert_allclose((moved - still)[:, :3], [[0, 0, 0], [0.5, 0.25, -1], [0, 0, 0]], atol=1e-6)


@pytest.mark.parametrize("empty", [-1.0, 0.0, np.nan])
def test_pixels_without_an_echo_hold_no_point(empty: float) -> None:
    picture = np.full((3, 4, 4), 2, dtype=np.float32)
    picture[1, 2, 0] = empty
    _, pixels = range_image_points(picture, LidarCalibration(np.eye(4), None, -1, 1))
    assert pixels.tolist() == [p for p in range(12) if p != 6]


def test_an_image_without_pixels_has_no_points() -> None:
    points, pixels = range_image_points(np.zeros((0, 7, 4), np.float32), LidarCalibration(np.eye(4), None, -1, 1))
    assert points.shape == (0, 5)
    assert pixels.shape == (0,)


def test_what_does_not_fit_is_named() -> None:
    listed = LidarCalibration(np.eye(4), np.zeros(3), -1, 1)
    picture = np.ones((4, 5, 4), np.float32)
    with pytest.raises(ValueError, match="3 beam inclinations for 4 rows"):
        range_image_points(picture, listed)
    with pytest.raises(ValueError, match=r"range image: expected a shape \[H, W, 4\], got \[4, 5, 3\]"):
        range_image_points(picture[..., :3], listed)
    even = LidarCalibration(np.eye(4), None, -1, 1)
    with pytest.raises(ValueError, match=r"poses: expected a shape \[4, 5, 6\], got \[4, 6, 6\]"):
        range_image_points(picture, even, np.zeros((4, 6, 6), np.float32), np.eye(4))
    with pytest.raises(ValueError, match="vehicle_from_world: expected the inverse pose"):
        range_image_points(picture, even, np.zeros((4, 5, 6), np.float32))


@given(st.tuples(*[st.floats(-1.5, 1.5)] * 2, st.floats(-3.1, 3.1), *[st.floats(-1e3, 1e3)] * 3))
@settings(deadline=None)
def test_poses_and_matrices_are_inverse(pose: tuple[float, ...]) -> None:
    np.testing.assert_allclose(pose_matrix(np.array(pose)), transform(np.array(pose)), atol=1e-12)
    np.testing.assert_allclose(matrix_pose(pose_matrix(np.array(pose))), pose, atol=1e-9)
