"""The database of objects: what is in it, that it is mapped, and what becomes of a broken one."""

from __future__ import annotations

import errno
import json
import os
import pickle
import re
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from formerdata.cache import fingerprint
from formerdata.detection import (
    Augmentations,
    LabelledFrame,
    ObjectDatabase,
    ObjectSampling,
    Sample,
    build_objects,
    cached_objects,
    object_builder,
    object_database,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.io import ConfigError, DataError
from formerkit.seeds import generator
from tests.formerdata.detection.scenes import CLASSES, database_of, labelled_frame, sample_of, slow_objects

FRAMES = [labelled_frame(seed) for seed in range(20)]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), columns=st.sampled_from([7, 9]), features=st.integers(0, 3))
def test_it_holds_what_loops_cut_out(
    tmp_path_factory: pytest.TempPathFactory, seed: int, columns: int, features: int
) -> None:
    frames = [labelled_frame(seed + i, columns=columns, features=features) for i in range(3)]
    database, wanted = database_of(frames, tmp_path_factory.mktemp("objects") / "objects"), slow_objects(frames)
    assert len(database) == len(wanted)
    assert database.names.tolist() == [name for name, *_ in wanted]
    assert database.frame_ids[database.frames].tolist() == [frame_id for *_, frame_id in wanted]
    assert database.points.shape[1] == 3 + features
    assert database.difficulty is None
    for i, (_, box, points, _) in enumerate(wanted):
        np.testing.assert_array_equal(database.boxes[i], box)
        np.testing.assert_array_equal(database.object_points(i), points)
    for name in (*CLASSES, "Sign", "Boat"):
        for least in (0, 1, 5, 10, 100):
            usable = database.usable(name, least)
            sizes = [len(wanted[i][2]) for i in usable]
            assert sorted(usable) == [i for i, each in enumerate(wanted) if each[0] == name and len(each[2]) >= least]
            assert sizes == sorted(sizes, reverse=True)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_workers_build_the_same(tmp_path: Path) -> None:
    frames = FRAMES * 2
    state = torch.random.get_rng_state()
    for workers in (0, 2):
        build_objects(tmp_path / str(workers), frames, num_workers=workers, progress=False)
    assert content(tmp_path / "0") == content(tmp_path / "2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "2"]
    assert torch.equal(torch.random.get_rng_state(), state)


def test_objects_without_points_and_levels_of_difficulty_are_kept_on_request(tmp_path: Path) -> None:
    frames = [frame._replace(difficulty=np.arange(len(frame.boxes)) - 1) for frame in FRAMES]
    database = database_of(frames, tmp_path / "all", min_points=0)
    assert len(database) == sum(len(frame.boxes) for frame in frames)
    assert database.difficulty.tolist() == np.concatenate([frame.difficulty for frame in frames]).tolist()
    assert (np.diff(database.starts) == 0).any()
    few = database_of(frames, tmp_path / "few", min_points=10)
    enough = np.diff(database.starts) >= 10
    np.testing.assert_array_equal(few.boxes, database.boxes[enough])
    np.testing.assert_array_equal(few.difficulty, database.difficulty[enough])


def test_a_set_without_objects_is_legal(tmp_path: Path) -> None:
    empty = LabelledFrame(np.zeros((0, 4), np.float32), np.zeros((0, 7), np.float32), [], "a")
    database = database_of([empty, empty], tmp_path / "objects")
    assert len(database) == 0
    assert database.points.shape == (0, 4)
    sample = Sample(empty.points, empty.boxes, np.zeros(0, np.int64), None)
    assert ObjectSampling({"Car": 3})(sample, database, CLASSES, generator(0)) is sample


def test_arrays_are_mapped_and_a_copy_maps_them_again(tmp_path: Path) -> None:
    database = database_of(FRAMES, tmp_path / "objects")
    data = pickle.dumps(database)
    assert len(data) < 1000
    for each in (database, pickle.loads(data)):
        for name in ("boxes", "points", "starts", "kinds", "frames", "frame_ids"):
            assert isinstance(getattr(each, name), np.memmap)
            assert not getattr(each, name).flags.writeable
        np.testing.assert_array_equal(each.points, database.points)
        np.testing.assert_array_equal(each.usable("Car", 3), database.usable("Car", 3))


class OneCar:
    """Frames of a car each, with 25,000 points: 400 kB."""

    def __len__(self) -> int:
        return 100

    def __getitem__(self, position: int) -> LabelledFrame:
        points = np.random.default_rng(position).uniform(-1, 1, (25_000, 4)).astype(np.float32)
        box = np.array([[position * 10, 0, 0, 4, 4, 4, 0]], dtype=np.float32)
        points[:, 0] += position * 10
        return LabelledFrame(points, box, ["Car"], f"frame_{position}")


def resident(path: Path) -> int:
    """Bytes of a mapped file that this process holds."""
    blocks = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text(), flags=re.M)
    own = [block for block in blocks if str(path) in block]
    assert own
    return sum(1024 * int(re.findall(r"^Rss: +(\d+) kB", block, flags=re.M)[0]) for block in own)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux' own account of a process' memory")
