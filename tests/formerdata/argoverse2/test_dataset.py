"""Argoverse 2's sweeps as samples, their index, and the real sample log."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from formerdata.argoverse2 import (
    ANNOTATION_CATEGORIES,
    CATEGORIES,
    Argoverse2Dataset,
    Argoverse2Frames,
    LogFolder,
    argoverse2_augmentations,
    labels_of_sweep,
    read_annotations,
    read_poses,
    read_sweep,
)
from formerdata.boxes import points_in_boxes
from formerdata.detection import Augmentations, load_batches

from formerkit.io import DataError
from tests.formerdata.argoverse2.made_up import LOG, TIMES, write_log
from tests.paths import data

pytest.importorskip("pyarrow")
NOTHING = Augmentations(None, None, None)


@pytest.fixture
def split(tmp_path: Path) -> Path:
    write_log(tmp_path / "val", "log-b", seed=1)
    write_log(tmp_path / "val", "log-a", times=TIMES[:2], seed=2)
    return tmp_path / "val"


def test_frames_are_what_the_files_say(split: Path) -> None:
    frames = Argoverse2Frames(split)
    assert [frames.key(i) for i in range(len(frames))] == [
        ("log-a", TIMES[0]), ("log-a", TIMES[1]), ("log-b", TIMES[0]), ("log-b", TIMES[1]), ("log-b", TIMES[2])
    ]  # fmt: skip
    assert (frames.unannotated, frames.absent) == (0, 0)
    for frame in frames:
        folder = LogFolder(split / frame.log_id)
        times, objects = read_annotations(folder.annotations)
        wanted = objects.select(times == frame.timestamp)
        assert frame.boxes is not None
        assert len(frame.boxes) == 6
        for name in ("boxes", "categories", "track_uuids", "num_points"):
            np.testing.assert_array_equal(getattr(frame.boxes, name), getattr(wanted, name))
        np.testing.assert_array_equal(frame.points, read_sweep(folder.sweep(frame.timestamp)))
        assert len(labels_of_sweep(frame.log_id, frame.timestamp, frame.boxes)) == 6
    with pytest.raises(IndexError, match="sweep 5 of 5"):
        frames[5]


def test_the_index_is_kept_and_made_anew_when_a_file_changes(split: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Argoverse2Frames(split)[0].boxes
    with monkeypatch.context() as patch:
        patch.setattr("formerdata.argoverse2.index.read_annotations", lambda path: pytest.fail("read again"))
        after = Argoverse2Frames(split)[0].boxes
    assert before is not None
    assert after is not None
    np.testing.assert_array_equal(before.boxes, after.boxes)
    other = write_log(split.parent / "other", times=TIMES[:2], seed=3) / "annotations.feather"
    (split / "log-a" / "annotations.feather").write_bytes(other.read_bytes())  # the folder's own time stays
    anew = Argoverse2Frames(split)[0].boxes
    assert anew is not None
    assert not np.array_equal(anew.boxes, before.boxes)
    np.testing.assert_array_equal(anew.boxes, read_annotations(other)[1].boxes[:6])


def test_sweeps_without_annotations_are_left_out_and_counted(tmp_path: Path) -> None:
    write_log(tmp_path / "val", annotated=TIMES[1:])
    frames = Argoverse2Frames(tmp_path / "val")
    assert frames.timestamps.tolist() == list(TIMES[1:])
    assert frames.unannotated == 1
    everything = Argoverse2Frames(tmp_path / "val", labelled=False)
    assert everything.timestamps.tolist() == list(TIMES)
    assert everything[0].boxes is None
    write_log(tmp_path / "train", annotated=[1, 2])
    with pytest.raises(DataError, match="none of 1 logs has annotated sweeps"):
        Argoverse2Frames(tmp_path / "train", allow_missing_frames=True)


def test_annotated_sweeps_that_are_absent(tmp_path: Path) -> None:
    write_log(tmp_path / "val", times=TIMES[:1], annotated=TIMES)
    with pytest.raises(DataError, match=rf"{LOG}: 2 annotated sweeps are absent \(2 in the whole split\); expected"):
        Argoverse2Dataset(tmp_path / "val")
    frames = Argoverse2Frames(tmp_path / "val", allow_missing_frames=True)
    assert (len(frames), frames.absent) == (1, 2)


def test_a_test_split_has_no_annotations(tmp_path: Path) -> None:
    (write_log(tmp_path / "test") / "annotations.feather").unlink()
    sample = Argoverse2Dataset(tmp_path / "test")[0]
    assert sample.info.boxes is None
    assert sample.boxes.shape == (0, 7)
    with pytest.raises(DataError, match=r"annotations.feather: no such file"):
        Argoverse2Dataset(tmp_path / "test", labelled=True)


def test_samples(split: Path) -> None:
    frame, sample = Argoverse2Frames(split)[2], Argoverse2Dataset(split)[2]
    assert frame.boxes is not None
    np.testing.assert_array_equal(sample.points, frame.points)
    assert sample.info.frame_id == f"log-b_{TIMES[0]}"
    names = [name for name in frame.boxes.names.tolist() if name in CATEGORIES]
    assert [CATEGORIES[label - 1] for label in sample.labels] == names
    assert sample.boxes.dtype == np.float32
    rows = np.isin(frame.boxes.names, CATEGORIES)
    np.testing.assert_array_equal(sample.boxes, frame.boxes.boxes[rows].astype(np.float32))
    np.testing.assert_array_equal(sample.info.boxes.boxes, frame.boxes.boxes)
    near = Argoverse2Dataset(split, point_cloud_range=(-10, -10, -4, 10, 10, 4), augmentations=NOTHING)[2]
    assert np.abs(near.points[:, :2]).max() <= 10
    assert (np.abs(near.boxes[:, :2]) <= 10).all()


def test_in_training_boxes_without_points_are_left_out(split: Path) -> None:
    names = (*ANNOTATION_CATEGORIES,)
    for position in range(5):
        boxes = Argoverse2Frames(split)[position].boxes
        assert boxes is not None
        training = Argoverse2Dataset(split, names, augmentations=NOTHING)[position]
        assert len(training.boxes) == (boxes.num_points > 0).sum()
        assert len(Argoverse2Dataset(split, names)[position].boxes) == 6
    only = Argoverse2Dataset(split, (str(boxes.names[0]),))[4]  # type: ignore[union-attr]
    assert set(only.labels.tolist()) == {1}
    assert 0 < len(only.boxes) == len(only.labels) < 6


def test_augmentation_depends_on_seed_and_epoch_and_nothing_else(split: Path) -> None:
    dataset = Argoverse2Dataset(split, augmentations=argoverse2_augmentations(epochs=2), seed=3)
    plain = Argoverse2Dataset(split, augmentations=NOTHING)[1]
    first, again = dataset[(0, 1)], dataset[(0, 1)]
    np.testing.assert_array_equal(first.points, again.points)
    assert not np.allclose(first.boxes, dataset[(1, 1)].boxes)
    np.testing.assert_array_equal(dataset[(2, 1)].boxes, plain.boxes)
    other = Argoverse2Dataset(split, augmentations=argoverse2_augmentations(), seed=4)
    assert not np.allclose(first.boxes, other[(0, 1)].boxes)


def test_batches_come_from_workers(split: Path) -> None:
    batches = list(load_batches(Argoverse2Dataset(split), 2, num_workers=1))
    assert [batch.batch_size for batch in batches] == [2, 2, 1]
    assert batches[0].points.shape[1] == 5


def test_an_unknown_class_is_refused(split: Path) -> None:
    with pytest.raises(ValueError, match=r"class_names: expected some of REGULAR_VEHICLE, .*, got 'Regular_vehicle'"):
        Argoverse2Dataset(split, ("Regular_vehicle",))


def test_the_sample_log(tmp_path: Path) -> None:
    """Both sweeps, and the number of points in every box: exactly what the annotations state."""
    frames = Argoverse2Frames(data("argoverse2_sample", "val"), cache_dir=tmp_path, allow_missing_frames=True)
    assert (len(frames), frames.unannotated, frames.absent) == (2, 0, 154)
    for frame, count in zip(frames, (99229, 99466), strict=True):
        assert len(frame.points) == count
        assert frame.boxes is not None
        assert len(frame.boxes) == 81
        inside = points_in_boxes(frame.points, frame.boxes.boxes).sum(1)
        np.testing.assert_array_equal(inside, frame.boxes.num_points)
        assert inside.max() > 1000
    same, first, second = np.intersect1d(*(frame.boxes.track_uuids for frame in frames), return_indices=True)  # type: ignore[union-attr]
    sizes = [frame.boxes.boxes[:, 3:6] for frame in frames]  # type: ignore[union-attr]
    assert len(same) > 70
    np.testing.assert_allclose(sizes[0][first], sizes[1][second], atol=0.5)


def test_the_sample_log_in_its_city(tmp_path: Path) -> None:
    """Parked things stand still: what moves between the sweeps in the vehicle's frame does not in the city's."""
    split = data("argoverse2_sample", "val")
    frames = list(Argoverse2Frames(split, cache_dir=tmp_path, allow_missing_frames=True))
    times, poses = read_poses(LogFolder(split / frames[0].log_id).poses)
    places = []
    for frame in frames:
        (row,) = np.flatnonzero(times == frame.timestamp)
        assert frame.boxes is not None
        centres = frame.boxes.boxes[:, :3] @ poses[row, :3, :3].T + poses[row, :3, 3]
        places.append(dict(zip(frame.boxes.track_uuids.tolist(), centres, strict=True)))
    moved = np.array([np.linalg.norm(places[0][key] - places[1][key]) for key in places[0].keys() & places[1].keys()])
    assert np.median(moved) < 0.05
