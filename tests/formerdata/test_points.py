"""Point clouds from files: every kind reads back as it was written, every damage is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from formerdata.points import SUFFIXES, read_bin, read_points
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from formerkit.io import DataError, MissingExtraError
from tests.paths import data

POINTS = np.array([[1.5, -2.25, 0.5, 0.25], [30, 4, -1.5, 0.75], [-7, 0, 2, 0]], dtype=np.float32)


def test_a_scan_of_kittis_form(tmp_path: Path) -> None:
    POINTS.tofile(tmp_path / "a.bin")
    np.testing.assert_array_equal(read_points(tmp_path / "a.bin"), POINTS)


@pytest.mark.parametrize("columns", [4, 5, 6])
def test_bin_files_of_more_columns(tmp_path: Path, columns: int) -> None:
    values = np.arange(3 * columns, dtype=np.float32).reshape(3, columns)
    values.tofile(tmp_path / "a.bin")
    np.testing.assert_array_equal(read_bin(tmp_path / "a.bin", columns), values)
    np.testing.assert_array_equal(read_points(tmp_path / "a.bin", bin_columns=columns), values[:, :4])
    (tmp_path / "a.bin").write_bytes(values.tobytes()[:-4])
    end, size = 8 * columns, 4 * columns
    with pytest.raises(DataError, match=rf"byte {end}: {12 * columns - 4} bytes end inside .* of {size} bytes"):
        read_bin(tmp_path / "a.bin", columns)
    values[1, 2] = np.nan
    values.tofile(tmp_path / "a.bin")
    with pytest.raises(DataError, match=r"point 1 of \d+ is (nan|-?inf); expected finite"):
        read_bin(tmp_path / "a.bin", columns)


def test_impossible_bin_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected 4 columns or more, got 3"):
        read_bin(tmp_path / "a.bin", 3)
    with pytest.raises(DataError, match="no such file"):
        read_bin(tmp_path / "a.bin", 6)


def test_real_waymo_frames_in_the_form_of_other_tools() -> None:
    folder = data("waymo_samples", "mmdet3d", "kitti_format")
    for name, time in (("0000000", 1550083490000000), ("1000000", 1507315560000000)):
        path = folder / "training" / "velodyne" / f"{name}.bin"
        rows, points = read_bin(path, 6), read_points(path, bin_columns=6)
        assert rows.shape == (800, 6)
        np.testing.assert_array_equal(points, rows[:, :4])
        distance = np.linalg.norm(points[:, :3], axis=1)
        assert 0.5 < distance.min() < distance.max() < 120
        assert ((rows[:, 4] >= 0) & (rows[:, 4] <= 1.5)).all()  # elongation
        assert (np.abs(rows[:, 5] - time) < 1e9).all()  # microseconds: single precision has steps of two minutes
    assert read_bin(folder / "waymo_gt_database" / "0_Car_0.bin", 5).shape == (303, 5)


def test_a_real_scan() -> None:
    scan = sorted(data("kitti_object", "training", "velodyne").glob("*.bin"))[0]
    points = read_points(scan)
    assert points.dtype == np.float32
    assert points.shape == (scan.stat().st_size // 16, 4)


@settings(max_examples=30, deadline=None)
@given(
    array=arrays(
        st.sampled_from([np.float32, np.float64, np.int16]),
        st.tuples(st.integers(0, 5), st.sampled_from([3, 4])),
        elements=st.integers(-1000, 1000),
    )
)
def test_arrays_of_three_or_four_columns(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("arrays") / "a.npy"
    np.save(path, array)
    points = read_points(path)
    assert points.dtype == np.float32
    assert points.shape == (len(array), 4)
    np.testing.assert_array_equal(points[:, : array.shape[1]], array)
    if array.shape[1] == 3:
        assert (points[:, 3] == 0).all()


@pytest.mark.parametrize("array", [np.zeros(4), np.zeros((2, 5)), np.zeros((2, 4), complex), np.array([["a"] * 4])])
def test_other_arrays_are_refused(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match=r"a\.npy: shape .* expected numbers, \[N, 3\] or \[N, 4\]"):
        read_points(tmp_path / "a.npy")


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "sprung",))

    np.save(tmp_path / "a.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="not a plain array"):
        read_points(tmp_path / "a.npy")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x93NUMPY\x01\x00", b"PK\x03\x04"])
def test_damaged_arrays_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npy: not a plain array"):
        read_points(tmp_path / "a.npy")


def test_an_array_cut_short_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", POINTS)
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole[:-5])
    with pytest.raises(DataError, match=r"a\.npy: not a plain array"):
        read_points(tmp_path / "a.npy")


def test_an_archive_with_the_wrong_name(tmp_path: Path) -> None:
    with open(tmp_path / "a.npy", "wb") as file:
        np.savez(file, a=POINTS)
    with pytest.raises(DataError, match="not a plain array"):
        read_points(tmp_path / "a.npy")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_named(tmp_path: Path, value: float) -> None:
    broken = POINTS.copy()
    broken[1, 2] = value
    np.save(tmp_path / "a.npy", broken)
    broken.tofile(tmp_path / "a.bin")
    for name in ("a.npy", "a.bin"):
        with pytest.raises(DataError, match=rf"{name}.*point 1"):
            read_points(tmp_path / name)


def test_absent_files_and_unknown_kinds(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.bin: no such file"):
        read_points(tmp_path / "nothing.bin")
    (tmp_path / "a.las").write_bytes(b"LASF")
    with pytest.raises(DataError, match=r"unknown kind '\.las'; expected one of \.bin, \.npy, \.pcd, \.ply"):
        read_points(tmp_path / "a.las")


def test_bin_and_npy_do_without_open3d(tmp_path: Path) -> None:
    POINTS.tofile(tmp_path / "a.bin")
    np.save(tmp_path / "a.npy", POINTS)
    program = (
        "import sys; sys.modules['open3d'] = None\n"
        "from formerdata.points import read_points\n"
        "for path in sys.argv[1:]: assert len(read_points(path)) == 3\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.bin"), str(tmp_path / "a.npy")], check=True)


def test_without_open3d_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open3d", None)
    (tmp_path / "a.pcd").write_bytes(b"")
    with pytest.raises(MissingExtraError, match=r"reading \.pcd files needs 'open3d'.*formerkit\[viz\]"):
        read_points(tmp_path / "a.pcd")


@pytest.mark.parametrize("suffix", [".pcd", ".ply"])
@pytest.mark.parametrize("intensity", ["intensity", "reflectance", None])
def test_clouds_that_open3d_reads(tmp_path: Path, suffix: str, intensity: str | None) -> None:
    o3d = pytest.importorskip("open3d")
    assert suffix in SUFFIXES
    cloud = o3d.t.geometry.PointCloud()
    cloud.point.positions = o3d.core.Tensor(POINTS[:, :3].copy())
    if intensity:
        cloud.point[intensity] = o3d.core.Tensor(POINTS[:, 3:].copy())
    path = tmp_path / f"a{suffix}"
    o3d.t.io.write_point_cloud(str(path), cloud)
    expected = POINTS if intensity else POINTS * np.array([1, 1, 1, 0])
    np.testing.assert_array_equal(read_points(path), expected)


PCD = "VERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 3\nHEIGHT 1\nPOINTS 3\nDATA ascii\n"


def test_rays_without_an_echo_in_organised_clouds_are_left_out(tmp_path: Path) -> None:
    pytest.importorskip("open3d")
    (tmp_path / "a.pcd").write_text(PCD + "1 2 3\nnan nan nan\n4 5 6\n")
    np.testing.assert_array_equal(read_points(tmp_path / "a.pcd")[:, :3], [[1, 2, 3], [4, 5, 6]])
    (tmp_path / "b.pcd").write_text(PCD + "1 2 3\n1 nan 3\n4 5 6\n")
    with pytest.raises(DataError, match=r"b\.pcd: point 1 is not finite"):
        read_points(tmp_path / "b.pcd")


def test_damaged_clouds_are_named(tmp_path: Path) -> None:
    pytest.importorskip("open3d")
    for name in ("a.pcd", "a.ply"):
        (tmp_path / name).write_text("nonsense")
        with pytest.raises(DataError, match=rf"{name}: no points could be read"):
            read_points(tmp_path / name)
