"""Samples: cut, augmented, batched; a function of (seed, epoch, frame) alone."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from formerdata.boxes import bev_collides, points_in_boxes
from formerdata.detection import Sample
from formerdata.kitti import (
    Augmentations,
    GlobalRotation,
    GlobalScaling,
    GlobalTranslation,
    GroundTruthSampling,
    KittiDataset,
    Layout,
    RandomFlip,
    collate,
    in_field_of_view,
    read_frame,
    read_scan,
)
from formerdata.kitti.augment import height_above_plane
from formerdata.kitti.database import difficulty
from formerdata.kitti.index import build_index
from formerdata.kitti.objects import parse_objects

from formerkit.io import DataError
from formerkit.seeds import generator
from tests.formerdata.kitti.layouts import CAR, DONT_CARE, PEDESTRIAN, VAN, scan, small_kitti, write_frame, write_split
from tests.paths import data

RANGE = (0.0, -40.0, -3.0, 70.4, 40.0, 1.0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return small_kitti(tmp_path)


def equal(a: Sample, b: Sample) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("points", "boxes", "labels"))


def test_an_evaluation_sample_is_the_frame_in_view(root: Path) -> None:
    sample = KittiDataset(root, "train")[2]
    frame = read_frame(Layout(root), "000002")
    assert in_field_of_view(sample.points, frame.info.calibration, frame.info.image_shape).all()
    assert (sample.points[:, 0] <= 70.4).all()
    assert len(sample.points) < len(frame.points)
    assert (
        len(sample.boxes)
        == len(sample.labels)
        == sum(name in ("Car", "Pedestrian") for name in frame.info.objects.names)
    )
    assert len(sample.info.objects) == len(frame.info.objects)


def test_the_view_is_that_of_the_calibration(root: Path) -> None:
    calibration = read_frame(Layout(root), "000000").info.calibration
    rng = np.random.default_rng(0)
    points = rng.uniform(-60, 60, (20_000, 4)).astype(np.float32)
    points[:3, :3] = [[0, 0, 0], [np.finfo(np.float32).max] * 3, -calibration.V2C[:, 3]]
    pixels, depth = calibration.lidar_to_image(points[:, :3])
    inside = (pixels >= 0).all(1) & (pixels < [400, 300]).all(1) & (depth >= 0)
    assert 50 < inside.sum() < 10_000
    np.testing.assert_array_equal(in_field_of_view(points, calibration, (300, 400)), inside)


def test_the_view_is_that_of_the_official_crops() -> None:
    folder = data("kitti_object", "training", "velodyne_reduced")
    layout = Layout(folder.parents[1])
    compared = 0
    for path in sorted(folder.glob("*.bin")):
        if not layout.scan(path.stem).is_file():
            continue
        frame = read_frame(layout, path.stem)
        ours = frame.points[in_field_of_view(frame.points, frame.info.calibration, frame.info.image_shape)]
        theirs = read_scan(path)
        shared = len(set(map(bytes, ours)) & set(map(bytes, theirs)))
        assert shared >= 0.995 * len(theirs)
        # Without the image its size is a guess, and the view may be wider than it was.
        assert shared >= (0.995 if layout.image(path.stem).is_file() else 0.9) * len(ours)
        compared += 1
    assert compared


def test_a_sample_depends_on_seed_epoch_and_frame_alone(root: Path, tmp_path: Path) -> None:
    training = KittiDataset(root, "train", augmentations=Augmentations(), seed=3)
    again = KittiDataset(root, "train", augmentations=Augmentations(), seed=3, cache_dir=tmp_path / "elsewhere")
    assert equal(training[(5, 1)], again[(5, 1)])
    training[(5, 2)]
    assert equal(training[(5, 1)], again[(5, 1)])
    assert not equal(training[(5, 1)], training[(6, 1)])
    other = KittiDataset(root, "train", augmentations=Augmentations(), seed=4)
    assert not equal(training[(5, 1)], other[(5, 1)])


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(root: Path, workers: int) -> None:
    training = KittiDataset(root, "train", augmentations=Augmentations())
    order = [(1, 0), (1, 3), (1, 2), (2, 0)]
    batches = [
        list(torch.utils.data.DataLoader(training, 2, sampler=order, num_workers=n, collate_fn=collate))
        for n in (0, workers)
    ]
    for a, b in zip(*batches, strict=True):
        assert all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("points", "boxes", "labels"))


def test_pasted_objects_stand_free_and_bring_their_points(root: Path) -> None:
    training = KittiDataset(root, "train", augmentations=Augmentations(flip=None, rotation=None, scaling=None))
    bare = KittiDataset(root, "train")
    for epoch in range(5):
        sample = training[(epoch, 0)]
        clash = bev_collides(sample.boxes, sample.boxes)
        np.fill_diagonal(clash, False)
        assert not clash.any()
        assert (points_in_boxes(sample.points, sample.boxes).sum(1) >= 1).all()
        assert len(sample.boxes) >= len(bare[0].boxes)


def test_both_of_two_colliding_candidates_are_dropped(root: Path) -> None:
    training = KittiDataset(root, "train", augmentations=Augmentations())
    # All cars of the small folder stand on one spot: they collide with each other and with the frame's own.
    empty = Sample(np.zeros((0, 4), np.float32), np.zeros((0, 7), np.float32), np.zeros(0, np.int64), training[0].info)
    cars = training.database.usable("Car", 5)
    assert len(cars) > 1
    pasted = GroundTruthSampling({"Car": 10})(empty, training.database, ("Car",), generator(0))
    assert len(pasted.boxes) == 0
    single = GroundTruthSampling({"Car": 1})(empty, training.database, ("Car",), generator(0))
    assert len(single.boxes) == 1


def test_candidates_and_draws_are_those_of_earlier_runs(root: Path) -> None:
    """In the order of the frames, the first of all in random order, whatever the scene holds: runs can go on."""
    write_frame(root, "000001", [CAR], scan([CAR])[:-20])  # the database's own order is by the number of points
    database = KittiDataset(root, "train", augmentations=Augmentations()).database
    sampling = GroundTruthSampling({"Car": 2, "Pedestrian": 2})
    for name in sampling.counts:
        kept = (database.names == name) & (np.diff(database.starts) >= 5) & (database.difficulty >= 0)
        candidates = sampling.candidates(database, name)
        assert candidates.tolist() == np.flatnonzero(kept).tolist()
        assert len(candidates) > 1
        drawn = sampling.draw(candidates, 2, generator(3))
        assert drawn.tolist() == generator(3).permutation(candidates)[:2].tolist()
    assert not sampling.limit_whole_scene
    assert set(database.names) == {"Car", "Pedestrian", "Van"}


def test_pasted_objects_and_their_points_stand_on_the_plane(root: Path) -> None:
    training = KittiDataset(root, "train", augmentations=Augmentations())
    info = replace(training[0].info, plane=np.array([0.0, -1.0, 0.0, 3.0]))
    empty = Sample(np.zeros((0, 4), np.float32), np.zeros((0, 7), np.float32), np.zeros(0, np.int64), info)
    sampling = GroundTruthSampling({"Car": 1})
    low, as_it_was = (
        each(empty, training.database, ("Car",), generator(0))
        for each in (sampling, replace(sampling, use_road_plane=False))
    )
    np.testing.assert_allclose(height_above_plane(low.boxes, info.plane, info.calibration), 0, atol=1e-5)
    step = low.boxes[0, 2] - as_it_was.boxes[0, 2]
    assert abs(step) > 0.1
    np.testing.assert_allclose(low.points[:, 2] - as_it_was.points[:, 2], step, atol=1e-5)
    np.testing.assert_array_equal(low.points[:, :2], as_it_was.points[:, :2])


def test_objects_are_put_on_the_road() -> None:
    root = data("kitti_object")
    frame = next(
        read_frame(Layout(root), path.stem)
        for path in sorted((root / "training" / "planes").glob("*.txt"))
        if Layout(root).scan(path.stem).is_file()
    )
    boxes = np.array([[15.0, 2.0, 5.0, 4, 1.6, 1.5, 0.3]])
    moved = boxes.copy()
    moved[:, 2] -= height_above_plane(boxes, frame.info.plane, frame.info.calibration)
    np.testing.assert_allclose(height_above_plane(moved, frame.info.plane, frame.info.calibration), 0, atol=1e-4)
    assert -2.5 < moved[0, 2] < 0


def test_flip_rotation_and_scaling_keep_points_in_their_boxes(root: Path) -> None:
    sample = KittiDataset(root, "train")[1]
    before = points_in_boxes(sample.points, sample.boxes).sum(1)
    steps = (
        RandomFlip(1.0), RandomFlip(1.0, ("x",)), GlobalRotation(0.7), GlobalScaling(0.9, 1.1), GlobalTranslation()
    )  # fmt: skip
    for step in steps:
        changed = step(sample, generator(1))
        assert not np.array_equal(changed.points, sample.points)
        after = points_in_boxes(changed.points, changed.boxes).sum(1)
        assert (abs(after - before) <= 2).all()  # rounding at a face


def test_both_flips_are_half_a_turn(root: Path) -> None:
    sample = KittiDataset(root, "train")[1]
    changed = RandomFlip(1.0, ("y", "x"))(sample, generator(1))
    np.testing.assert_array_equal(changed.points[:, :2], -sample.points[:, :2])
    np.testing.assert_allclose(changed.boxes[:, 6], sample.boxes[:, 6] + np.pi, rtol=1e-6)


def test_each_axis_is_flipped_on_its_own(root: Path) -> None:
    sample, flip = KittiDataset(root, "train")[1], RandomFlip(0.5, ("y", "x"))
    signs = {tuple(np.sign(flip(sample, generator(n)).boxes[0, :2] / sample.boxes[0, :2])) for n in range(40)}
    assert signs == {(1, 1), (1, -1), (-1, 1), (-1, -1)}


def test_scenes_move_by_a_normal_step(root: Path) -> None:
    sample, step = KittiDataset(root, "train")[1], GlobalTranslation((0.5, 0.0, 2.0))
    moved = np.stack([step(sample, generator(n)).boxes[0, :3] for n in range(400)]) - sample.boxes[0, :3]
    assert np.abs(moved.mean(0)).max() < 0.4
    np.testing.assert_allclose(moved.std(0), [0.5, 0, 2], atol=0.25)


def test_the_last_epochs_may_go_without_augmentation(root: Path) -> None:
    faded, always = (KittiDataset(root, "train", augmentations=Augmentations(epochs=n)) for n in (2, None))
    plain = KittiDataset(root, "train", augmentations=Augmentations(None, None, None, sampling=None))
    for epoch in (0, 1):
        np.testing.assert_array_equal(faded[(epoch, 1)].points, always[(epoch, 1)].points)
    last = faded[(2, 1)]
    np.testing.assert_array_equal(np.sort(last.points, 0), np.sort(plain[(2, 1)].points, 0))
    np.testing.assert_array_equal(last.boxes, plain[(2, 1)].boxes)
    assert not np.array_equal(last.boxes, always[(2, 1)].boxes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomFlip(axes=("y", "y")), "flip.axes: expected each of 'x' and 'y' at most once"),
        (lambda: RandomFlip(axes=("z",)), "flip.axes: expected each of 'x' and 'y' at most once"),  # type: ignore[arg-type]
        (lambda: GlobalTranslation((1.0, -1.0, 0.0)), "translation.std: expected three numbers from 0 on, m"),
        (lambda: GroundTruthSampling({"Lorry": 1}), "sampling.counts: unknown class 'Lorry'; expected Car, "),
        (lambda: GroundTruthSampling({"Car": -1}), "sampling: expected numbers from 0 on, got {'Car': -1}"),
        (lambda: Augmentations(epochs=-1), "augmentations.epochs: expected None or a number from 0 on, got -1"),
    ],
)
def test_augmentations_that_cannot_be(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def test_boxes_out_of_the_range_leave_training_but_not_evaluation(root: Path) -> None:
    near = (0.0, -40.0, -3.0, 10.0, 40.0, 1.0)
    none = Augmentations(sampling=None, flip=None, rotation=None, scaling=None)
    assert len(KittiDataset(root, "train", point_cloud_range=near, augmentations=none)[1].boxes) == 0
    assert len(KittiDataset(root, "train", point_cloud_range=near)[1].boxes) > 0


def test_a_frame_without_objects_and_one_without_points_are_legal(tmp_path: Path) -> None:
    write_frame(tmp_path, "000000", [])
    write_frame(tmp_path, "000001", [DONT_CARE], points=np.zeros((0, 4)))
    write_frame(tmp_path, "000002", [CAR])
    write_split(tmp_path, "train", ["000000", "000001", "000002"])
    training = KittiDataset(tmp_path, "train", augmentations=Augmentations())
    batch = collate([training[(0, i)] for i in range(3)])
    assert batch.batch_size == 3
    assert batch.points.shape[1] == 5


def test_batches_pad_boxes_with_zeros_and_keep_the_frames(root: Path) -> None:
    plain = KittiDataset(root, "train")
    samples = [plain[0], plain[2]]
    batch = collate(samples)
    assert [info.frame_id for info in batch.frames] == ["000000", "000002"]
    for b, sample in enumerate(samples):
        own = batch.points[batch.points[:, 0] == b, 1:]
        assert np.array_equal(own.numpy(), sample.points)
        assert int((batch.labels[b] > 0).sum()) == len(sample.labels)
        assert not batch.boxes[b, len(sample.boxes) :].any()
    assert {field.name for field in fields(batch)} == {"points", "boxes", "labels", "frames"}


def kept(root: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (root / ".formerkit").iterdir()}


def test_index_and_database_are_built_once_and_anew_when_files_change(root: Path) -> None:
    KittiDataset(root, "train", augmentations=Augmentations())
    first = kept(root)
    assert sorted(name.split("_")[0] for name in first) == ["frames", "objects"]
    KittiDataset(root, "train", augmentations=Augmentations())
    assert kept(root) == first
    write_frame(root, "000001", [CAR, PEDESTRIAN])
    again = KittiDataset(root, "train", augmentations=Augmentations())
    assert len(kept(root)) == 4
    assert again[1].info.objects.names.tolist() == ["Car", "Pedestrian"]


def test_a_damaged_index_is_built_anew(root: Path) -> None:
    KittiDataset(root, "train")
    (path,) = (root / ".formerkit").iterdir()
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole[:100] + b"damaged" + whole[107:]):
        path.write_bytes(damaged)
        KittiDataset(root, "train")
        assert path.read_bytes() == whole


def test_a_folder_that_takes_no_cache_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("formerkit.io.atomic.tempfile.mkstemp", read_only)
    with pytest.raises(DataError, match=r"Read-only file system.*set data\.cache_dir"):
        KittiDataset(root, "train")


def test_an_indexed_frame_is_the_frame_of_the_files() -> None:
    root = data("kitti_object")
    layout = Layout(root)
    frame_ids = sorted(path.stem for path in layout.scan("x").parent.glob("*.bin"))
    index = build_index(layout, frame_ids, progress=False)
    for position, frame_id in enumerate(frame_ids):
        ours, theirs = index.read_frame(layout, position), read_frame(layout, frame_id)
        assert ours.info.frame_id == frame_id
        assert ours.info.image_shape == theirs.info.image_shape
        np.testing.assert_equal(vars(ours.info.calibration), vars(theirs.info.calibration))
        np.testing.assert_equal(vars(ours.info.objects), vars(theirs.info.objects))
        np.testing.assert_equal(ours.info.plane, theirs.info.plane)
        np.testing.assert_equal(ours.points, theirs.points)


def test_a_broken_label_is_found_before_training_begins(root: Path) -> None:
    Layout(root).label("000002").write_text(CAR.replace("15.00", "far"))
    with pytest.raises(DataError, match=r"000002\.txt, line 1, field 'z': 'far'"):
        KittiDataset(root, "train")
    Layout(root).calibration("000001").unlink()
    with pytest.raises(DataError, match=r"000001\.txt: the calibration of frame 000001 is absent"):
        KittiDataset(root, "train")


def test_results_in_the_place_of_labels_are_refused(root: Path) -> None:
    Layout(root).label("000002").write_text(CAR + " 0.9\n")
    with pytest.raises(DataError, match=r"000002\.txt, line 1: 16 columns: these are results; expected 15 columns"):
        KittiDataset(root, "train")


def test_a_frame_without_a_label_file_has_no_labels(root: Path) -> None:
    Layout(root).label("000001").unlink()
    assert KittiDataset(root, "train")[1].info.objects is None


def test_difficulty_by_hand() -> None:
    lines = [
        CAR,  # 70 px, visible
        CAR.replace("0.00 0 -1.50", "0.20 0 -1.50"),
        CAR.replace("0.00 0 -1.50", "0.00 2 -1.50"),
        CAR.replace("250.00 1.50", "210.00 1.50"),  # 31 px with its last one
        CAR.replace("250.00 1.50", "203.00 1.50"),  # 24 px
    ]
    assert difficulty(parse_objects("\n".join(lines), "x")).tolist() == [0, 1, 2, 1, -1]
    assert VAN


def test_a_split_with_absent_frames_is_refused_with_numbers(root: Path) -> None:
    write_split(root, "train", ["000000", "000001", "000777", "000778"])
    with pytest.raises(DataError, match=r"train\.txt: 2 of 4 frames have no scan .*\(000777, 000778\)"):
        KittiDataset(root, "train")
    assert len(KittiDataset(root, "train", allow_missing_frames=True)) == 2
    write_split(root, "train", ["000777"])
    with pytest.raises(DataError, match="none of 1 frames"):
        KittiDataset(root, "train", allow_missing_frames=True)


def test_an_absent_split_names_those_that_exist(root: Path) -> None:
    with pytest.raises(DataError, match=r"trian\.txt: the split list is absent; expected one of: train, val"):
        KittiDataset(root, "trian")


def test_an_absent_calibration_is_named(root: Path) -> None:
    (root / "training" / "calib" / "000001.txt").unlink()
    with pytest.raises(DataError, match=r"calib/000001\.txt: the calibration of frame 000001 is absent"):
        KittiDataset(root, "train")[1]
