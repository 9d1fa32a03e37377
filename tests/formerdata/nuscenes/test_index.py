"""The index of a version, against the tables read plainly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formerdata.nuscenes import ATTRIBUTES, CLASS_NAMES, CLASS_OF_CATEGORY, build_index, cached_index, read_table
from formerdata.nuscenes.annotations import velocities
from formerdata.nuscenes.built_in import VERSION
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.io import DataError
from tests.formerdata.nuscenes.made_up import change, copy_of, records_of, small_scenes


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_scenes(tmp_path_factory.mktemp("nuscenes"))


def matrix(record: dict[str, Any]) -> np.ndarray:
    """Of a pose record, by the textbook formula."""
    w, x, y, z = record["rotation"]
    made = np.eye(4)
    made[:3, :3] = [
        [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
    ]
    made[:3, 3] = record["translation"]
    return made


def by_token(root: Path, table: str) -> dict[str, dict[str, Any]]:
    return {record["token"]: record for record in records_of(root, table)}


def test_samples_scans_and_poses_are_those_of_the_tables(root: Path) -> None:
    index = build_index(root, VERSION)
    samples, scenes = by_token(root, "sample"), by_token(root, "scene")
    data, poses, mounts = (by_token(root, name) for name in ("sample_data", "ego_pose", "calibrated_sensor"))
    assert len(index) == len(samples) == 6
    keys = {record["sample_token"]: record for record in data.values() if record["is_key_frame"]}
    for i, token in enumerate(index.sample_tokens.tolist()):
        assert index.timestamps[i] == samples[token]["timestamp"]
        assert index.scene_names[index.sample_scenes[i]] == scenes[samples[token]["scene_token"]]["name"]
        record = keys[token]
        for scan in index.scan_table(np.array([i]), 5)[0].tolist():
            if record is None:
                assert scan == -1
                continue
            assert index.file(scan) == record["filename"]
            assert index.scan_timestamps[scan] == record["timestamp"]
            wanted = matrix(poses[record["ego_pose_token"]]) @ matrix(mounts[record["calibrated_sensor_token"]])
            np.testing.assert_allclose(index.global_from_lidar(scan), wanted, atol=1e-9)
            record = data[record["prev"]] if record["prev"] else None


def devkit_velocity(annotations: dict[str, Any], samples: dict[str, Any], token: str) -> np.ndarray:
    """``box_velocity`` as its documentation reads."""
    own = annotations[token]
    first = annotations[own["prev"]] if own["prev"] else own
    last = annotations[own["next"]] if own["next"] else own
    if first is last:
        return np.full(3, np.nan)
    times = [1e-6 * samples[each["sample_token"]]["timestamp"] for each in (first, last)]
    limit = 3.0 if own["prev"] and own["next"] else 1.5
    if times[1] - times[0] > limit:
        return np.full(3, np.nan)
    return (np.array(last["translation"]) - first["translation"]) / (times[1] - times[0])


def check_labels(root: Path) -> None:
    index = build_index(root, VERSION)
    truth = index.truth(np.arange(len(index)))
    samples, annotations = by_token(root, "sample"), by_token(root, "sample_annotation")
    instances, categories, attributes = (by_token(root, name) for name in ("instance", "category", "attribute"))
    wanted = []
    for token in index.sample_tokens.tolist():
        for box in annotations.values():
            if box["sample_token"] != token:
                continue
            name = categories[instances[box["instance_token"]]["category_token"]]["name"]
            if name == "static_object.bicycle_rack":
                label = 0
            elif name in CLASS_OF_CATEGORY:
                label = CLASS_NAMES.index(CLASS_OF_CATEGORY[name]) + 1
            else:
                continue
            width, length, height = box["size"]
            attribute = -1
            if box["attribute_tokens"]:
                attribute = ATTRIBUTES.index(attributes[box["attribute_tokens"][0]]["name"])
            speed = devkit_velocity(annotations, samples, box["token"])[:2]
            wanted.append(
                [token, *box["translation"], length, width, height, *box["rotation"], *speed, label, attribute,
                 box["num_lidar_pts"], box["num_radar_pts"]]
            )  # fmt: skip
    objects = truth.objects
    assert index.sample_tokens[objects.samples].tolist() == [row[0] for row in wanted]
    found = np.column_stack(
        [objects.centres, objects.sizes, objects.rotations, objects.velocities, objects.labels, objects.attributes,
         objects.num_lidar_points, objects.num_radar_points]
    )  # fmt: skip
    np.testing.assert_allclose(found, np.array([row[1:] for row in wanted]), atol=1e-9)
    assert (objects.scores == -1).all()


def test_labels_are_those_of_the_tables(root: Path) -> None:
    check_labels(root)


def test_the_order_of_records_does_not_matter(root: Path, tmp_path: Path) -> None:
    mixed = copy_of(root, tmp_path)
    rng = np.random.default_rng(0)
    for table in ("sample", "sample_data", "ego_pose", "sample_annotation", "instance", "category", "attribute"):
        change(mixed, table, rng.shuffle)
    check_labels(mixed)
    one, two = build_index(root, VERSION), build_index(mixed, VERSION)
    np.testing.assert_array_equal(one.sample_tokens, two.sample_tokens)
    tables = [index.scan_table(np.arange(6), 3) for index in (one, two)]
    files = [np.where(scans < 0, b"", i.files[scans]) for i, scans in zip((one, two), tables, strict=True)]
    np.testing.assert_array_equal(*files)


def test_truth_of_some_samples_in_any_order(root: Path) -> None:
    index = build_index(root, VERSION)
    chosen = np.array([4, 1])
    some, whole = index.truth(chosen), index.truth(np.arange(6))
    assert some.sample_tokens.tolist() == index.sample_tokens[chosen].tolist()
    np.testing.assert_array_equal(some.ego_positions, whole.ego_positions[chosen])
    for place, sample in enumerate(chosen):
        one, two = some.objects.samples == place, whole.objects.samples == sample
        np.testing.assert_array_equal(some.objects.centres[one], whole.objects.centres[two])
        assert one.sum() == two.sum() > 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_velocities_at_gaps_and_ends(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 8))
    stamps = 1_500_000_000_000_000 + np.cumsum(rng.choice([500_000, 1_000_000, 1_500_000, 1_600_000, 3_100_000], count))
    places = rng.normal(size=(count, 3))
    before = np.arange(count) - 1
    after = np.where(np.arange(count) + 1 < count, np.arange(count) + 1, -1)
    names = [str(i) for i in range(count)]
    annotations = {
        name: {
            "translation": places[i].tolist(), "sample_token": name, "prev": names[i - 1] if i else "",
            "next": names[i + 1] if i + 1 < count else "",
        }
        for i, name in enumerate(names)
    }  # fmt: skip
    samples = {name: {"timestamp": int(stamp)} for name, stamp in zip(names, stamps, strict=True)}
    wanted = [devkit_velocity(annotations, samples, name) for name in names]
    np.testing.assert_allclose(velocities(places, stamps, before, after), wanted, rtol=1e-12)


def test_what_is_not_scored_may_be_odd(root: Path, tmp_path: Path) -> None:
    """Categories outside the ten classes have attributes of their own in places; the devkit does not look at them."""
    odd = copy_of(root, tmp_path)
    names = {record["token"]: record["name"] for record in records_of(odd, "category")}
    animals = {record["token"] for record in records_of(odd, "instance") if names[record["category_token"]] == "animal"}

    def spoil(records: list[dict[str, Any]]) -> None:
        for record in records:
            if record["instance_token"] in animals:
                record |= {"attribute_tokens": ["x", "y"], "size": [0, 0, 0]}

    assert len(animals) == 2
    change(odd, "sample_annotation", spoil)
    one, two = build_index(root, VERSION), build_index(odd, VERSION)
    np.testing.assert_array_equal(one.centres, two.centres)


def test_a_version_without_labels(root: Path, tmp_path: Path) -> None:
    bare = copy_of(root, tmp_path)
    change(bare, "sample_annotation", list.clear)
    change(bare, "instance", list.clear)
    assert build_index(bare, VERSION).labelled
    (bare / VERSION).rename(bare / "v1.0-test")
    index = build_index(bare, "v1.0-test")
    assert not index.labelled
    with pytest.raises(ValueError, match="without labels"):
        index.truth(np.array([0]))


def test_an_empty_sample_has_no_objects(root: Path, tmp_path: Path) -> None:
    bare = copy_of(root, tmp_path)
    token = records_of(bare, "sample")[1]["token"]

    def clear(records: list[dict[str, Any]]) -> None:
        gone = {record["token"] for record in records if record["sample_token"] == token}
        records[:] = [record for record in records if record["token"] not in gone]
        for record in records:
            record |= {field: "" for field in ("prev", "next") if record[field] in gone}

    change(bare, "sample_annotation", clear)
    index = build_index(bare, VERSION)
    place = index.sample_tokens.tolist().index(token)
    assert len(index.truth(np.array([place])).objects) == 0
    assert len(index.truth(np.array([place, 0])).objects) > 0


def test_the_cache_is_used_and_notices_a_change(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = copy_of(root, tmp_path / "data")
    first = cached_index(place, VERSION, cache_dir=tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    assert kept.suffix == ".npz"
    with monkeypatch.context() as patch:
        patch.setattr("formerdata.nuscenes.index.build_index", lambda *_: pytest.fail("built again"))
        again = cached_index(place, VERSION, cache_dir=tmp_path / "cache")
    for name in vars(first):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    change(place, "sample_annotation", lambda records: records[0].update(num_lidar_pts=12345))
    assert 12345 in cached_index(place, VERSION, cache_dir=tmp_path / "cache").num_lidar_points


SAMPLE, DATA, BOX = "sample", "sample_data", "sample_annotation"
BROKEN = [
    (SAMPLE, {"scene_token": "x"}, "sample.json, field 'scene_token': record 0: token 'x' is not in scene.json"),
    (SAMPLE, {"timestamp": "1"}, "sample.json, field 'timestamp': record 0: 1; expected a whole number"),
    (SAMPLE, {"timestamp": -1}, "field 'timestamp': record 0: -1"),
    (SAMPLE, {"token": 5}, "sample.json, field 'token': record 0: 5; expected text"),
    (DATA, {"sample_token": "x"}, "sample_data.json, field 'sample_token': record 0: token 'x' is not in sample.json"),
    (DATA, {"ego_pose_token": "x"}, "sample_data.json, field 'ego_pose_token': token 'x' is not in ego_pose.json"),
    (DATA, {"calibrated_sensor_token": "x"}, "'calibrated_sensor_token': record 0: token 'x' is not in calibrated_sen"),
    (DATA, {"prev": "x"}, "sample_data.json, field 'prev': record 0: token 'x' is not in sample_data.json"),
    (DATA, {"is_key_frame": False}, "sample_data.json: sample '.*' has no key frame of LIDAR_TOP"),
    (DATA, {"is_key_frame": 1}, "field 'is_key_frame': record 0: 1; expected true or false"),
    (
        "calibrated_sensor",
        {"sensor_token": "x"},
        "calibrated_sensor.json, field 'sensor_token': record 0: token 'x' is",
    ),
    ("calibrated_sensor", {"rotation": [1, 1, 0, 0]}, "field 'rotation': record 0: .*; expected a quaternion"),
    ("sensor", {"channel": "LIDAR"}, "sensor.json, field 'channel': no sensor LIDAR_TOP"),
    (
        "ego_pose",
        {"translation": [0, 0]},
        "ego_pose.json, field 'translation': record 0: .*; expected 3 finite numbers",
    ),
    ("ego_pose", {"translation": [0, "a", 0]}, "field 'translation': record 0"),
    ("ego_pose", {"rotation": [float("nan"), 0, 0, 0]}, "field 'rotation': record 0: .*; expected 4 finite numbers"),
    ("instance", {"category_token": "x"}, "instance.json, field 'category_token': record 0: token 'x' is not in categ"),
    (
        BOX,
        {"instance_token": "x"},
        "sample_annotation.json, field 'instance_token': record 0: token 'x' is not in inst",
    ),
    (
        BOX,
        {"sample_token": "x"},
        "sample_annotation.json, field 'sample_token': record 0: token 'x' is not in sample.j",
    ),
    (BOX, {"attribute_tokens": ["x"]}, "field 'attribute_tokens': record 0: token 'x' is not in attribute.json"),
    (BOX, {"attribute_tokens": ["x", "y"]}, "field 'attribute_tokens': record 0: .*; expected a list of one token"),
    (BOX, {"next": "x"}, "sample_annotation.json, field 'next': record 0: token 'x' is not in sample_annotation.json"),
    (BOX, {"size": [1, 0, 1]}, "field 'size': record 0: .*above 0"),
    (BOX, {"num_lidar_pts": 1.5}, "field 'num_lidar_pts': record 0: 1.5"),
]


@pytest.mark.parametrize(("table", "fields", "message"), BROKEN)
def test_broken_records_are_named(root: Path, tmp_path: Path, table: str, fields: dict, message: str) -> None:
    broken = copy_of(root, tmp_path)
    change(broken, table, lambda records: records[0].update(fields))
    with pytest.raises(DataError, match=message):
        build_index(broken, VERSION)


def test_fields_records_and_tables_that_are_absent(root: Path, tmp_path: Path) -> None:
    broken = copy_of(root, tmp_path / "a")
    change(broken, "sample", lambda records: records[2].pop("timestamp"))
    with pytest.raises(DataError, match=r"sample.json, field 'timestamp': record 2: the field is absent"):
        build_index(broken, VERSION)
    change(broken, "sample", list.clear)
    with pytest.raises(DataError, match=r"sample.json: no records; expected samples"):
        build_index(broken, VERSION)
    change(broken, "sample", lambda records: records.append([1]))
    with pytest.raises(DataError, match="record 0 is no object"):
        build_index(broken, VERSION)
    (broken / VERSION / "sample.json").unlink()
    with pytest.raises(DataError, match=r"sample.json: the table is absent; expected nuScenes' table 'sample'"):
        build_index(broken, VERSION)
    with pytest.raises(DataError, match=r"v1.0-trainval: no such version; expected one of: v1.0-mini"):
        build_index(root, "v1.0-trainval")


def test_tokens_and_key_frames_that_occur_twice(root: Path, tmp_path: Path) -> None:
    broken = copy_of(root, tmp_path / "a")
    change(broken, "sample", lambda records: records[1].update(token=records[0]["token"]))
    with pytest.raises(DataError, match=r"sample.json, field 'token': record 1: another record has the token"):
        build_index(broken, VERSION)
    broken = copy_of(root, tmp_path / "b")
    change(broken, "sample_data", lambda records: records[1].update(is_key_frame=True))
    with pytest.raises(DataError, match=r"sample '.*' has two key frames"):
        build_index(broken, VERSION)


def test_a_truncated_table(root: Path, tmp_path: Path) -> None:
    broken = copy_of(root, tmp_path)
    path = broken / VERSION / "ego_pose.json"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"ego_pose.json, byte \d+: the file ends"):
        build_index(broken, VERSION)


def test_any_table_can_be_read(root: Path) -> None:
    assert read_table(root, VERSION, "log") == records_of(root, "log")
    with pytest.raises(ValueError, match="no table 'logs'"):
        read_table(root, VERSION, "logs")
