"""Scans, and several of them in one frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from formerdata.nuscenes import merge_scans, read_scan
from formerdata.rotations import pose_matrices
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from formerkit.io import DataError


def write(path: Path, points: np.ndarray) -> Path:
    path.write_bytes(points.astype("<f4").tobytes())
    return path


def plainly(scans: list[np.ndarray], transforms: np.ndarray, delays: np.ndarray) -> np.ndarray:
    """As OpenPCDet describes it, point by point."""
    rows = []
    for number, (points, transform, delay) in enumerate(zip(scans, transforms, delays, strict=True)):
        for x, y, z, intensity, _ in points:
            if number and abs(x) < 1.0 and abs(y) < 1.0:
                continue
            place = transform @ np.array([x, y, z, 1.0])
            rows.append([*place[:3], intensity, delay])
    return np.array(rows, dtype=np.float32).reshape(-1, 5)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1))
def test_merged_scans_are_the_plain_ones(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 4))
    scans = [rng.normal(0, 1.5, (int(rng.integers(0, 9)), 5)).astype(np.float32) for _ in range(count)]
    transforms = pose_matrices(rng.normal(size=(count, 4)), rng.normal(size=(count, 3)) * 10)
    delays = rng.random(count)
    paths = [write(tmp_path / f"{i}.pcd.bin", scan) for i, scan in enumerate(scans)]
    found = merge_scans(paths, transforms, delays)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plainly(scans, transforms, delays), rtol=1e-6, atol=1e-5)


def test_the_square_around_the_sensor_has_no_border(tmp_path: Path) -> None:
    points = np.array([[1, 0.5, 0, 5, 0], [0.99, 0.99, 0, 6, 0], [0.5, -1, 0, 7, 0], [0, 2, 0, 8, 0]])
    paths = [write(tmp_path / name, points) for name in ("a.pcd.bin", "b.pcd.bin")]
    found = merge_scans(paths, np.tile(np.eye(4), (2, 1, 1)), [0, 0.05])
    assert found[:, 3].tolist() == [5, 6, 7, 8, 5, 7, 8]
    np.testing.assert_allclose(found[:, 4], [0] * 4 + [0.05] * 3)


def test_a_scan_is_read_as_it_is(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    np.testing.assert_array_equal(read_scan(write(tmp_path / "a.pcd.bin", points)), points)
    assert read_scan(write(tmp_path / "b.pcd.bin", points[:0])).shape == (0, 5)


@pytest.mark.parametrize("merged", [False, True])
def test_damaged_scans_are_named_with_the_byte(tmp_path: Path, merged: bool) -> None:
    def read(path: Path) -> None:
        merge_scans([fine, path], np.tile(np.eye(4), (2, 1, 1)), [0, 0]) if merged else read_scan(path)

    points = np.zeros((4, 5), dtype=np.float32)
    fine, cut = write(tmp_path / "fine.pcd.bin", points), tmp_path / "cut.pcd.bin"
    cut.write_bytes(points.tobytes()[:-6])
    with pytest.raises(
        DataError, match=r"cut.pcd.bin, byte 60: 74 bytes end inside a point; expected a multiple of 20"
    ):
        read(cut)
    points[2, 1] = np.inf
    with pytest.raises(DataError, match=r"bad.pcd.bin, byte 44, field 'y': point 2 of 4 is inf; expected finite"):
        read(write(tmp_path / "bad.pcd.bin", points))
    with pytest.raises(DataError, match=r"none.pcd.bin: no such file"):
        read(tmp_path / "none.pcd.bin")
