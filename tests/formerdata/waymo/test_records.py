"""The v1 release: records that are written and read again, the same as v2, real ones, and broken ones."""

from __future__ import annotations

import pickle
import struct
import zlib
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from formerdata import prepare as program
from formerdata.waymo import (
    LASERS,
    TOP,
    RecordSegment,
    SegmentWriter,
    WaymoDataset,
    WaymoFrame,
    WaymoFrames,
    WaymoSegment,
    build_record_index,
    cached_record_index,
    parse_frame,
    read_objects,
)
from formerdata.waymo.built_in import BuiltInSegment, SegmentSettings
from formerdata.waymo.tfrecord import read_records
from formerdata.waymo.wire import field

from formerkit.io import DataError
from tests.formerdata.waymo import record_writer
from tests.formerdata.waymo.made_up import BEGIN, write_segment
from tests.formerdata.waymo.record_writer import made_up_records, record, write_records
from tests.paths import data

ZONE = np.array([[0.0, 0.0], [5.0, 0.0], [5.0, 4.0], [1.0, 6.0]])


def assert_same_frame(a: WaymoFrame, b: WaymoFrame) -> None:
    for name in ("segment", "timestamp"):
        assert getattr(a, name) == getattr(b, name)
    for name in ("points", "lasers", "returns", "no_label_zone", "world_from_vehicle"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert (a.boxes is None) == (b.boxes is None)
    if a.boxes is not None and b.boxes is not None:
        for column in fields(a.boxes):
            np.testing.assert_array_equal(getattr(a.boxes, column.name), getattr(b.boxes, column.name))


@pytest.mark.parametrize("counts", [(3, 0, 2), (0,)])
def test_both_releases_give_the_same_frames(tmp_path: Path, counts: tuple[int, ...]) -> None:
    pytest.importorskip("pyarrow")
    write_segment(tmp_path / "v2" / "training", counts=counts)
    made_up_records(tmp_path / "v1" / "training", counts=counts)
    one, two = WaymoFrames(tmp_path / "v1" / "training"), WaymoFrames(tmp_path / "v2" / "training")
    assert one.segments == two.segments == ["segment_a"]
    assert len(one) == len(two) == len(counts)
    for a, b in zip(one, two, strict=True):
        assert len(a.points) > 100
        assert_same_frame(a, b)
        assert a.zones == ()
        assert b.zones is None


def test_a_built_in_segment_in_both_releases(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    segment = BuiltInSegment(0, 0, SegmentSettings(num_frames=1, detail=0.02, sectors=4))
    raw = [frame.raw for frame in segment.frames()]
    with SegmentWriter(tmp_path / "v2", segment.name, segment.calibrations) as writer:
        writer.add(raw[0])
    path = write_records(tmp_path / "v1" / "x.tfrecord", segment.name, segment.calibrations, raw)
    assert_same_frame(RecordSegment(path)[0], WaymoSegment(tmp_path / "v2", segment.name)[0])
    a, b = WaymoDataset(path.parent)[0], WaymoDataset(tmp_path / "v2")[0]
    np.testing.assert_array_equal(a.points, b.points)
    np.testing.assert_array_equal(a.boxes, b.boxes)
    assert a.info.frame_id == b.info.frame_id
    assert len(a.boxes) > 3


def test_a_folder_of_records(tmp_path: Path) -> None:
    split = tmp_path / "training"
    for letter, seed in (("b", 0), ("a", 1)):
        made_up_records(split, f"segment_{letter}", counts=(1,) * 3, seed=seed)
    frames = WaymoFrames(split, interval=2)
    assert [frames.key(i) for i in range(len(frames))] == [
        (f"segment_{letter}", BEGIN + time) for letter in "ab" for time in (0, 200_000)
    ]
    assert [(frame.segment, frame.timestamp) for frame in frames] == [frames.key(i) for i in range(4)]
    assert frames.find("segment_b", BEGIN + 200_000) == 3
    assert WaymoFrames(split, names=["segment_b"]).segments == ["segment_b"]
    assert WaymoFrames(split, lasers=[2], returns=[2])[0].lasers.tolist() == (
        frames[0].lasers[(frames[0].lasers == 2) & (frames[0].returns == 2)].tolist()
    )
    copy = pickle.loads(pickle.dumps(frames))
    np.testing.assert_array_equal(copy[1].points, frames[1].points)
    frames.close()
    with pytest.raises(DataError, match=r"no segment segment_c; expected one of the 2"):
        WaymoFrames(split, names=["segment_c"])
    with pytest.raises(IndexError, match="frame 3 of 3"):
        RecordSegment(next(split.glob("*_a_*")))[3]


def test_no_pyarrow_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up_records(tmp_path / "training")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    assert len(WaymoFrames(tmp_path / "training")[0].points) > 100


def test_a_split_without_labels(tmp_path: Path) -> None:
    made_up_records(tmp_path / "testing", counts=(0,))
    assert WaymoFrames(tmp_path / "testing")[0].boxes is None
    path, *_ = made_up_records(tmp_path / "training", counts=(0, 2))
    assert [len(frame.boxes) for frame in RecordSegment(path) if frame.boxes is not None] == [0, 2]
    assert RecordSegment(path, labelled=False)[1].boxes is None


def test_records_in_any_order_are_frames_in_order_of_time(tmp_path: Path) -> None:
    path, calibrated, frames = made_up_records(tmp_path)
    before = list(RecordSegment(path))
    write_records(path, "segment_a", calibrated, [frames[2], frames[0], frames[1]])
    segment = RecordSegment(path)
    assert segment.index.numbers.tolist() == [1, 2, 0]
    for a, b in zip(segment, before, strict=True):
        assert_same_frame(a, b)


def test_zones_statistics_and_labels_of_points(tmp_path: Path) -> None:
    path, calibrated, frames = made_up_records(tmp_path)
    labels = np.arange(5 * 9 * 2, dtype=np.int32).reshape(5, 9, 2) * 100 - 1
    write_records(path, "segment_a", calibrated, frames[:1], zones=[ZONE, ZONE + 9], labels=(labels, labels * 2))
    segment = RecordSegment(path, segmentation=True)
    frame, stats = segment[0], segment.record(0).stats
    assert frame.zones is not None
    assert [zone.name for zone in frame.zones] == ["zone_0", "zone_1"]
    np.testing.assert_array_equal(frame.zones[1].corners, ZONE + 9)
    assert (frame.zones[0].context_name, frame.zones[0].timestamp) == ("segment_a", BEGIN)
    assert (stats.time_of_day, stats.location, stats.weather) == ("Night", "location_x", "rain")
    assert stats.objects == {"Vehicle": 7}
    first, second = frames[0].images[TOP]
    assert second is not None
    assert frame.segmentation is not None
    expected = np.concatenate([labels[first[..., 0] > 0], 2 * labels[second[..., 0] > 0]])
    np.testing.assert_array_equal(frame.segmentation[frame.lasers == TOP], expected)
    assert not frame.segmentation[frame.lasers != TOP].any()
    assert RecordSegment(path)[0].segmentation is None


def test_indexes_are_kept_and_read_only_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, calibrated, frames = made_up_records(tmp_path / "training")
    monkeypatch.setattr("formerdata.waymo.records.read_record", lambda *_: pytest.fail("a whole record was read"))
    first = cached_record_index(path)
    with monkeypatch.context() as patch:
        patch.setattr("formerdata.waymo.records.build_record_index", lambda *_: pytest.fail("built again"))
        again = cached_record_index(path)
    assert again.name == "segment_a"
    for column in fields(first):
        np.testing.assert_array_equal(getattr(first, column.name), getattr(again, column.name))
    write_records(path, "segment_a", calibrated, frames[:2])
    assert len(cached_record_index(path)) == 2
    monkeypatch.undo()
    monkeypatch.setattr("formerdata.waymo.records._HEAD", 100)  # name and time are behind the first bytes
    assert build_record_index(path).timestamps.tolist() == first.timestamps[:2].tolist()


def test_a_real_record() -> None:
    """A frame of the validation split that was cut down for tests: calibrations, pose, labels; no images."""
    folder = ("waymo_samples", "mmdet3d", "waymo_format")
    path = data(*folder, "validation", "val.tfrecord")
    (content,) = read_records(path)
    frame = parse_frame(content, path)
    assert (frame.segment, frame.timestamp) == ("1071392229495085036_1844_790_1864_790", 1507315488219118)
    assert sorted(frame.calibrations) == sorted(LASERS)
    top = frame.calibrations[TOP]
    assert top.inclinations is not None
    assert len(top.rows(64)) == 64
    assert (np.diff(top.inclinations) > 0).all()
    assert top.lowest < top.inclinations[0] < top.inclinations[-1] < top.highest
    assert [frame.calibrations[n].inclinations for n in (2, 3, 4, 5)] == [None] * 4
    assert frame.stats.objects == {"Vehicle": 1, "Sign": 17}
    assert (frame.stats.time_of_day, frame.stats.weather) == ("Day", "sunny")
    assert np.bincount(frame.boxes.types).tolist() == [0, 1, 0, 17]
    assert len(set(frame.boxes.ids.tolist())) == 18
    assert not frame.packed
    assert frame.zones == ()
    # The same vehicle as evaluation has it, in rounded numbers.
    truth = read_objects(data(*folder, "gt.bin"))
    assert truth.context_names.tolist() == [frame.segment]
    assert truth.timestamps.tolist() == [frame.timestamp]
    np.testing.assert_allclose(frame.boxes.boxes[frame.boxes.types == 1], truth.boxes, atol=0.01)
    with pytest.raises(DataError, match=r"val.tfrecord, field 'Frame.lasers': record 0: none of scanner TOP"):
        RecordSegment(path)[0]


def changed(path: Path, change: Callable[[bytes], bytes], number: int = 1) -> Path:
    """Pass the content of a record through a function; the others stay."""
    contents = list(read_records(path))
    contents[number] = change(contents[number])
    path.write_bytes(b"".join(map(record, contents)))
    return path


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return made_up_records(tmp_path / "training")[0]


def test_a_file_that_ends_within_a_record(made: Path) -> None:
    content = made.read_bytes()
    begins = build_record_index(made).begins
    made.write_bytes(content[: begins[2] + 500])
    with pytest.raises(
        DataError, match=rf"byte {begins[2] + 12}: record 2: ends after 488 bytes of a record; expected"
    ):
        WaymoFrames(made.parent)
    made.write_bytes(content[: begins[1] + 5])
    with pytest.raises(DataError, match=rf"byte {begins[1]}: record 1: ends after 5 bytes of a record's head"):
        build_record_index(made)
    made.write_bytes(b"")
    with pytest.raises(DataError, match="no records; expected frames"):
        build_record_index(made)


def test_a_wrong_checksum(made: Path) -> None:
    content, begin = made.read_bytes(), int(build_record_index(made).begins[1])
    flipped = bytearray(content)
    flipped[begin + 200] ^= 1
    made.write_bytes(bytes(flipped))
    segment = RecordSegment(made)
    assert len(segment[0].points)
    with pytest.raises(DataError, match=rf"byte {begin + 12}: record 1: the checksum of a record is wrong"):
        segment[1]
    flipped = bytearray(content)
    flipped[begin] ^= 1
    made.write_bytes(bytes(flipped))
    with pytest.raises(DataError, match=rf"byte {begin}: record 1: the checksum of a record's length is wrong"):
        build_record_index(made)


def test_records_that_are_no_frames_of_one_segment(made: Path, tmp_path: Path) -> None:
    _, calibrated, frames = made_up_records(tmp_path / "other")
    named = record(record_writer.frame("segment_b", calibrated, frames[1]))
    first = record(record_writer.frame("segment_a", calibrated, frames[0]))
    begin = len(first)
    for second, message in (
        (named, f"byte {begin}, field 'Frame.context.name': record 1: segment segment_b; expected segment_a"),
        (first, "field 'Frame.timestamp_micros': record 1: the time .* of record 0 again"),
        (record(b""), "field 'Frame.context.name': record 1: a frame without it"),
        (record(field(2, "int", 5)), "field 'Frame.context.name': record 1: a frame without it"),
        (
            record(field(1, "message", field(1, "text", "segment_a"))),
            "field 'Frame.timestamp_micros': record 1: a frame",
        ),
        (record(b"\x0a\xff"), "field 'Frame.context': record 1: "),
    ):
        made.write_bytes(first + second)
        with pytest.raises(DataError, match=message) as caught:
            build_record_index(made)
        assert caught.value.path == str(made)


def test_two_files_of_one_segment_and_two_releases(made: Path) -> None:
    copy = made.with_name("again.tfrecord")
    copy.write_bytes(made.read_bytes())
    with pytest.raises(DataError, match=r"segment-segment_a.*: the segment segment_a of again.tfrecord again"):
        WaymoFrames(made.parent)
    copy.unlink()
    (made.parent / "lidar").mkdir()
    with pytest.raises(
        DataError, match=r"a folder lidar and 1 files \*.tfrecord; expected one of Waymo's two releases"
    ):
        WaymoFrames(made.parent)


def without(number: int) -> Callable[[bytes], bytes]:
    """A frame without the fields of a number."""
    return lambda content: b"".join(piece for found, piece in pieces(content) if found != number)


def pieces(content: bytes) -> list[tuple[int, bytes]]:
    """Number and bytes of each field of a message that has varints and lengths only."""
    found, at = [], 0
    while at < len(content):
        begin, key = at, content[at]
        length, at = 0, at + 1
        for shift in range(0, 70, 7):
            length |= (content[at] & 127) << shift
            at += 1
            if content[at - 1] < 128:
                break
        at += length if key & 7 == 2 else 0
        found.append((key >> 3, content[begin:at]))
    return found


def plus(extra: bytes) -> Callable[[bytes], bytes]:
    return lambda content: content + extra


def with_laser(inner: bytes, number: int = TOP) -> Callable[[bytes], bytes]:
    """The first return of a scanner replaced."""

    def change(content: bytes) -> bytes:
        marker = field(1, "int", number)
        laser = field(5, "message", marker + field(2, "message", inner))
        kept = [piece for found, piece in pieces(content) if found != 5 or marker not in piece[:8]]
        return b"".join(kept) + laser

    return change


def image(values: np.ndarray, shape: tuple[int, ...] | None = None, number: int = 2) -> bytes:
    shape = values.shape if shape is None else shape
    content = field(1, "floats", values.ravel()) + field(2, "message", field(1, "ints", shape))
    return field(number, "bytes", zlib.compress(content))


FULL, POSES = np.ones((5, 9, 4), np.float32), np.zeros((5, 9, 6), np.float32)
LABEL = field(1, "message", b"".join(field(n, "double", 1.0) for n in range(1, 8))) + field(3, "int", 1)
RETURN = "Frame.lasers.ri_return1"


@pytest.mark.parametrize(
    ("change", "where", "message"),
    [
        (without(1), "Frame.context", "a frame without it"),
        (without(3), "Frame.pose", "a frame without it"),
        (plus(field(3, "int", 1)), "Frame.pose", "a varint; expected a length and bytes"),
        (plus(field(2, "text", "x")), "Frame.timestamp_micros", "a length and bytes; expected a varint"),
        (plus(field(3, "message", field(1, "doubles", [1.0] * 15))), "Frame.pose", "15 numbers; expected the 16"),
        (plus(field(3, "message", field(1, "doubles", [1.0] * 16))), "Frame.pose", "no rigid motion"),
        (plus(b"\x1a\x05abc"), "Frame.pose", "the field ends at byte"),
        (plus(b"\x1b"), "Frame.pose", "wire type 3"),
        (without(5), "Frame.lasers", "none of scanner TOP; expected images of each scanner"),
        (plus(field(5, "message", field(1, "int", 1))), "Frame.lasers.name", "scanner TOP comes twice"),
        (plus(field(5, "message", field(1, "int", 9))), "Frame.lasers.name", "scanner 9; expected each of"),
        (plus(field(5, "message", field(2, "int", 9))), "Frame.lasers.ri_return1", "a varint; expected a length"),
        (with_laser(image(FULL)), f"{RETURN}.range_image_pose_compressed", "scanner TOP: absent; expected poses"),
        (with_laser(image(FULL, (5, 8, 4)) + image(POSES, None, 4)), f"{RETURN}.range_image_compressed",
         r"scanner TOP: shape \[5, 8, 4\] for 180 values; expected \[H, W, 4\] with"),
        (with_laser(image(FULL, (5, 36)), 2), f"{RETURN}.range_image_compressed", r"FRONT: shape \[5, 36\] for 180"),
        (with_laser(image(FULL, (-5, -9, 4)), 2), f"{RETURN}.range_image_compressed", r"shape \[-5, -9, 4\] for 180"),
        (with_laser(image(FULL) + image(FULL, None, 4)), f"{RETURN}.range_image_pose_compressed", "for 180 values"),
        (with_laser(image(FULL) + image(POSES[:4], None, 4)), f"{RETURN}.range_image_compressed", "poses: expected"),
        (with_laser(image(FULL[:4]) + image(POSES[:4], None, 4)), f"{RETURN}.range_image_compressed",
         "5 beam inclinations for 4 rows"),
        (with_laser(image(np.full_like(FULL, np.inf)), 2), f"{RETURN}.range_image_compressed", "is not finite"),
        (with_laser(field(2, "bytes", b"no zlib"), 2), f"{RETURN}.range_image_compressed", "cannot be decompressed"),
        (with_laser(image(FULL)[:-9] + b"", 2), RETURN, "the field ends at byte"),
        (with_laser(field(2, "bytes", zlib.compress(b"abc" * 99)[:-6]), 2), f"{RETURN}.range_image_compressed",
         "the stream is not complete"),
        (with_laser(field(2, "bytes", zlib.compress(b"\x0a\x05abc")), 2), f"{RETURN}.range_image_compressed",
         "scanner FRONT: decompressed, byte 0, Matrix.data: the field ends at byte 7"),
        (with_laser(field(2, "bytes", zlib.compress(b"\x0a\x03abc")), 2), f"{RETURN}.range_image_compressed",
         "Matrix.data: 3 bytes; expected a multiple of 4"),
        (plus(field(6, "message", LABEL[2:])), "Frame.laser_labels", ""),
        (plus(field(6, "message", field(3, "int", 1))), "Frame.laser_labels.box", "absent"),
        (plus(field(6, "message", LABEL[:-2])), "Frame.laser_labels.type", "absent"),
        (plus(field(6, "message", LABEL + field(3, "int", 7))), "Frame.laser_labels.type", "7; expected 0 to 4"),
        (plus(field(6, "message", LABEL + field(7, "int", -1))), "Frame.laser_labels.num_lidar_points_in_box", "-1"),
        (plus(field(6, "message", LABEL + field(5, "int", 3))), "Frame.laser_labels.difficulty_level", "3"),
        (plus(field(6, "message", field(3, "int", 1) + field(1, "message", field(5, "double", -1.0)))),
         "Frame.laser_labels.box", "-1.0.*; expected finite numbers, no side below 0"),
        (plus(field(7, "message", field(1, "doubles", [1.0, 2.0]))), "Frame.no_label_zones", "2 values of x, 0 of y"),
    ],
)  # fmt: skip
def test_broken_frames(made: Path, change: Callable[[bytes], bytes], where: str, message: str) -> None:
    index = build_record_index(made)
    changed(made, change)
    index = replace(index, begins=np.cumsum([0, *(len(record(content)) for content in read_records(made))])[:-1])
    segment = RecordSegment(made, index=index)
    assert len(segment[0].points)
    with pytest.raises(DataError, match=f"record 1: .*{message}") as caught:
        segment[1]
    assert caught.value.path == str(made)
    assert caught.value.field is not None
    assert caught.value.field.startswith(where)
    assert caught.value.expected


def test_the_byte_of_an_error_is_that_of_the_file(made: Path) -> None:
    index, contents = build_record_index(made), list(read_records(made))
    changed(made, plus(field(3, "int", 1)))
    place = int(index.begins[1]) + 12 + len(contents[1])
    assert made.read_bytes()[place : place + 2] == field(3, "int", 1)
    with pytest.raises(DataError) as caught:
        RecordSegment(made)[1]
    assert caught.value.byte == place


def recalibrated(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """The context passed through a function."""

    def of_frame(content: bytes) -> bytes:
        (_, whole), *rest = pieces(content)
        head = 1 + next(i for i, byte in enumerate(whole[1:], start=1) if byte < 128)
        return field(1, "message", change(whole[head:])) + b"".join(piece for _, piece in rest)

    return of_frame


CALIBRATION = "Frame.context.laser_calibrations"


@pytest.mark.parametrize(
    ("change", "where", "message"),
    [
        (without(3), CALIBRATION, "none of scanner TOP; expected one for each scanner"),
        (plus(field(3, "message", field(1, "int", 1))), f"{CALIBRATION}.extrinsic", "absent"),
        (plus(field(3, "message", field(3, "double", 1.0))), f"{CALIBRATION}.name", "absent"),
        (plus(field(3, "message", field(3, "float", 1.0))), f"{CALIBRATION}.beam", "4 bytes; expected 8"),
        (plus(field(1, "bytes", b"\xff")), "Frame.context.name", "bytes that are no text; expected UTF-8"),
        (without(1), "Frame.context.name", "a frame without it"),
    ],
)  # fmt: skip
def test_broken_contexts(made: Path, change: Callable[[bytes], bytes], where: str, message: str) -> None:
    test_broken_frames(made, recalibrated(change), where, message)


@pytest.mark.parametrize(
    ("change", "where", "message"),
    [
        ({"laser": 9}, f"{CALIBRATION}.name", "scanner 9; expected one of 1 TOP"),
        ({"laser": 2}, CALIBRATION, "the scanner FRONT comes twice"),
        ({"lowest": np.nan}, f"{CALIBRATION}.beam_inclinations", "an inclination is not finite"),
        ({"extrinsic": np.ones((4, 4))}, f"{CALIBRATION}.extrinsic", "no rigid motion"),
    ],
)  # fmt: skip
def test_broken_calibrations(made: Path, tmp_path: Path, change: dict, where: str, message: str) -> None:
    calibrated = made_up_records(tmp_path / "other")[1]
    laser = change.pop("laser", 2)
    wrong = field(3, "message", record_writer.calibration(laser, replace(calibrated[2], **change)))
    test_broken_contexts(made, plus(wrong), where, message)


def test_prepare_indexes_records(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = made.with_name("broken.tfrecord")
    broken.write_bytes(made.read_bytes()[:100])
    assert program.main(["waymo", str(made.parent.parent), "--workers", "1", "--points"]) == 1
    said = capsys.readouterr().out
    assert "training: 2 segments, 3 frames\n  objects  in the records" in said
    assert "BROKEN" in said
    assert "broken.tfrecord, byte 12: record 0: ends after 88 bytes" in said
    assert len(list((made.parent / ".formerkit").glob("*.npz"))) == 1
    copies = sorted((made.parent / ".formerkit" / "points" / "segment_a").glob("*.npy"))
    for path, frame in zip(copies, RecordSegment(made), strict=True):
        np.testing.assert_array_equal(np.load(path)[:, :5], frame.points)


def test_a_decompressed_image_has_a_limit(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("formerdata.waymo.record_images.MAX_IMAGE", 100)
    with pytest.raises(DataError, match=r"cannot be decompressed \(more than 100 bytes"):
        RecordSegment(made)[0]


def test_one_number_may_come_unpacked(made: Path) -> None:
    """Writers of protocol buffers may pack repeated numbers or not."""
    raw = made_up_records(made.parent.parent / "other")[2][1]
    values = raw.images[2][0]
    unpacked = b"".join(b"\x0d" + struct.pack("<f", value) for value in values.ravel().tolist())
    dims = field(2, "message", field(1, "bytes", bytes(values.shape)))
    before = RecordSegment(made, lasers=[2], returns=[1])[1].points
    changed(made, with_laser(field(2, "bytes", zlib.compress(unpacked + dims)), 2))
    np.testing.assert_array_equal(RecordSegment(made, lasers=[2], returns=[1])[1].points, before)
