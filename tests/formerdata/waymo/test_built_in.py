"""Built-in segments: what is written is what was there; and the programs that write and index them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from formerdata import prepare as program
from formerdata.boxes import points_in_boxes
from formerdata.waymo import LASERS, TOP, SegmentWriter, WaymoFrames, WaymoSegment, segments
from formerdata.waymo.built_in import BuiltInSegment, SegmentSettings
from formerdata.waymo.generate import MANIFEST, generate_waymo
from formerdata.waymo.prepare import prepare
from formerdata.waymo.scanners import pose_matrix

from formerkit.io import DataError
from tests.formerdata.waymo.made_up import write_segment

pytest.importorskip("pyarrow")
SMALL = SegmentSettings(num_frames=2, detail=0.05, sectors=8)


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> tuple[BuiltInSegment, list, WaymoSegment]:
    """A segment of a moving car, its frames, and the same from its files."""
    segment = BuiltInSegment(0, 0, SMALL)
    segment._speed, segment._turn = 12.0, 0.3
    frames = list(segment.frames())
    split = tmp_path_factory.mktemp("waymo") / "training"
    with SegmentWriter(split, segment.name, segment.calibrations) as writer:
        for frame in frames:
            writer.add(frame.raw)
    return segment, frames, WaymoSegment(split, segment.name)


def test_points_are_those_that_were_met(drive: tuple[BuiltInSegment, list, WaymoSegment]) -> None:
    _, frames, read = drive
    for frame, again in zip(frames, read, strict=True):
        assert len(frame.points) == len(again.points) > 5000
        assert np.abs(frame.points - again.points[:, :3]).max() < 1e-3
        assert set(again.lasers.tolist()) == set(LASERS)
        assert (again.returns == 2).any()
        assert not again.no_label_zone.any()
        assert (again.points[:, 3:] >= 0).all()


def test_without_the_poses_of_pixels_points_are_far_off(drive: tuple[BuiltInSegment, list, WaymoSegment]) -> None:
    segment, frames, read = drive
    from formerdata.waymo import range_image_points

    image = frames[1].raw.images[TOP][0]
    points, _ = range_image_points(image, segment.calibrations[TOP])
    own = read[1].points[(read[1].lasers == TOP) & (read[1].returns == 1)]
    assert 0.5 < np.linalg.norm((points - own)[:, :3], axis=1).max() < 10


def test_the_ground_is_where_the_wheels_are(drive: tuple[BuiltInSegment, list, WaymoSegment]) -> None:
    near = read_near(drive[2])
    assert abs(np.percentile(near[:, 2], 5)) < 0.3
    assert near[:, 2].min() > -1.5


def read_near(segment: WaymoSegment) -> np.ndarray:
    points = segment[0].points
    return points[np.linalg.norm(points[:, :2], axis=1) < 12]


def test_boxes_hold_the_points_they_say(drive: tuple[BuiltInSegment, list, WaymoSegment]) -> None:
    _, _, read = drive
    for frame in read:
        assert frame.boxes is not None
        assert len(frame.boxes) > 3
        inside = points_in_boxes(frame.points, frame.boxes.boxes)
        np.testing.assert_allclose(inside.sum(1), frame.boxes.num_points, atol=2)  # float32 at the faces
        np.testing.assert_allclose(inside[:, frame.lasers == TOP].sum(1), frame.boxes.num_top_points, atol=2)
        assert set(frame.boxes.types.tolist()) <= {1, 2, 4}
        assert ((frame.boxes.difficulty == 1) == (frame.boxes.num_points > 5)).all()


def test_what_stands_still_stays_in_the_world(drive: tuple[BuiltInSegment, list, WaymoSegment]) -> None:
    _, _, read = drive
    first, second = read[0], read[1]
    assert first.boxes is not None
    assert second.boxes is not None
    moved = np.linalg.norm((second.world_from_vehicle - first.world_from_vehicle)[:3, 3])
    assert moved == pytest.approx(1.2, abs=0.02)
    place = [
        (f.boxes.boxes[:, :3] @ f.world_from_vehicle[:3, :3].T + f.world_from_vehicle[:3, 3]) for f in (first, second)
    ]
    common = [i for i in first.boxes.ids.tolist() if i in second.boxes.ids.tolist()]
    assert len(common) > 3
    for name in common:
        a, b = (int(np.flatnonzero(f.boxes.ids == name)[0]) for f in (first, second))
        np.testing.assert_allclose(place[1][b] - place[0][a], 0.1 * first.boxes.speed[a], atol=1e-3)


def test_a_segment_is_a_pure_function_of_its_arguments() -> None:
    settings = replace(SMALL, num_frames=1, detail=0.02, sectors=2)
    a, b = (next(BuiltInSegment(3, 5, settings).frames()) for _ in range(2))
    np.testing.assert_array_equal(a.points, b.points)
    np.testing.assert_array_equal(a.raw.world_from_vehicle, b.raw.world_from_vehicle)
    for laser in LASERS:
        np.testing.assert_array_equal(a.raw.images[laser][0], b.raw.images[laser][0])
    single = next(BuiltInSegment(3, 5, replace(settings, second_returns=False)).frames())
    assert single.raw.images[TOP][1] is None
    np.testing.assert_allclose(single.raw.world_from_vehicle, pose_matrix(single.raw.pixel_poses[0, 0]), atol=1)


@pytest.mark.parametrize(("field", "value"), [("num_frames", 0), ("detail", 0.0), ("sectors", 0), ("traffic", 9.0)])
def test_impossible_settings(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        SegmentSettings(**{field: value})  # type: ignore[arg-type]


def test_a_series_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(SMALL, num_frames=1, detail=0.02, sectors=2)
    make = {"num_train": 1, "num_val": 1, "num_workers": 1, "settings": settings, "progress": False}
    generate_waymo(tmp_path, **make)  # type: ignore[arg-type]
    assert (tmp_path / MANIFEST).is_file()
    assert len(segments(tmp_path / "training")) == len(segments(tmp_path / "validation")) == 1
    (lost,) = (tmp_path / "validation" / "lidar").glob("*.parquet")
    content = lost.read_bytes()
    lost.unlink()
    generate_waymo(tmp_path, **make)  # type: ignore[arg-type]
    assert lost.read_bytes() == content
    monkeypatch.setattr("formerdata.waymo.generate.BuiltInSegment", lambda *_: pytest.fail("made again"))
    generate_waymo(tmp_path, **make)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"another kind \(seed differ\)"):
        generate_waymo(tmp_path, seed=1, **make)  # type: ignore[arg-type]


def test_prepare_indexes_every_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_segment(tmp_path / "training", "segment_a", seed=1)
    write_segment(tmp_path / "training", "segment_b", counts=(0, 0), seed=2)
    write_segment(tmp_path / "testing", "segment_c", seed=3)
    (tmp_path / "testing" / "lidar_box" / "segment_c.parquet").unlink()
    assert program.main(["waymo", str(tmp_path), "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert "training: 2 segments, 5 frames" in said
    assert "3 frames have no box" in said
    assert "testing: 1 segments, 3 frames\n  objects  none" in said
    assert said.endswith("no problems\n")
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    assert len(kept) == 3
    prepare(tmp_path, num_workers=1, progress=False)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")} == kept
    assert not list(tmp_path.rglob("*.npy"))


def test_points_are_copied_if_asked(tmp_path: Path) -> None:
    split = tmp_path / "training"
    write_segment(split)
    prepare(split, num_workers=1, points=True, progress=False)
    files = sorted((split / ".formerkit" / "points" / "segment_a").glob("*.npy"))
    for path, frame in zip(files, WaymoSegment(split, "segment_a"), strict=True):
        rows = np.load(path)
        np.testing.assert_array_equal(rows[:, :5], frame.points)
        np.testing.assert_array_equal(rows[:, 5:], np.column_stack([frame.lasers, frame.returns, frame.no_label_zone]))
    files[1].unlink()
    before = files[0].stat().st_mtime_ns
    prepare(split, num_workers=1, points=True, progress=False)
    assert files[1].is_file()
    assert files[0].stat().st_mtime_ns == before


def test_copies_are_read_in_place_of_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = tmp_path / "training"
    write_segment(split)
    prepare(split, num_workers=1, points=True, progress=False)
    plain = [WaymoSegment(split, "segment_a")[i] for i in range(3)]
    folder = split / ".formerkit" / "points" / "segment_a"
    monkeypatch.setattr(WaymoSegment, "_images", None)  # nobody looks there
    for frames in (WaymoFrames(split), WaymoFrames(split, lasers=(1, 3), returns=(2,))):
        for i, frame in enumerate(plain):
            kept = np.isin(frame.lasers, (1, 2, 3, 4, 5) if len(frames._choice["lasers"]) == 5 else (1, 3))
            kept &= np.isin(frame.returns, frames._choice["returns"])
            found = frames[i]
            np.testing.assert_array_equal(found.points, frame.points[kept])
            for name in ("lasers", "returns", "no_label_zone"):
                np.testing.assert_array_equal(getattr(found, name), getattr(frame, name)[kept])
                assert getattr(found, name).dtype == getattr(frame, name).dtype
            assert found.boxes is not None
            assert frame.boxes is not None
            np.testing.assert_array_equal(found.boxes.boxes, frame.boxes.boxes)
            np.testing.assert_array_equal(found.world_from_vehicle, frame.world_from_vehicle)
    first = folder / f"{plain[0].timestamp}.npy"
    first.write_bytes(first.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"npy: cannot be read .*; expected a copy of points; remove it"):
        WaymoFrames(split)[0]
    np.save(first, np.zeros((3, 5), np.float32))
    with pytest.raises(DataError, match=r"npy: float32 \[3, 5\]; expected float32 \[N, 8\]"):
        WaymoFrames(split)[0]


def test_copies_that_are_older_than_the_tables_are_not_read(tmp_path: Path) -> None:
    split = tmp_path / "training"
    write_segment(split)
    prepare(split, num_workers=1, points=True, progress=False)
    copies = sorted((split / ".formerkit" / "points" / "segment_a").glob("*.npy"))
    wanted = WaymoFrames(split)[0].points
    rows = np.load(copies[0])
    np.save(copies[0], rows + np.float32(1) * (np.arange(8) < 3))
    assert np.abs(WaymoFrames(split)[0].points - wanted).max() > 0.9  # the copy is what is read
    os.utime(copies[0], ns=(0, 0))
    np.testing.assert_array_equal(WaymoFrames(split)[0].points, wanted)
    np.save(copies[0], rows + np.float32(1) * (np.arange(8) < 3))
    np.testing.assert_array_equal(WaymoFrames(split, segmentation=True)[0].points, wanted)


def test_prepare_goes_on_after_a_broken_segment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("segment_a", "segment_b"):
        write_segment(tmp_path / "training", name)
    (tmp_path / "training" / "vehicle_pose" / "segment_a.parquet").write_bytes(b"PAR1")
    assert program.main(["waymo", str(tmp_path), "--workers", "1", "--cache-dir", str(tmp_path / "cache")]) == 1
    said = capsys.readouterr().out
    assert "BROKEN" in said
    assert "vehicle_pose/segment_a.parquet: cannot be read" in said
    assert said.endswith("1 problems\n")
    assert len(list((tmp_path / "cache" / "training").glob("segment_b_*.npz"))) == 1


def test_prepare_says_what_is_no_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["waymo", str(tmp_path)]) == 2
    assert "no folder lidar and no *.tfrecord here or one level below" in capsys.readouterr().err
    (tmp_path / "training" / "lidar").mkdir(parents=True)
    assert program.main(["waymo", str(tmp_path)]) == 2
    assert "no segments" in capsys.readouterr().err


@pytest.mark.slow
def test_the_programs_run_in_parallel(tmp_path: Path) -> None:
    options = ["--num-train", "2", "--num-val", "0", "--num-workers", "2", "--settings.num_frames", "1"]
    options += ["--settings.detail", "0.02"]
    for command in (["formerdata.waymo", str(tmp_path), *options], ["formerdata.prepare", "waymo", str(tmp_path)]):
        subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True, timeout=580)
    assert len(list(tmp_path.rglob("*.npz"))) == 2