def test_neither_building_nor_pasting_holds_the_points_in_memory(tmp_path: Path) -> None:
    tracemalloc.start()
    build_objects(tmp_path / "objects", OneCar(), num_workers=0, progress=False)
    _, built = tracemalloc.get_traced_memory()
    database = ObjectDatabase(tmp_path / "objects")
    tracemalloc.reset_peak()
    none = Sample(np.zeros((0, 4), np.float32), np.zeros((0, 7), np.float32), np.zeros(0, np.int64), None)
    pasted = ObjectSampling({"Car": 3})(none, database, ("Car",), generator(0))
    _, used = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(pasted.points) == 75_000
    assert database.points.nbytes == 40_000_000
    assert built < 20_000_000  # a run of 16 frames, and some
    assert used < 10_000_000
    assert resident(tmp_path / "objects" / "points.npy") < 6_000_000


def test_nothing_is_left_of_a_build_that_fails(tmp_path: Path) -> None:
    other = [*FRAMES[:3], labelled_frame(50, features=4)]
    with pytest.raises(DataError, match=r"field 'points': frame frame_50 has 7 numbers a row; expected 5, as in frame"):
        build_objects(tmp_path / "objects", other, progress=False)
    mixed = [FRAMES[0], FRAMES[1]._replace(difficulty=np.zeros(len(FRAMES[1].boxes)))]
    with pytest.raises(DataError, match="field 'difficulty': frame frame_1; expected in all frames or none"):
        build_objects(tmp_path / "objects", mixed, progress=False)
    with pytest.raises(DataError, match="no frame; expected at least one"):
        build_objects(tmp_path / "objects", [], progress=False)
    for workers in (0, 1):
        with pytest.raises(DataError, match=r"^scan 3: is broken$"):
            build_objects(tmp_path / "objects", Broken(), num_workers=workers, progress=False)
    assert list(tmp_path.iterdir()) == []


class Broken:
    """The fourth cannot be read."""

    def __len__(self) -> int:
        return 20

    def __getitem__(self, position: int) -> LabelledFrame:
        if position == 3:
            raise DataError("scan 3", "is broken")
        return FRAMES[position]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("formerdata.store.array_file.os.fsync", full)
    with pytest.raises(DataError, match="the disk is full while objects were written"):
        build_objects(tmp_path / "objects", FRAMES, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written \(.*\); expected a folder for caches: set data\.cache_dir"):
        build_objects(tmp_path / "file" / "objects", FRAMES, progress=False)


def damage(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))  # type: ignore[return-value]


