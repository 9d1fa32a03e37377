"""Boxes to KITTI's form and back, against the reference's numbers."""

from __future__ import annotations

import numpy as np
import pytest
from formerdata.kitti import Calibration, boxes_from_objects, format_objects, objects_from_boxes, parse_objects

from tests import goldens

CLASSES = ("Car", "Pedestrian", "Cyclist")


def groups(stored: dict[str, np.ndarray]) -> list[str]:
    return [key.removesuffix("__lidar_boxes") for key in stored if key.endswith("__lidar_boxes")]


def test_detections_in_kittis_form() -> None:
    stored = goldens.load("kitti_output.npz")
    calibration = Calibration(stored["P2"], stored["R0"], stored["V2C"])
    assert groups(stored)
    for group in groups(stored):
        own = {key.removeprefix(f"{group}__"): value for key, value in stored.items() if key.startswith(group)}
        names = [CLASSES[label - 1] for label in own["labels"]]
        shape = tuple(stored["image_shape_hw"].tolist())
        objects = objects_from_boxes(own["lidar_boxes"], own["scores"], names, calibration, shape)
        assert objects.names.tolist() == own["name"].tolist()
        np.testing.assert_allclose(objects.alpha, own["alpha"], atol=2e-6)
        np.testing.assert_allclose(objects.bbox, own["bbox"], atol=5e-4)
        np.testing.assert_allclose(objects.location, own["location"], atol=2e-5)
        np.testing.assert_allclose(objects.rotation_y, own["rotation_y"], atol=2e-6)
        np.testing.assert_allclose(objects.dimensions, own["dimensions"][:, [1, 2, 0]], atol=1e-6)
        # The text: equal numbers to the last digit that float32 gives.
        ours = parse_objects(format_objects(objects), "ours")
        theirs = parse_objects("\n".join(own["text"].tolist()), "theirs")
        np.testing.assert_allclose(ours.bbox, theirs.bbox, atol=6e-4)
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1.1e-4)


def test_there_and_back() -> None:
    g = np.random.default_rng(0)
    axes = np.array([[0, -1, 0, 0.02], [0, 0, -1, -0.07], [1, 0, 0, -0.3]], dtype=np.float32)
    projection = np.array([[700, 0, 600, 40], [0, 700, 180, 0], [0, 0, 1, 0]], dtype=np.float32)
    calibration = Calibration(projection, np.eye(3, dtype=np.float32), axes)
    boxes = np.column_stack(
        [g.uniform(5, 60, 50), g.uniform(-20, 20, 50), g.uniform(-2, 0, 50), g.uniform(0.5, 5, (50, 3)),
         g.uniform(-3, 3, 50)]
    )  # fmt: skip
    objects = objects_from_boxes(boxes, np.ones(50), ["Car"] * 50, calibration, (375, 1242))
    np.testing.assert_allclose(boxes_from_objects(objects, calibration), boxes, atol=1e-4)


@pytest.mark.parametrize("count", [0, 1])
def test_few_boxes(count: int) -> None:
    calibration = Calibration(
        np.eye(3, 4, dtype=np.float32), np.eye(3, dtype=np.float32), np.eye(3, 4, dtype=np.float32)
    )
    boxes = np.array([[10, 0, 1, 2, 2, 2, 0.0]])[:count]
    objects = objects_from_boxes(boxes, np.ones(count), ["Car"] * count, calibration, (100, 100))
    assert len(objects) == count
    assert boxes_from_objects(objects, calibration).shape == (count, 7)
