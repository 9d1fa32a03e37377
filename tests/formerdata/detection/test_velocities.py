"""Boxes with velocities: what moves goes on to move to the right place after a change of the scene."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from formerdata.detection import (
    Augmentations,
    GlobalRotation,
    GlobalScaling,
    GlobalTranslation,
    RandomFlip,
    Sample,
    collate,
)

STEPS = (
    RandomFlip(1.0, ("y",)), RandomFlip(1.0, ("x", "y")), GlobalRotation(3.0), GlobalScaling(1.5, 2.0),
    GlobalTranslation((3.0, 2.0, 1.0)),
)  # fmt: skip


def moving(seed: int = 0, count: int = 5) -> Sample:
    random = np.random.default_rng(seed)
    boxes = random.normal(0, 5, (count, 9)).astype(np.float32)
    return Sample(random.normal(0, 5, (20, 4)).astype(np.float32), boxes, np.arange(1, count + 1), None)


def a_second_later(sample: Sample) -> Sample:
    boxes = sample.boxes.copy()
    boxes[:, :2] += boxes[:, 7:9]
    return replace(sample, boxes=boxes)


@pytest.mark.parametrize("step", [*STEPS, Augmentations(*STEPS[1:]).changed], ids=lambda step: type(step).__name__)
def test_a_change_of_the_scene_and_a_second_of_motion_commute(step) -> None:  # type: ignore[no-untyped-def]
    def changed(sample: Sample) -> Sample:
        more = (0,) if not hasattr(step, "__dataclass_fields__") else ()
        return step(sample, np.random.default_rng(7), *more)

    first = a_second_later(changed(moving())).boxes
    last = changed(a_second_later(moving())).boxes
    np.testing.assert_allclose(first[:, :9], last[:, :9], atol=2e-4)
    assert not np.allclose(first[:, :2], changed(moving()).boxes[:, :2])


def test_boxes_without_velocities_are_changed_as_those_with() -> None:
    for step in STEPS:
        nine = moving()
        seven = replace(nine, boxes=nine.boxes[:, :7])
        found = [step(sample, np.random.default_rng(7)).boxes for sample in (nine, seven)]
        np.testing.assert_array_equal(found[0][:, :7], found[1])


def test_a_batch_keeps_velocities() -> None:
    samples = [moving(1, 3), moving(2, 5)]
    batch = collate(samples)
    assert batch.boxes.shape == (2, 5, 9)
    np.testing.assert_array_equal(batch.boxes[0, :3], samples[0].boxes)
    assert not batch.boxes[0, 3:].any()
