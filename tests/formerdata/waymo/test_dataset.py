"""Samples for a detector: cut, augmented, batched; a function of (seed, epoch, frame) alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formerdata.boxes import points_in_boxes
from formerdata.detection import Augmentations, ObjectSampling, collate, load_batches
from formerdata.waymo import BOX_TYPES, WaymoDataset, WaymoFrames, waymo_augmentations
from formerdata.waymo.built_in import SegmentSettings
from formerdata.waymo.generate import generate_waymo

from formerkit.io import ConfigError
from formerkit.seeds import generator

pytest.importorskip("pyarrow")
NOTHING = Augmentations(None, None, None)
UNPASTED = replace(waymo_augmentations(epochs=3), sampling=None)
WIDE = (-200.0, -200.0, -5.0, 200.0, 200.0, 10.0)


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("waymo")
    settings = SegmentSettings(num_frames=2, detail=0.05, sectors=4)
    generate_waymo(root, num_train=1, num_val=0, settings=settings, num_workers=1, progress=False)
    return root / "training"


def test_an_evaluation_sample_is_the_frame(split: Path) -> None:
    frame, data = WaymoFrames(split)[1], WaymoDataset(split, point_cloud_range=WIDE)
    sample = data[1]
    assert len(data) == 2
    np.testing.assert_array_equal(sample.points[:, :3], frame.points[:, :3])
    np.testing.assert_allclose(sample.points[:, 3:], np.tanh(frame.points[:, 3:]), rtol=1e-6)
    assert frame.boxes is not None
    names = [BOX_TYPES[kind] for kind in frame.boxes.types if BOX_TYPES[kind] in data.class_names]
    assert [data.class_names[label - 1] for label in sample.labels] == names
    assert len(names) > 3
    assert (sample.info.segment, sample.info.timestamp) == (frame.segment, frame.timestamp)
    np.testing.assert_array_equal(sample.info.boxes.boxes, frame.boxes.boxes)


def test_the_range_cuts_points_and_in_training_boxes(split: Path) -> None:
    near = (-10.0, -10.0, -2.0, 10.0, 10.0, 4.0)
    cut, training = WaymoDataset(split, point_cloud_range=near)[0], WaymoDataset(split, augmentations=NOTHING)[0]
    assert np.abs(cut.points[:, :2]).max() <= 10
    few = WaymoDataset(split, point_cloud_range=near, augmentations=NOTHING)[0]
    assert 0 < len(few.boxes) < len(training.boxes) or len(few.boxes) == 0
    assert (np.abs(few.boxes[:, :2]) <= 10).all()
    np.testing.assert_array_equal(np.sort(few.points, 0), np.sort(cut.points, 0))


def test_boxes_without_points_are_not_learnt(split: Path) -> None:
    frame = WaymoFrames(split)[0]
    assert frame.boxes is not None
    classes = [BOX_TYPES.index(name) for name in ("Vehicle", "Pedestrian", "Cyclist")]
    known = np.isin(frame.boxes.types, classes)
    seen = known & (frame.boxes.num_points > 0)
    assert len(WaymoDataset(split, point_cloud_range=WIDE)[0].boxes) == known.sum()
    assert len(WaymoDataset(split, point_cloud_range=WIDE, augmentations=NOTHING)[0].boxes) == seen.sum()
    only = WaymoDataset(split, ("Pedestrian",), point_cloud_range=WIDE)[0]
    assert len(only.boxes) == (frame.boxes.types == BOX_TYPES.index("Pedestrian")).sum()
    assert set(only.labels.tolist()) <= {1}


def test_augmentation_keeps_points_in_their_boxes_and_depends_on_seed_and_epoch(split: Path) -> None:
    plain = WaymoDataset(split, point_cloud_range=WIDE, augmentations=NOTHING)[0]
    data = WaymoDataset(split, point_cloud_range=WIDE, augmentations=UNPASTED, seed=5)
    before = points_in_boxes(plain.points, plain.boxes).sum(1)
    for epoch in range(3):
        sample = data[(epoch, 0)]
        assert not np.allclose(sample.boxes, plain.boxes)
        assert (np.abs(points_in_boxes(sample.points, sample.boxes).sum(1) - before) <= 2).all()
        np.testing.assert_array_equal(sample.points, data[(epoch, 0)].points)
    assert not np.array_equal(data[(0, 0)].boxes, data[(1, 0)].boxes)
    other = WaymoDataset(split, point_cloud_range=WIDE, augmentations=UNPASTED, seed=6)
    assert not np.array_equal(data[(0, 0)].boxes, other[(0, 0)].boxes)
    np.testing.assert_array_equal(data[(3, 0)].boxes, plain.boxes)


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_have_five_numbers_a_point(split: Path, workers: int) -> None:
    data = WaymoDataset(split, augmentations=waymo_augmentations())
    (batch,) = load_batches(data, 2, num_workers=workers)
    wanted = collate([data[0], data[1]])
    assert batch.points.shape[1] == 6
    np.testing.assert_array_equal(batch.points, wanted.points)
    np.testing.assert_array_equal(batch.boxes, wanted.boxes)
    assert [info.frame_id for info in batch.frames] == [info.frame_id for info in wanted.frames]


def test_a_class_that_is_not_there_is_refused(split: Path) -> None:
    with pytest.raises(ValueError, match="class_names: expected some of Vehicle, Pedestrian, Sign, Cyclist, got 'Car'"):
        WaymoDataset(split, ("Car",))


def test_objects_are_pasted_as_samples_have_them(split: Path) -> None:
    pasting = replace(waymo_augmentations(), flip=None, rotation=None, scaling=None, translation=None)
    data = WaymoDataset(split, point_cloud_range=WIDE, augmentations=pasting)
    plain = WaymoDataset(split, point_cloud_range=WIDE, augmentations=NOTHING)
    database, classes = data.database, data.class_names
    assert database is not None
    assert plain.database is None
    wanted = [plain[i] for i in range(2)]
    inside = [points_in_boxes(sample.points, sample.boxes).sum(1) for sample in wanted]
    assert len(database) == sum(int((counts > 0).sum()) for counts in inside)
    assert set(database.class_names) <= set(classes)
    assert database.frame_ids.tolist() == [sample.info.frame_id for sample in wanted]
    # Features are those of samples, after the hyperbolic tangent.
    first = database.object_points(0)
    box = wanted[0].boxes[np.flatnonzero(inside[0])[0]]
    own = wanted[0].points[points_in_boxes(wanted[0].points, box[None])[0]]
    np.testing.assert_array_equal(np.sort(first[:, 3:], 0), np.sort(own[:, 3:], 0))
    # Its two frames are of one street, where every object is in the way of itself: into an emptied one they can go.
    sample = replace(data.plain_sample(0), boxes=np.zeros((0, 7), np.float32), labels=np.zeros(0, np.int64))
    pasted = data.augmentations(sample, database, classes, generator(0))  # type: ignore[misc]
    assert len(pasted.boxes) > 3
    assert set(map(bytes, pasted.boxes)) <= set(map(bytes, np.asarray(database.boxes)))
    assert pasted.points.shape[1] == 5
    np.testing.assert_array_equal(np.sort(data[(1, 0)].boxes, 0), np.sort(wanted[0].boxes, 0))


def test_the_database_is_of_the_frames_and_classes_that_are_used(split: Path) -> None:
    def made(classes: tuple[str, ...] = ("Vehicle", "Pedestrian", "Cyclist"), **options: Any) -> WaymoDataset:
        return WaymoDataset(split, classes, augmentations=waymo_augmentations(), **options)

    whole, half, people, single = made(), made(interval=2), made(("Pedestrian",)), made(returns=(1,))
    assert len({data.database.folder for data in (whole, half, people, single)}) == 4  # type: ignore[union-attr]
    assert made().database.folder == whole.database.folder  # type: ignore[union-attr]
    assert half.database.frame_ids.tolist() == [half[0].info.frame_id]  # type: ignore[union-attr]
    assert people.database.class_names == ("Pedestrian",)  # type: ignore[union-attr]
    assert len(single.database.points) < len(whole.database.points)  # type: ignore[union-attr]
    wrong = Augmentations(sampling=ObjectSampling({"Car": 3}))
    with pytest.raises(ConfigError, match=r"sampling\.counts: unknown class 'Car'; expected Vehicle, Pedestrian, Sign"):
        WaymoDataset(split, augmentations=wrong)


def test_signs_keep_pasted_objects_away_and_are_not_learnt(split: Path) -> None:
    frame = WaymoFrames(split)[0]
    assert frame.boxes is not None
    types, seen = frame.boxes.types.copy(), np.flatnonzero(frame.boxes.num_points > 0)
    types[seen[:3]] = [BOX_TYPES.index(name) for name in ("Sign", "Sign", "Unknown")]
    frame = replace(frame, boxes=replace(frame.boxes, types=types))
    data, scored = WaymoDataset(split, augmentations=waymo_augmentations()), WaymoDataset(split)
    data.frames = scored.frames = [frame]  # type: ignore[assignment]
    sample = data.plain_sample(0)
    np.testing.assert_array_equal(sample.boxes[sample.labels == 0], frame.boxes.boxes[seen[:2]].astype(np.float32))
    assert len(sample.boxes) == len(seen) - 1
    assert (data[0].labels > 0).all()
    assert (scored[0].labels > 0).all()