def header(field: str, value: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        values = json.loads((folder / "objects.json").read_text())
        place = values["arrays"] if field in values["arrays"] else values
        place[field] = value
        (folder / "objects.json").write_text(json.dumps(values))

    return change


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (lambda folder: (folder / "boxes.npy").unlink(), "boxes.npy, field 'boxes': the file is absent"),
    "no header": (lambda folder: (folder / "objects.json").unlink(), "objects.json: cannot be read"),
    "no json": (damage("objects.json", lambda data: data[:-9]), "objects.json: is no JSON"),
    "points cut": (damage("points.npy", lambda data: data[:-4]), r"points.npy, field 'points': [\d,]+ bytes; expected"),
    "too long": (damage("order.npy", lambda data: data + b"1234"), r"order.npy, field 'order': [\d,]+ bytes"),
    "other head": (damage("points.npy", lambda data: b"PK" + data[2:]), "points.npy, field 'points': another head"),
    "flipped": (damage("starts.npy", lambda data: data[:-2] + b"\x01\x01"), "starts.npy, field 'starts': is damaged"),
    "version": (header("version", 99), "objects.json: another format or version; expected formerdata.objects 1"),
    "counts": (header("counts", [1]), r"objects.json, field '\w+': "),
    "more counts": (
        header("class_names", ["Car"]),
        r"objects.json, field 'counts': \d counts; expected one for each of 1",
    ),
    "kind": (header("boxes", {"dtype": "<f8", "shape": [3, 7], "sha256": ""}), "field 'boxes': <f8"),
    "no shape": (header("boxes", {"dtype": "<f4"}), "a field is absent or of another kind"),
    "unknown": (header("arrays", {}), "field 'arrays': arrays"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_broken_database_is_refused_by_name_and_built_anew(kind: str, tmp_path: Path) -> None:
    change, message = DAMAGES[kind]
    frames = FRAMES[:4]
    database = cached_objects(tmp_path, frames, [], progress=False)
    whole = content(database.folder)
    change(database.folder)
    with pytest.raises(DataError, match=message):
        ObjectDatabase(database.folder)
    assert content(cached_objects(tmp_path, frames, [], progress=False).folder) == whole
    assert list(tmp_path.iterdir()) == [database.folder]


def test_a_file_in_the_place_of_a_database_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / f"objects_{fingerprint([])}"
    path.write_text("")
    assert cached_objects(tmp_path, FRAMES[:2], [], progress=False).folder == path


def test_a_database_that_another_process_has_finished_first_is_used(tmp_path: Path) -> None:
    build_objects(tmp_path / "objects", FRAMES[:2], progress=False)
    before = content(tmp_path / "objects")
    build_objects(tmp_path / "objects", FRAMES, progress=False)
    assert content(tmp_path / "objects") == before
    assert list(tmp_path.iterdir()) == [tmp_path / "objects"]


def test_what_a_killed_process_left_is_removed_when_it_is_old(tmp_path: Path) -> None:
    for name, age in (("old", 2 * object_builder.STALE), ("new", 0.0)):
        folder = tmp_path / f".objects.{name}.tmp"
        folder.mkdir()
        (folder / "points.npy").write_text("")
        for path in (folder / "points.npy", folder):
            os.utime(path, (time.time() - age,) * 2)
    build_objects(tmp_path / "objects", FRAMES[:2], progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".objects.new.tmp", "objects"]


class Samples(torch.utils.data.Dataset):
    """A data set, as the documentation tells."""

    class_names = CLASSES

    def __init__(self, folder: Path, augmentations: Augmentations | None, key: str = "") -> None:
        self.augmentations, self.reads = augmentations, 0
        source = folder / "source"
        if not source.exists():
            source.touch()
        self.database = object_database(self, folder, [source], key=key, known_classes=[*CLASSES, "Sign"])

    def __len__(self) -> int:
        return len(FRAMES)

    def plain_sample(self, position: int) -> Sample:
        self.reads += 1
        return sample_of(FRAMES[position])

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        sample = self.plain_sample(key[1])
        assert self.augmentations is not None
        random = generator(0, "augment", key[0], sample.info.frame_id)
        return self.augmentations(sample, self.database, self.class_names, random, key[0])


PASTING = Augmentations(sampling=ObjectSampling({"Car": 9, "Sign": 2, "Pedestrian": 9}, 2))


def test_a_data_set_keeps_its_database(tmp_path: Path) -> None:
    data = Samples(tmp_path, PASTING)
    assert data.reads == len(FRAMES)
    assert data.database is not None
    assert "Sign" not in data.database.class_names
    assert len(data.database) == sum(name in CLASSES for name, *_ in slow_objects(FRAMES))
    assert Samples(tmp_path, PASTING).reads == 0
    assert Samples(tmp_path, PASTING, key="other").reads == len(FRAMES)
    os.utime(tmp_path / "source", (1, 1))
    assert Samples(tmp_path, PASTING).reads == len(FRAMES)
    plain = Samples(tmp_path, Augmentations())
    assert (plain.database, plain.reads) == (None, 0)
    assert Samples(tmp_path, None).database is None
    with pytest.raises(
        ConfigError, match=r"sampling\.counts: unknown class 'Lorry'; expected Car, Pedestrian, Bus, Sign"
    ):
        Samples(tmp_path, Augmentations(sampling=ObjectSampling({"Lorry": 1})))


def test_samples_depend_on_epoch_and_frame_alone(tmp_path: Path) -> None:
    data = Samples(tmp_path, PASTING)
    order = [(0, 3), (1, 3), (0, 5), (1, 2)]
    # Pickled, as a process that is not forked gets it.
    copy = pickle.loads(pickle.dumps(data))
    loader = torch.utils.data.DataLoader(copy, None, sampler=order, num_workers=2, collate_fn=_same)
    for sample, key in zip(loader, order, strict=True):
        again = Samples(tmp_path, PASTING)[key]
        assert len(again.boxes) > sum(name in CLASSES for name in FRAMES[key[1]].names)
        for name in ("points", "boxes", "labels"):
            np.testing.assert_array_equal(getattr(sample, name), getattr(again, name))
    assert not np.array_equal(data[(0, 3)].boxes, data[(1, 3)].boxes)


def _same(sample: Sample) -> Sample:
    return sample
