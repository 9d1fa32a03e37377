"""Samples for a detector: sweeps, labels, cuts; a function of (seed, epoch, frame) alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from formerdata.boxes import points_in_boxes
from formerdata.detection import Augmentations, ObjectSampling
from formerdata.nuscenes import (
    CLASS_NAMES,
    NuScenesDataset,
    NuScenesFrames,
    boxes_in_lidar,
    concatenate_truth,
    nuscenes_augmentations,
    read_scan,
)
from formerdata.nuscenes.built_in import VERSION

from formerkit.io import DataError
from tests.formerdata.nuscenes.made_up import copy_of, small_scenes

NOTHING = Augmentations(None, None, None)
WIDE = (-200.0, -200.0, -50.0, 200.0, 200.0, 50.0)
TRAIN, VAL = "built_in_train", "built_in_val"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_scenes(tmp_path_factory.mktemp("nuscenes"))


def data(root: Path, split: str = TRAIN, **options: object) -> NuScenesDataset:
    return NuScenesDataset(root, split, version=VERSION, **options)  # type: ignore[arg-type]


def test_sweeps_lie_in_the_key_frame(root: Path) -> None:
    """Every point, by its own pose, to the world and back with the key frame's."""
    frames = NuScenesFrames(root, TRAIN, VERSION, sweeps=3)
    index, sample = frames.index, int(frames.samples[1])
    scans = index.scan_table(np.array([sample]), 3)[0]
    wanted = []
    for scan in scans.tolist():
        points = read_scan(root / index.file(scan)).astype(np.float64)
        if scan != scans[0]:
            points = points[(np.abs(points[:, 0]) >= 1) | (np.abs(points[:, 1]) >= 1)]
        world = np.column_stack([points[:, :3], np.ones(len(points))]) @ index.global_from_lidar(scan).T
        place = world @ np.linalg.inv(index.global_from_lidar(int(scans[0]))).T
        age = 1e-6 * (index.scan_timestamps[scans[0]] - index.scan_timestamps[scan])
        wanted.append(np.column_stack([place[:, :3], points[:, 3], np.full(len(points), age)]))
    np.testing.assert_allclose(frames.points(1), np.concatenate(wanted), atol=1e-4)
    assert {round(float(age), 3) for age in frames.points(1)[:, 4]} == {0.0, 0.167, 0.333}


def test_standing_things_stay_where_they_are(root: Path) -> None:
    """Sweeps of a moving car: points of parked vehicles of all ages are in their boxes."""
    frames = NuScenesFrames(root, TRAIN, VERSION)
    info, points = frames.info(2), frames.points(2)
    assert info.boxes is not None
    objects = info.boxes.objects
    still = np.flatnonzero((np.hypot(*objects.velocities.T) < 1e-6) & (objects.num_lidar_points > 2))
    boxes = boxes_in_lidar(objects.select(still), info.global_from_lidar)
    inside = points_in_boxes(points, boxes)
    old = points[:, 4] > 0
    assert len(still) > 3
    assert (inside[:, old].sum(1) > 0).mean() > 0.8
    np.testing.assert_array_equal(inside[:, ~old].sum(1), objects.num_lidar_points[still])


def test_a_scene_that_begins_repeats_its_earliest_scan(root: Path) -> None:
    alone = NuScenesFrames(root, TRAIN, VERSION, repeat_sweeps=False)
    repeated = NuScenesFrames(root, TRAIN, VERSION)
    key = read_scan(root / alone.index.file(int(alone.index.key_scans[alone.samples[0]])))
    np.testing.assert_array_equal(alone.points(0)[:, :4], key[:, :4])
    far = ((np.abs(key[:, :2]) >= 1).any(1)).sum()
    found = repeated.points(0)
    assert len(found) == len(key) + 9 * far
    assert (found[:, 4] == 0).all()
    np.testing.assert_array_equal(found[-far:], found[-2 * far : -far])
    ages = np.unique(repeated.points(1)[:, 4], return_counts=True)
    assert len(ages[0]) == 4
    assert ages[1][-1] % 7 == 0
    assert len(repeated.points(1)) > len(alone.points(1))
    one = NuScenesFrames(root, TRAIN, VERSION, sweeps=1).points(0)
    np.testing.assert_array_equal(one[:, :4], key[:, :4])


