"""Rotations against the formulas one by one."""

from __future__ import annotations

import numpy as np
from formerdata.rotations import (
    headings,
    inverse_pose,
    pose_matrices,
    quaternion_products,
    quaternions,
    rotation_matrices,
    yaw_quaternions,
)
from hypothesis import given, settings
from hypothesis import strategies as st

SEEDS = st.integers(0, 2**32 - 1)


def rotate(q: np.ndarray, v: np.ndarray) -> np.ndarray:
    """q v q*, written out with the dot and the cross product."""
    w, u = q[0], q[1:]
    return 2 * u.dot(v) * u + (w * w - u.dot(u)) * v + 2 * w * np.cross(u, v)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_a_matrix_turns_as_its_quaternion(seed: int) -> None:
    rng = np.random.default_rng(seed)
    q, v = rng.normal(size=(4, 4)), rng.normal(size=3)
    unit = q / np.linalg.norm(q, axis=1, keepdims=True)
    found = rotation_matrices(q)
    np.testing.assert_allclose(found @ v, [rotate(each, v) for each in unit], atol=1e-12)
    np.testing.assert_allclose(
        headings(q), [np.arctan2(*rotate(each, np.eye(3)[0])[1::-1]) for each in unit], atol=1e-9
    )


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_quaternions_come_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    q = rng.normal(size=(5, 4)) * np.where(rng.random((5, 4)) < 0.3, 0, 1) + 1e-12
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    back = quaternions(rotation_matrices(q))
    np.testing.assert_allclose(np.abs((back * q).sum(1)), 1, atol=1e-9)
    assert (back[:, 0] >= 0).all()


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_a_product_is_one_turn_after_the_other(seed: int) -> None:
    a, b = np.random.default_rng(seed).normal(size=(2, 4))
    np.testing.assert_allclose(
        rotation_matrices(quaternion_products(a, b)), rotation_matrices(a) @ rotation_matrices(b), atol=1e-12
    )


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_poses_and_the_way_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pose = pose_matrices(rng.normal(size=(2, 4)), rng.normal(size=(2, 3)) * 1000)
    np.testing.assert_allclose(inverse_pose(pose) @ pose, np.tile(np.eye(4), (2, 1, 1)), atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.floats(-10, 10))
def test_headings_of_turns_about_z(yaw: float) -> None:
    back = float(headings(yaw_quaternions(np.array(yaw))))
    assert -np.pi <= back <= np.pi
    np.testing.assert_allclose([np.cos(back), np.sin(back)], [np.cos(yaw), np.sin(yaw)], atol=1e-12)
