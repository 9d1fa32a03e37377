"""Objects from the LiDAR's frame to the global one and back; attributes."""

from __future__ import annotations

import numpy as np
import pytest
from formerdata.nuscenes import (
    ATTRIBUTES,
    CLASS_NAMES,
    boxes_in_lidar,
    concatenate_objects,
    likely_attributes,
    objects_from_lidar,
)
from formerdata.nuscenes.objects import typed_objects
from formerdata.rotations import pose_matrices
from hypothesis import given, settings
from hypothesis import strategies as st

SEEDS = st.integers(0, 2**32 - 1)


def some_boxes(rng: np.random.Generator, count: int = 6) -> np.ndarray:
    return np.column_stack(
        [rng.normal(0, 20, (count, 3)), rng.uniform(0.3, 9, (count, 3)), rng.uniform(-3, 3, count),
         rng.normal(0, 5, (count, 2))]
    )  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_boxes_come_back_on_level_ground(seed: int) -> None:
    rng = np.random.default_rng(seed)
    yaw = rng.uniform(-3, 3)
    pose = pose_matrices(np.array([np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]), rng.normal(0, 1000, 3))
    boxes, labels = some_boxes(rng), rng.integers(1, 11, 6)
    objects = objects_from_lidar("a", pose, boxes, rng.random(6), labels)
    back = boxes_in_lidar(objects, pose)
    back[:, 6] = boxes[:, 6] + (back[:, 6] - boxes[:, 6] + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(back, boxes, atol=1e-9)
    np.testing.assert_array_equal(objects.labels, labels)
    # One by one: the centre, and a point ahead of it, in the world.
    ahead = boxes[:, :3] + np.column_stack([np.cos(boxes[:, 6]), np.sin(boxes[:, 6]), np.zeros(6)])
    for i in range(6):
        one, two = (pose @ [*place, 1.0] for place in (boxes[i, :3], ahead[i]))
        np.testing.assert_allclose(objects.centres[i], one[:3])
        w, x, y, z = objects.rotations[i]
        front = [w * w + x * x - y * y - z * z, 2 * (x * y + w * z), 2 * (x * z - w * y)]
        np.testing.assert_allclose(front, (two - one)[:3], atol=1e-9)
        speed = pose[:3, :3] @ [*boxes[i, 7:], 0.0]
        np.testing.assert_allclose(objects.velocities[i], speed[:2])


def test_a_tilted_lidar_changes_headings_and_centres_little() -> None:
    rng = np.random.default_rng(0)
    q = np.array([0.7, 0.01, -0.02, 0.71])
    pose, boxes = pose_matrices(q / np.linalg.norm(q), np.array([100.0, 200.0, 1.8])), some_boxes(rng)
    back = boxes_in_lidar(objects_from_lidar("a", pose, boxes, np.ones(6), np.ones(6)), pose)
    np.testing.assert_allclose(back[:, :6], boxes[:, :6], atol=1e-9)
    np.testing.assert_allclose(back[:, 6], boxes[:, 6], atol=1e-9)
    np.testing.assert_allclose(back[:, 7:], boxes[:, 7:], atol=0.02)


def test_labels_are_those_of_all_classes_and_velocities_may_be_absent() -> None:
    boxes = some_boxes(np.random.default_rng(0), 3)
    objects = objects_from_lidar("a", np.eye(4), boxes[:, :7], np.ones(3), [2, 1, 2], ("bus", "pedestrian"))
    assert [CLASS_NAMES[label - 1] for label in objects.labels] == ["pedestrian", "bus", "pedestrian"]
    assert [ATTRIBUTES[i] for i in objects.attributes] == [
        "pedestrian.standing",
        "vehicle.stopped",
        "pedestrian.standing",
    ]
    assert (objects.velocities == 0).all()
    with pytest.raises(ValueError, match=r"class_names: expected some of .* got 'van'"):
        objects_from_lidar("a", np.eye(4), boxes, np.ones(3), [1, 1, 1], ("van",))
    with pytest.raises(ValueError, match=r"boxes: expected \[K, 7\] or \[K, 9\], got \[3, 8\]"):
        objects_from_lidar("a", np.eye(4), boxes[:, :8], np.ones(3), [1, 1, 1])
    with pytest.raises(ValueError, match="'scores' is \\(2,\\); expected \\(3,\\)"):
        objects_from_lidar("a", np.eye(4), boxes, np.ones(2), [1, 1, 1])


def test_attributes_are_those_of_the_common_code_bases() -> None:
    wanted = {
        "car": ("vehicle.parked", "vehicle.moving"), "truck": ("vehicle.parked", "vehicle.moving"),
        "construction_vehicle": ("vehicle.parked", "vehicle.moving"), "bus": ("vehicle.stopped", "vehicle.moving"),
        "trailer": ("vehicle.parked", "vehicle.moving"), "motorcycle": ("cycle.without_rider", "cycle.with_rider"),
        "bicycle": ("cycle.without_rider", "cycle.with_rider"),
        "pedestrian": ("pedestrian.standing", "pedestrian.moving"), "barrier": ("", ""), "traffic_cone": ("", ""),
    }  # fmt: skip
    for label, name in enumerate(CLASS_NAMES, start=1):
        found = likely_attributes(np.array([label, label]), np.array([[0.0, 0.2], [-0.2, 0.01]]))
        assert tuple(ATTRIBUTES[i] if i >= 0 else "" for i in found) == wanted[name]


def test_samples_follow_one_another() -> None:
    boxes = some_boxes(np.random.default_rng(0), 2)
    one = objects_from_lidar("a", np.eye(4), boxes, [0.1, 0.2], [1, 2])
    none = objects_from_lidar("b", np.eye(4), boxes[:0], [], [])
    two = objects_from_lidar("c", np.eye(4), boxes[:1], [0.3], [3])
    found = concatenate_objects([one, none, two])
    assert found.sample_tokens.tolist() == ["a", "b", "c"]
    assert found.samples.tolist() == [0, 0, 2]
    assert found.scores.tolist() == [0.1, 0.2, 0.3]
    assert len(concatenate_objects([])) == 0
    columns = {name: value for name, value in vars(two).items() if name != "sample_tokens"}
    columns["centres"] = np.zeros((1, 2))
    with pytest.raises(ValueError, match="'centres' is \\(1, 2\\); expected \\(1, 3\\)"):
        typed_objects(two.sample_tokens, **columns)
