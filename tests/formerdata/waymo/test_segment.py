"""Segments that are written and read again, and tables that do not fit together."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formerdata.waymo import LASERS, TOP, RawFrame, SegmentWriter, WaymoFrames, WaymoSegment, build_index, cached_index
from formerdata.waymo.schema import LIDAR, LIDAR_BOX, LIDAR_CALIBRATION, LIDAR_POSE, LIDAR_SEGMENTATION, VEHICLE_POSE
from formerdata.waymo.table import Table

from formerkit.io import DataError, MissingExtraError
from tests.formerdata.waymo.made_up import BEGIN, boxes, calibrations, raw_frame, slow_points, write_segment
from tests.paths import data

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
STAMP = "key.frame_timestamp_micros"


def rewrite(split: Path, folder: str, change: Callable[[Any], Any], **options: Any) -> Path:
    """Pass a table of the segment through a function."""
    path = split / folder / "segment_a.parquet"
    pq.write_table(change(pq.read_table(path, memory_map=False)), path, **options)
    return path


def replaced(table: Any, column: str, values: Any) -> Any:
    index = table.schema.get_field_index(column)
    return table.set_column(index, column, values if isinstance(values, pa.Array) else pa.array(values))


def expected_points(frame: RawFrame, calibrated: dict[int, Any]) -> dict[tuple[int, int], np.ndarray]:
    inverse = np.linalg.inv(frame.world_from_vehicle)
    found = {}
    for laser, images in frame.images.items():
        for number, image in enumerate(images, start=1):
            if image is not None:
                poses = frame.pixel_poses if laser == TOP else None
                found[laser, number] = slow_points(image, calibrated[laser], poses, inverse)
    return found


def test_what_is_written_is_read(tmp_path: Path) -> None:
    calibrated, raw = write_segment(tmp_path / "training")
    with WaymoSegment(tmp_path / "training", "segment_a") as segment:
        assert len(segment) == 3
        for frame, source in zip(segment, raw, strict=True):
            assert (frame.segment, frame.timestamp) == ("segment_a", source.timestamp)
            np.testing.assert_array_equal(frame.world_from_vehicle, source.world_from_vehicle)
            parts = expected_points(source, calibrated)
            np.testing.assert_allclose(frame.points, np.concatenate([p for p, _ in parts.values()]), atol=1e-4)
            marks = [
                (*key, source.images[key[0]][key[1] - 1].reshape(-1, 4)[p, 3] > 0) for key, (_, p) in parts.items()
            ]
            assert frame.lasers.tolist() == [laser for laser, _, zone in marks for _ in zone]
            assert frame.returns.tolist() == [number for _, number, zone in marks for _ in zone]
            np.testing.assert_array_equal(frame.no_label_zone, np.concatenate([zone for *_, zone in marks]))
            assert frame.boxes is not None
            assert source.boxes is not None
            for each in fields(frame.boxes):
                np.testing.assert_array_equal(getattr(frame.boxes, each.name), getattr(source.boxes, each.name))


def test_scanners_and_returns_can_be_chosen(tmp_path: Path) -> None:
    write_segment(tmp_path / "training")
    whole = WaymoSegment(tmp_path / "training", "segment_a")[0]
    part = WaymoSegment(tmp_path / "training", "segment_a", lasers=[5, TOP], returns=[2])[0]
    kept = np.isin(whole.lasers, [TOP, 5]) & (whole.returns == 2)
    np.testing.assert_array_equal(part.points, whole.points[kept])
    with pytest.raises(ValueError, match=r"WaymoSegment.lasers: expected some of \(1, 2, 3, 4, 5\), got \(6,\)"):
        WaymoSegment(tmp_path, "segment_a", lasers=[6])
    with pytest.raises(IndexError, match="frame 3 of 3"):
        WaymoSegment(tmp_path / "training", "segment_a")[3]


@pytest.mark.parametrize("order", ["reversed", "by scanner", "shuffled"])
@pytest.mark.parametrize("groups", [1, 4, 1000])
def test_the_order_of_rows_and_row_groups_does_not_matter(tmp_path: Path, order: str, groups: int) -> None:
    split = tmp_path / "training"
    write_segment(split)
    before = list(WaymoSegment(split, "segment_a"))
    rng = np.random.default_rng(0)

    def change(table: Any) -> Any:
        if order == "by scanner" and "key.laser_name" in table.schema.names:
            return table.sort_by("key.laser_name")
        rows = np.arange(len(table))[::-1] if order == "reversed" else rng.permutation(len(table))
        return table.take(pa.array(rows))

    for component in (LIDAR, LIDAR_POSE, LIDAR_CALIBRATION, VEHICLE_POSE):
        rewrite(split, component.folder, change, row_group_size=groups)
    segment = WaymoSegment(split, "segment_a")
    for position in (2, 0, 1):
        np.testing.assert_array_equal(segment[position].points, before[position].points)
        np.testing.assert_array_equal(segment[position].lasers, before[position].lasers)


def test_rows_in_order_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = tmp_path / "training"
    write_segment(split, counts=(1,) * 6)
    path = rewrite(split, "lidar", lambda table: table.sort_by("key.laser_name"))  # one row group, by scanner
    segment = WaymoSegment(split, "segment_a")
    taken = []
    with Table(path, LIDAR) as table:
        read = table._file.iter_batches

        def counted(*args: Any, **options: Any) -> Any:
            for batch in read(*args, **options):
                taken.append(len(batch))
                yield batch

        monkeypatch.setattr(table._file, "iter_batches", counted)
        segment._tables["lidar"] = table
        assert len(list(segment)) == 6
    # Five cursors: the one of scanner k starts at the beginning of the row group and goes on from there.
    assert sum(taken) == sum(6 * laser for laser in LASERS)


def test_memory_is_flat_over_a_thousand_frames(tmp_path: Path) -> None:
    split = tmp_path / "training"
    rng = np.random.default_rng(0)
    template = raw_frame(rng, 0, (8, 40), 2)
    with SegmentWriter(split, "segment_a", calibrations(rng, 8)) as writer:
        for number in range(1000):
            columns = vars(template) | {"timestamp": BEGIN + number}
            writer.add(RawFrame(**columns))
    held = []
    with WaymoSegment(split, "segment_a") as segment:
        for position, frame in enumerate(segment):
            assert len(frame.points) > 1000
            if position in (100, 999):
                held.append(pa.total_allocated_bytes())
    assert held[1] < held[0] + 100_000


def test_frames_of_a_split(tmp_path: Path) -> None:
    split = tmp_path / "training"
    names = [f"segment_{letter}" for letter in "abcdef"]
    for seed, name in enumerate(names):
        write_segment(split, name, counts=(1,) * (3 + seed), seed=seed)
    frames = WaymoFrames(split, interval=2)
    assert len(frames) == 2 + 2 + 3 + 3 + 4 + 4
    keys = [frames.key(i) for i in range(len(frames))]
    assert keys[:3] == [("segment_a", BEGIN), ("segment_a", BEGIN + 200_000), ("segment_b", BEGIN)]
    assert [(frame.segment, frame.timestamp) for frame in frames] == keys
    assert [frames.find(*key) for key in keys] == list(range(len(keys)))
    assert len(frames._open) == 4
    copy = pickle.loads(pickle.dumps(frames))
    np.testing.assert_array_equal(copy[3].points, frames[3].points)
    with pytest.raises(DataError, match=r"no frame \(segment_a, 5\)"):
        frames.find("segment_a", 5)
    frames.close()


def test_indexes_are_kept_until_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = tmp_path / "training"
    write_segment(split)
    first = cached_index(split, "segment_a")
    with monkeypatch.context() as patch:
        patch.setattr("formerdata.waymo.index.build_index", lambda *_, **__: pytest.fail("built again"))
        again = cached_index(split, "segment_a")
    for each in fields(first):
        np.testing.assert_array_equal(getattr(first, each.name), getattr(again, each.name))
    write_segment(split, counts=(1, 1), seed=1)
    assert len(cached_index(split, "segment_a")) == 2


def test_labels_of_points(tmp_path: Path) -> None:
    split = tmp_path / "training"
    _, raw = write_segment(split)
    labels = np.arange(5 * 9 * 2, dtype=np.int32).reshape(5, 9, 2)
    columns = {"key.segment_context_name": ["segment_a"], STAMP: [raw[1].timestamp], "key.laser_name": [TOP]}
    for number in (1, 2):
        columns[LIDAR_SEGMENTATION.column(f"range_image_return{number}.values")] = [(labels * number).ravel()]
        columns[LIDAR_SEGMENTATION.column(f"range_image_return{number}.shape")] = [[5, 9, 2]]
    (split / "lidar_segmentation").mkdir()
    pq.write_table(pa.table(columns), split / "lidar_segmentation" / "segment_a.parquet")
    segment = WaymoSegment(split, "segment_a", segmentation=True)
    assert segment[0].segmentation is None
    frame = segment[1]
    assert frame.segmentation is not None
    first, second = raw[1].images[TOP]
    assert second is not None
    expected = np.concatenate([labels[first[..., 0] > 0], 2 * labels[second[..., 0] > 0]])
    np.testing.assert_array_equal(frame.segmentation[frame.lasers == TOP], expected)
    assert not frame.segmentation[frame.lasers != TOP].any()


def test_a_split_without_labels(tmp_path: Path) -> None:
    write_segment(tmp_path / "testing")
    (tmp_path / "testing" / "lidar_box" / "segment_a.parquet").unlink()
    assert WaymoSegment(tmp_path / "testing", "segment_a")[0].boxes is None
    (tmp_path / "testing").rename(tmp_path / "validation")
    assert WaymoSegment(tmp_path / "validation", "segment_a", labelled=False)[0].boxes is None
    with pytest.raises(DataError, match=r"lidar_box.*the component table is absent.*labelled=False"):
        WaymoSegment(tmp_path / "validation", "segment_a")


@pytest.mark.parametrize("component", [LIDAR, LIDAR_POSE, LIDAR_CALIBRATION, VEHICLE_POSE])
def test_an_absent_table(tmp_path: Path, component: Any) -> None:
    write_segment(tmp_path / "training")
    (tmp_path / "training" / component.folder / "segment_a.parquet").unlink()
    with pytest.raises(DataError, match=f"{component.folder}/segment_a.parquet: the component table is absent"):
        build_index(tmp_path / "training", "segment_a")


@pytest.mark.parametrize("component", [LIDAR, LIDAR_POSE, LIDAR_CALIBRATION, VEHICLE_POSE, LIDAR_BOX])
@pytest.mark.parametrize("kept", [0, 3, 0.5, -1])
def test_a_cut_table(tmp_path: Path, component: Any, kept: float) -> None:
    write_segment(tmp_path / "training")
    path = tmp_path / "training" / component.folder / "segment_a.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept) if isinstance(kept, float) else kept])
    with pytest.raises(DataError, match=f"{component.folder}/segment_a.parquet.* expected a whole Parquet file"):
        build_index(tmp_path / "training", "segment_a")


def test_a_damaged_page_is_named(tmp_path: Path) -> None:
    split = tmp_path / "training"
    write_segment(split, size=(8, 60))
    path = split / "lidar" / "segment_a.parquet"
    column = pq.ParquetFile(path).metadata.row_group(1).column(3)
    content = bytearray(path.read_bytes())
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 255
    path.write_bytes(bytes(content))
    segment = WaymoSegment(split, "segment_a")
    assert len(segment[0].points)
    with pytest.raises(DataError, match=r"lidar/segment_a.parquet: row group 1 of 3 cannot be read"):
        segment[1]


def drop(number: int) -> Callable[[Any], Any]:
    return lambda table: table.filter(pa.array([i != number for i in range(len(table))]))


def twice(table: Any) -> Any:
    return pa.concat_tables([table, table.slice(0, 1)])


def of_another_segment(table: Any) -> Any:
    return replaced(table, "key.segment_context_name", ["segment_b"] * len(table))


def shifted(table: Any) -> Any:
    return replaced(table, STAMP, table[STAMP].to_numpy() + 7)


def values(component: Any, short: str, cells: list[Any]) -> Callable[[Any], Any]:
    name = component.column(short)

    def change(table: Any) -> Any:
        kept = table[name].to_pylist()
        return replaced(table, name, pa.array(cells + kept[len(cells) :], type=table.schema.field(name).type))

    return change


@pytest.mark.parametrize(
    ("component", "change", "message"),
    [
        (LIDAR, drop(1), "frames of FRONT: 1 of 3 are absent"),
        (LIDAR, twice, "frames of TOP: .* comes twice"),
        (LIDAR, of_another_segment, "rows of segment segment_b; expected segment_a"),
        (LIDAR, lambda t: t.slice(0, 0), "no rows"),
        (LIDAR, lambda t: t.drop_columns([LIDAR.column("range_image_return2.values")]), "no such column"),
        (LIDAR, lambda t: t.drop_columns([STAMP]), "field 'key.frame_timestamp_micros': no such column"),
        (LIDAR, lambda t: replaced(t, "key.laser_name", ["ROOF"] * len(t)), "laser 'ROOF'"),
        (LIDAR, lambda t: replaced(t, STAMP, [None] * len(t)), "a column of type null; expected int"),
        (LIDAR_POSE, drop(0), "frames: 1 of 3 are absent"),
        (LIDAR_POSE, shifted, "are not in lidar"),
        (VEHICLE_POSE, drop(2), "frames: 1 of 3 are absent"),
        (VEHICLE_POSE, twice, "comes twice"),
        (VEHICLE_POSE, shifted, "frames: 3 of 3 are not in lidar"),
        (VEHICLE_POSE, values(VEHICLE_POSE, "world_from_vehicle.transform", [[1.0] * 16]), "row 0 is no rigid motion"),
        (VEHICLE_POSE, values(VEHICLE_POSE, "world_from_vehicle.transform", [None]), "row 0 is null"),
        (LIDAR_CALIBRATION, drop(3), "0 rows for the scanner SIDE_RIGHT"),
        (LIDAR_CALIBRATION, twice, "2 rows for the scanner TOP"),
        (LIDAR_CALIBRATION, values(LIDAR_CALIBRATION, "beam_inclination.min", [None]), "1 rows are null"),
        (LIDAR_BOX, shifted, "boxes of 2 frames that lidar does not have"),
        (LIDAR_BOX, of_another_segment, "rows of segment segment_b"),
        (LIDAR_BOX, values(LIDAR_BOX, "box.center.x", [None]), r"field '\[LiDARBox.*box.center.x': 1 rows are null"),
        (LIDAR_BOX, values(LIDAR_BOX, "box.heading", [float("inf")]), "row 0 is not finite"),
        (LIDAR_BOX, lambda t: replaced(t, LIDAR_BOX.column("type"), ["car"] * len(t)), "type string; expected int"),
    ],
)  # fmt: skip
def test_tables_that_do_not_fit(tmp_path: Path, component: Any, change: Callable[[Any], Any], message: str) -> None:
    split = tmp_path / "training"
    write_segment(split)
    rewrite(split, component.folder, change)
    with pytest.raises(DataError, match=message) as caught:
        build_index(split, "segment_a")
    assert caught.value.path == str(split / component.folder / "segment_a.parquet")
    assert caught.value.expected


@pytest.mark.parametrize(
    ("component", "change", "message"),
    [
        (LIDAR, values(LIDAR, "range_image_return1.shape", [[5, 8, 4]]), r"shape \[5, 8, 4\] for 180 values"),
        (LIDAR, values(LIDAR, "range_image_return1.shape", [[9, 5, 4]]), r"poses: expected a shape"),
        (LIDAR, values(LIDAR, "range_image_return2.values", [[float("inf")] * 180]), "TOP, return 2 is not finite"),
        (LIDAR, values(LIDAR, "range_image_return1.values", [[None] * 180]), "180 nulls in a list"),
        (LIDAR_POSE, values(LIDAR_POSE, "range_image_return1.values", [None]), "no poses for a frame"),
        (LIDAR_POSE, values(LIDAR_POSE, "range_image_return1.values", [[float("nan")] * 270]), "is not finite"),
    ],
)  # fmt: skip
def test_images_that_do_not_fit(tmp_path: Path, component: Any, change: Callable[[Any], Any], message: str) -> None:
    split = tmp_path / "training"
    write_segment(split)
    rewrite(split, component.folder, change)
    segment = WaymoSegment(split, "segment_a")
    with pytest.raises(DataError, match=message):
        segment[0]
    assert len(segment[1].points)


def test_what_may_be_absent(tmp_path: Path) -> None:
    split = tmp_path / "training"
    write_segment(split, counts=(2,))
    motion = [name for name in LIDAR_BOX.optional if "speed" in name or "difficulty" in name]
    rewrite(split, "lidar_box", lambda t: t.drop_columns([LIDAR_BOX.column(name) for name in motion]))
    rewrite(split, "lidar", values(LIDAR, "range_image_return1.values", [None]))
    names = [LASERS[number] for number in range(1, 6)]
    rewrite(split, "lidar", lambda t: replaced(t, "key.laser_name", names))  # some tables name the sensors
    frame = WaymoSegment(split, "segment_a")[0]
    assert frame.boxes is not None
    assert np.isnan(frame.boxes.speed).all()
    assert not np.isnan(frame.boxes.acceleration).all()
    assert frame.boxes.difficulty.tolist() == [0, 0]
    assert set(zip(frame.lasers.tolist(), frame.returns.tolist(), strict=True)) >= {(1, 2), (2, 1)}
    assert (1, 1) not in set(zip(frame.lasers.tolist(), frame.returns.tolist(), strict=True))


def test_a_failed_writer_leaves_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = raw_frame(rng, 0, (5, 9), 1)
    writer = SegmentWriter(tmp_path, "segment_a", calibrations(rng)).__enter__()
    writer.add(frame)
    stop = RuntimeError("stop")
    with pytest.raises(RuntimeError, match="stop"):
        writer.__exit__(RuntimeError, stop, None)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    with (
        pytest.raises(ValueError, match=r"RawFrame.images: expected the scanners .*, got \[1\]"),
        SegmentWriter(tmp_path, "segment_a", calibrations(rng)) as writer,
    ):
        writer.add(RawFrame(0, np.eye(4), {TOP: frame.images[TOP]}, frame.pixel_poses, boxes(rng, 0)))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_pyarrow_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_segment(tmp_path / "training")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"formerkit\[parquet\]"):
        WaymoSegment(tmp_path / "training", "segment_a")


def test_a_real_pose_table() -> None:
    name = "10023947602400723454_1120_000_1140_000"
    with Table(data("waymo_samples", "v2", "vehicle_pose", f"{name}.parquet"), VEHICLE_POSE) as table:
        assert len(table) == 199
        stamps = table.keys(STAMP)
        assert (np.diff(stamps) > 0).all()
        assert abs(np.diff(stamps) - 100_000).max() < 1000
        from formerdata.waymo.join import check_segment, transforms

        check_segment(table, name)
        poses = transforms(table, "world_from_vehicle.transform")
    assert poses.shape == (199, 4, 4)
    steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
    assert 0.01 < steps.max() < 4.0
