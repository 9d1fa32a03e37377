"""ONCE's files as samples, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formerdata.detection import Augmentations, load_batches
from formerdata.once import (
    CLASS_NAMES,
    ONCEBoxes,
    ONCEDataset,
    ONCELayout,
    once_augmentations,
    read_sequence,
    split_sequences,
)

from formerkit.io import DataError
from tests.formerdata.once.made_up import FRAMES, SEQUENCE, content, write_once

NOTHING = Augmentations(None, None, None)


def test_a_sequence_is_what_its_file_says(tmp_path: Path) -> None:
    listed = write_once(tmp_path)
    frames = read_sequence(ONCELayout(tmp_path).sequence(SEQUENCE))
    assert [frame.frame for frame in frames] == list(FRAMES)
    assert [frame.boxes is not None for frame in frames] == [True, False, True, True]
    for frame, entry in zip(frames, listed["frames"], strict=True):
        assert frame.pose.tolist() == entry["pose"]
        if frame.boxes is not None:
            assert frame.boxes.names.tolist() == entry["annos"]["names"]
            assert frame.boxes.boxes.tolist() == entry["annos"]["boxes_3d"]
    assert frames[3].boxes is not None
    assert frames[3].boxes.boxes.shape == (0, 7)


def test_numbers_as_ids_and_poses_that_are_not_stated(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(
        json.dumps({"frames": [{"frame_id": 17}, {"frame_id": 18, "pose": None}, {"frame_id": "19", "pose": []}]})
    )
    frames = read_sequence(path)
    assert [frame.frame for frame in frames] == ["17", "18", "19"]
    assert np.isnan([frame.pose for frame in frames]).all()


def test_samples(tmp_path: Path) -> None:
    listed = write_once(tmp_path)
    dataset = ONCEDataset(tmp_path, "train")
    assert len(dataset) == 2  # without the frame that nobody labelled, and the one in which nothing was found
    assert dataset.unlabelled == 2
    for position, number in enumerate((0, 2)):
        sample, entry = dataset[position], listed["frames"][number]["annos"]
        raw = np.fromfile(ONCELayout(tmp_path).scan(SEQUENCE, FRAMES[number]), dtype="<f4").reshape(-1, 4)
        np.testing.assert_array_equal(sample.points, raw)
        assert [CLASS_NAMES[label - 1] for label in sample.labels] == entry["names"]
        np.testing.assert_allclose(sample.boxes, entry["boxes_3d"], rtol=1e-6)
        assert sample.info.frame_id == f"{SEQUENCE}_{FRAMES[number]}"
        assert isinstance(sample.info.boxes, ONCEBoxes)
        assert sample.info.boxes.boxes.tolist() == entry["boxes_3d"]
    with pytest.raises(IndexError, match="frame 2 of 2"):
        dataset[2]


def test_classes_and_range(tmp_path: Path) -> None:
    listed = write_once(tmp_path)
    only = ONCEDataset(tmp_path, "train", ("Truck", "Car"))[0]
    names = [name for name in listed["frames"][0]["annos"]["names"] if name in ("Truck", "Car")]
    assert [("Truck", "Car")[label - 1] for label in only.labels] == names
    rows = np.isin(listed["frames"][0]["annos"]["names"], ["Truck", "Car"])
    assert not rows.all()
    np.testing.assert_allclose(only.boxes, np.array(listed["frames"][0]["annos"]["boxes_3d"])[rows], rtol=1e-6)
    near = ONCEDataset(tmp_path, "train", point_cloud_range=(-20, -20, -5, 20, 20, 3), augmentations=NOTHING)[0]
    assert np.abs(near.points[:, :2]).max() <= 20
    assert (np.abs(near.boxes[:, :2]) <= 20).all()
    with pytest.raises(
        ValueError, match="class_names: expected some of Car, Bus, Truck, Pedestrian, Cyclist, got 'Van'"
    ):
        ONCEDataset(tmp_path, "train", ("Van",))


def test_a_split_without_labels_has_all_its_frames(tmp_path: Path) -> None:
    write_once(tmp_path, "test")
    path = ONCELayout(tmp_path).sequence(SEQUENCE)
    listed = content()
    for frame in listed["frames"]:
        frame.pop("annos", None)
    path.write_text(json.dumps(listed))
    dataset = ONCEDataset(tmp_path, "test")
    assert (len(dataset), dataset.unlabelled) == (4, 0)
    assert dataset[1].info.boxes is None
    assert dataset[1].boxes.shape == (0, 7)


def test_augmentation_depends_on_seed_and_epoch_and_nothing_else(tmp_path: Path) -> None:
    write_once(tmp_path)
    dataset = ONCEDataset(tmp_path, "train", augmentations=once_augmentations(), seed=3)
    first = dataset[(0, 0)]
    np.testing.assert_array_equal(first.points, dataset[(0, 0)].points)
    assert not np.allclose(first.boxes, dataset[(1, 0)].boxes)
    assert not np.allclose(
        first.boxes, ONCEDataset(tmp_path, "train", augmentations=once_augmentations(), seed=4)[0].boxes
    )
    batches = list(load_batches(dataset, 2, num_workers=0))
    assert batches[0].points.shape[1] == 5


def test_objects_are_pasted_until_there_are_so_many(tmp_path: Path) -> None:
    listed = write_once(tmp_path)
    for frame in listed["frames"]:
        if not frame.get("annos", {}).get("boxes_3d"):
            continue
        path = ONCELayout(tmp_path).scan(SEQUENCE, frame["frame_id"])
        inside = np.repeat([[*box[:3], 0.5] for box in frame["annos"]["boxes_3d"]], 6, axis=0)
        with path.open("ab") as file:
            file.write(inside.astype("<f4").tobytes())
    pasting = replace(once_augmentations(), flip=None, rotation=None, scaling=None)
    plain = [ONCEDataset(tmp_path, "train")[i] for i in range(2)]
    known = np.bincount(np.concatenate([sample.labels for sample in plain]), minlength=6)[1:]
    assert (known > 0).sum() >= 3
    dataset, more = ONCEDataset(tmp_path, "train", augmentations=pasting), 0
    for before, after in zip(plain, [dataset[i] for i in range(2)], strict=True):
        old, new = (np.bincount(sample.labels, minlength=6)[1:] for sample in (before, after))
        assert (new >= old).all()
        assert (new <= np.maximum(old, [1, 4, 3, 2, 2])).all()
        more += int((new - old).sum())
    assert more > 0


def test_the_index_is_kept_and_made_anew_when_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_once(tmp_path)
    before = ONCEDataset(tmp_path, "train", cache_dir=tmp_path / "cache")[0].boxes
    with monkeypatch.context() as patch:
        patch.setattr("formerdata.once.index.read_sequence", lambda path: pytest.fail("read again"))
        np.testing.assert_array_equal(ONCEDataset(tmp_path, "train", cache_dir=tmp_path / "cache")[0].boxes, before)
    listed = content()
    listed["frames"][0]["annos"]["boxes_3d"][0][0] = 12.5
    ONCELayout(tmp_path).sequence(SEQUENCE).write_text(json.dumps(listed))
    assert ONCEDataset(tmp_path, "train", cache_dir=tmp_path / "cache")[0].boxes[0, 0] == 12.5


def test_absent_scans_and_lists(tmp_path: Path) -> None:
    write_once(tmp_path)
    ONCELayout(tmp_path).scan(SEQUENCE, FRAMES[1]).unlink()  # nobody labelled it: it is not needed
    assert len(ONCEDataset(tmp_path, "train")) == 2
    ONCELayout(tmp_path).scan(SEQUENCE, FRAMES[2]).unlink()
    with pytest.raises(DataError, match=rf"{FRAMES[2]}.bin: the frame is listed, its scan is absent; .* 1 of 2 frames"):
        ONCEDataset(tmp_path, "train")
    assert len(ONCEDataset(tmp_path, "train", allow_missing_frames=True)) == 1
    ONCELayout(tmp_path).scan(SEQUENCE, FRAMES[0]).unlink()
    with pytest.raises(DataError, match="none of 4 frames can be used"):
        ONCEDataset(tmp_path, "train", allow_missing_frames=True)
    with pytest.raises(DataError, match="the split list is absent; expected one of: train"):
        split_sequences(tmp_path, "val")
    (tmp_path / "ImageSets" / "val.txt").write_text("000077\n")
    with pytest.raises(DataError, match=r"000077.json: no such file; expected the JSON file of the sequence"):
        ONCEDataset(tmp_path, "val")


def test_a_truncated_scan_is_refused(tmp_path: Path) -> None:
    write_once(tmp_path)
    path = ONCELayout(tmp_path).scan(SEQUENCE, FRAMES[0])
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match=r"4797 bytes end inside a point"):
        ONCEDataset(tmp_path, "train")[0]


def changed(*keys: Any, to: Any) -> str:
    """The file of a sequence with one value changed."""
    listed = content()
    place: Any = listed
    for key in keys[:-1]:
        place = place[key]
    if to is KeyError:
        del place[keys[-1]]
    else:
        place[keys[-1]] = to
    return json.dumps(listed)


LABELS = ("frames", 0, "annos")
BROKEN = {
    "cut": (json.dumps(content())[:-200], "not JSON"),
    "binary": ("\0\1", "not a text file"),
    "list": ("[]", "a list; expected one JSON object with 'frames'"),
    "no frames": (changed("frames", to=KeyError), "field 'frames': the file has no 'frames'; expected a list"),
    "frames": (changed("frames", to={}), "field 'the file.frames': a dict; expected a list"),
    "no id": (changed("frames", 1, "frame_id", to=KeyError), r"field 'frames\[1\].frame_id': no frame id"),
    "path": (changed("frames", 1, "frame_id", to="../x"), r"field 'frames\[1\].frame_id': '../x'; expected millisec"),
    "twice": (changed("frames", 1, "frame_id", to=FRAMES[0]), f"frame {FRAMES[0]} is listed twice"),
    "pose": (changed("frames", 1, "pose", to=[1, 2]), r"frames\[1\].pose': shape \[2\]; expected seven numbers"),
    "annos": (changed(*LABELS, to=[]), r"frames\[0\].annos has no 'names'"),
    "no names": (changed(*LABELS, "names", to=KeyError), r"frames\[0\].annos has no 'names'; expected a list"),
    "names": (changed(*LABELS, "names", to=["Car"]), r"annos.boxes_3d': 1 names and 5 boxes; expected a name a box"),
    "class": (changed(*LABELS, "names", to=["Tram"] * 5), "annos.names': 'Tram'; expected one of Car, Bus"),
    "width": (changed(*LABELS, "boxes_3d", to=[[0.0] * 6] * 5), r"annos.boxes_3d': shape \[5, 6\]; expected x, y, z"),
    "ragged": (changed(*LABELS, "boxes_3d", 2, to=[1.0]), "annos.boxes_3d': not an array of numbers"),
    "text": (changed(*LABELS, "boxes_3d", 2, to=["a"] * 7), "annos.boxes_3d': not an array of numbers"),
    "nan": (changed(*LABELS, "boxes_3d", 2, 0, to=float("nan")), "annos.boxes_3d': a number is not finite"),
    "side": (
        changed(*LABELS, "boxes_3d", 2, 4, to=0),
        "annos.boxes_3d': box 2 has the sides .* expected sides above 0",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_sequences_are_refused(tmp_path: Path, case: str) -> None:
    text, message = BROKEN[case]
    write_once(tmp_path)
    ONCELayout(tmp_path).sequence(SEQUENCE).write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        ONCEDataset(tmp_path, "train")
    assert f"{SEQUENCE}.json" in str(caught.value)