def test_an_evaluation_sample_is_the_frame(root: Path) -> None:
    found, frames = data(root, point_cloud_range=WIDE), NuScenesFrames(root, TRAIN, VERSION)
    assert len(found) == 3
    sample, info = found[1], frames.info(1)
    np.testing.assert_array_equal(sample.points, frames.points(1))
    assert sample.boxes.dtype == np.float32
    assert sample.boxes.shape[1] == 9
    assert np.isfinite(sample.boxes).all()
    assert info.boxes is not None
    objects = info.boxes.objects.select(info.boxes.objects.labels > 0)
    np.testing.assert_allclose(
        sample.boxes, np.nan_to_num(boxes_in_lidar(objects, info.global_from_lidar)), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_array_equal(sample.labels, objects.labels)
    assert set(sample.labels.tolist()) == set(range(1, 11))
    assert sample.info.sample_token == frames.sample_tokens[1]
    assert sample.info.frame_id == f"scene-b000__LIDAR_TOP__{info.timestamp}"
    assert sample.info.scene == "scene-b000"
    whole = concatenate_truth([found[i].info.boxes for i in range(3)])
    for name, column in vars(frames.truth().objects).items():
        np.testing.assert_array_equal(getattr(whole.objects, name), column)
    np.testing.assert_array_equal(whole.ego_positions, frames.truth().ego_positions)


def test_labels_hold_the_points_that_they_count(root: Path) -> None:
    sample = data(root, VAL, point_cloud_range=WIDE, sweeps=1)[0]
    counts = points_in_boxes(sample.points, sample.boxes).sum(1)
    objects = sample.info.boxes.objects
    np.testing.assert_array_equal(counts, objects.num_lidar_points[objects.labels > 0])
    assert counts.sum() > 20


def test_an_unknown_velocity_is_0(root: Path, tmp_path: Path) -> None:
    from formerdata.nuscenes.built_in import SceneSettings

    one = small_scenes(tmp_path, 1, 0, SceneSettings(num_samples=1, columns=8, sweeps_between=1))
    sample = data(one)[0]
    assert np.isnan(sample.info.boxes.objects.velocities).all()
    assert len(sample.boxes) > 3
    assert (sample.boxes[:, 7:] == 0).all()


def test_the_range_cuts_points_in_z_too_and_in_training_boxes(root: Path) -> None:
    near = (-25.0, -20.0, -1.2, 25.0, 20.0, 1.0)
    whole, cut = data(root, point_cloud_range=WIDE)[1], data(root, point_cloud_range=near)[1]
    low, high = np.array(near[:3]), np.array(near[3:])
    inside = ((whole.points[:, :3] >= low) & (whole.points[:, :3] <= high)).all(1)
    np.testing.assert_array_equal(cut.points, whole.points[inside])
    assert len(cut.boxes) == len(whole.boxes)
    few = data(root, point_cloud_range=near, augmentations=NOTHING)[1]
    assert 0 < len(few.boxes) < len(whole.boxes)
    assert ((few.boxes[:, :3] >= low) & (few.boxes[:, :3] <= high)).all()
    np.testing.assert_array_equal(np.sort(few.points, 0), np.sort(cut.points, 0))
    assert not np.array_equal(few.points, cut.points)


def test_boxes_without_points_are_not_learnt(root: Path) -> None:
    plain = data(root, point_cloud_range=WIDE)[0]
    objects = plain.info.boxes.objects
    seen = (objects.labels > 0) & (objects.num_lidar_points > 0)
    assert 0 < seen.sum() < len(plain.boxes)
    assert len(data(root, point_cloud_range=WIDE, augmentations=NOTHING)[0].boxes) == seen.sum()


def test_some_classes_in_their_order(root: Path) -> None:
    sample = data(root, class_names=("pedestrian", "car"), point_cloud_range=WIDE)[0]
    labels = sample.info.boxes.objects.labels
    assert (sample.labels == 1).sum() == (labels == CLASS_NAMES.index("pedestrian") + 1).sum() > 0
    assert (sample.labels == 2).sum() == (labels == CLASS_NAMES.index("car") + 1).sum() > 0
    with pytest.raises(ValueError, match=r"class_names: expected some of car, .* got 'van'"):
        data(root, class_names=("van",))
    with pytest.raises(ValueError, match="sweeps: expected 1 or more, got 0"):
        data(root, sweeps=0)


def test_augmentation_depends_on_seed_epoch_and_frame_alone(root: Path) -> None:
    plain = data(root, point_cloud_range=WIDE, augmentations=NOTHING)[0]
    scene_only = replace(nuscenes_augmentations(), sampling=None, epochs=2)
    made = data(root, point_cloud_range=WIDE, augmentations=scene_only, seed=5)
    before = points_in_boxes(plain.points, plain.boxes).sum(1)
    for epoch in range(2):
        sample = made[(epoch, 0)]
        assert not np.allclose(sample.boxes, plain.boxes)
        assert (np.abs(points_in_boxes(sample.points, sample.boxes).sum(1) - before) <= 0.05 * before + 2).all()
        np.testing.assert_array_equal(sample.points, made[(epoch, 0)].points)
        scale = sample.boxes[:, 3:6] / plain.boxes[:, 3:6]
        assert 0.9 <= scale.min() <= scale.max() <= 1.1
    assert not np.array_equal(made[(0, 0)].boxes, made[(1, 0)].boxes)
    other = data(root, point_cloud_range=WIDE, augmentations=scene_only, seed=6)
    assert not np.array_equal(made[(0, 0)].boxes, other[(0, 0)].boxes)
    np.testing.assert_array_equal(made[(2, 0)].boxes, plain.boxes)


def test_objects_are_pasted_with_their_velocities(root: Path, tmp_path: Path) -> None:
    pasting = Augmentations(None, None, None, sampling=ObjectSampling({"car": 20, "bus": 3}))
    made = data(root, point_cloud_range=WIDE, augmentations=pasting, cache_dir=tmp_path)
    plain = data(root, point_cloud_range=WIDE, augmentations=NOTHING)
    of_all = np.concatenate([plain[i].boxes for i in range(len(plain))])
    added = 0
    for i in range(len(made)):
        sample, before = made[i], plain[i]
        added += len(sample.boxes) - len(before.boxes)
        assert (points_in_boxes(sample.points, sample.boxes).sum(1) >= 1).all()
        # Pasted as they were in their own frame, velocities included.
        for box in sample.boxes:
            assert (np.abs(of_all - box).max(1) < 1e-5).any()
    assert added > 0


def test_absent_scans(root: Path, tmp_path: Path) -> None:
    part = copy_of(root, tmp_path)
    whole = NuScenesFrames(part, TRAIN, VERSION, sweeps=3)
    gone = whole.index.scan_table(whole.samples[1:2], 3)[0, 1]
    (part / whole.index.file(int(gone))).unlink()
    with pytest.raises(
        DataError, match=r"1 of 7 scans of split 'built_in_train' are absent, the first is sweeps/LIDAR"
    ):
        NuScenesFrames(part, TRAIN, VERSION)
    some = NuScenesFrames(part, TRAIN, VERSION, sweeps=3, allow_missing_frames=True)
    assert some.sample_tokens.tolist() == whole.sample_tokens[[0, 2]].tolist()
    assert len(NuScenesFrames(part, TRAIN, VERSION, sweeps=1)) == 3
    for path in (part / "samples" / "LIDAR_TOP").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="no sample of split 'built_in_train' has all its scans"):
        NuScenesFrames(part, TRAIN, VERSION, allow_missing_frames=True)


def test_a_version_without_labels_gives_points_alone(root: Path, tmp_path: Path) -> None:
    from tests.formerdata.nuscenes.made_up import change

    bare = copy_of(root, tmp_path)
    change(bare, "sample_annotation", list.clear)
    (bare / VERSION).rename(bare / "v1.0-test")
    sample = NuScenesDataset(bare, "test", version="v1.0-test")[0]
    assert sample.info.boxes is None
    assert sample.boxes.shape == (0, 9)
    assert len(sample.points) > 100
