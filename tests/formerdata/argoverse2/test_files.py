"""Argoverse 2's feather files: values, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formerdata.argoverse2 import (
    ANNOTATION_CATEGORIES,
    CATEGORIES,
    LEFT_OUT,
    LogFolder,
    is_labelled,
    log_folders,
    read_annotations,
    read_columns,
    read_poses,
    read_sweep,
    write_columns,
)

from formerkit.io import DataError, MissingExtraError
from tests.formerdata.argoverse2.made_up import LOG, TIMES, annotations, poses, write_log

pytest.importorskip("pyarrow")


def test_categories() -> None:
    assert len(CATEGORIES) == 26
    assert len(set(ANNOTATION_CATEGORIES)) == 30
    assert ANNOTATION_CATEGORIES[:26] == CATEGORIES
    assert not set(LEFT_OUT) & set(CATEGORIES)


def test_annotations_are_sorted_by_time_and_keep_their_values(tmp_path: Path) -> None:
    columns = annotations(TIMES, np.random.default_rng(1))
    write_columns(tmp_path / "annotations.feather", columns)
    times, objects = read_annotations(tmp_path / "annotations.feather")
    order = np.argsort(columns["timestamp_ns"], kind="stable")
    np.testing.assert_array_equal(times, columns["timestamp_ns"][order])
    assert objects.names.tolist() == columns["category"][order].tolist()
    assert objects.track_uuids.tolist() == columns["track_uuid"][order].tolist()
    np.testing.assert_array_equal(objects.num_points, columns["num_interior_pts"][order])
    for i, name in enumerate(("tx_m", "ty_m", "tz_m", "length_m", "width_m", "height_m")):
        np.testing.assert_array_equal(objects.boxes[:, i], columns[name][order])
    turned = 2 * np.arctan2(columns["qz"], columns["qw"])[order]
    np.testing.assert_allclose(np.cos(turned - objects.boxes[:, 6]), 1)


def test_a_sweep_and_the_poses(tmp_path: Path) -> None:
    folder = LogFolder(write_log(tmp_path))
    assert folder.log_id == LOG
    np.testing.assert_array_equal(folder.timestamps(), TIMES)
    raw = read_columns(folder.sweep(TIMES[0]), dict.fromkeys(("x", "y", "z", "intensity"), "float"))
    points = read_sweep(folder.sweep(TIMES[0]))
    assert (points.dtype, points.shape) == (np.float32, (500, 4))
    np.testing.assert_array_equal(points, np.stack([*raw.values()], axis=1).astype(np.float32))
    assert 200 < points[:, 3].max() <= 255
    times, places = read_poses(folder.poses)
    np.testing.assert_array_equal(times, TIMES)
    # The car looks along the city's y; what is 2 m ahead of it is 2 m further along y.
    np.testing.assert_allclose(places[1] @ [2, 0, 0, 1], [1, 7, 0, 1], atol=1e-12)


def test_splits(tmp_path: Path) -> None:
    write_log(tmp_path / "val", "b")
    write_log(tmp_path / "val", "a")
    (tmp_path / "val" / ".formerkit").mkdir()
    assert [folder.log_id for folder in log_folders(tmp_path / "val")] == ["a", "b"]
    assert is_labelled(tmp_path / "val")
    assert not is_labelled(tmp_path / "test")
    with pytest.raises(DataError, match=r"no logs; expected Argoverse 2's layout"):
        log_folders(tmp_path)
    (tmp_path / "val" / "a" / "sensors" / "lidar" / "first.feather").touch()
    with pytest.raises(DataError, match=r"first.feather: not the name of a sweep; expected NANOSECONDS.feather"):
        log_folders(tmp_path / "val")[0].timestamps()


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({"num_interior_pts": None}, "field 'num_interior_pts': the column is absent"),
    "type": ({"tx_m": ["far"] * 18}, "field 'tx_m': type string; expected numbers"),
    "text": ({"category": np.arange(18)}, "field 'category': type int64; expected text"),
    "null": ({"tx_m": [None] + [1.0] * 17}, "field 'tx_m': 1 nulls, the first in row 0"),
    "nan": ({"ty_m": np.array([0.0] * 3 + [np.nan] + [0.0] * 14)}, "field 'ty_m': row 3 of 18 is nan; expected finite"),
    "category": ({"category": ["DOG"] * 4 + ["CAT"] * 14}, "field 'category': row 4 is 'CAT'; expected one of REGULAR"),
    "side": ({"width_m": np.array([1.0] * 17 + [0.0])}, "field 'width_m': row 17 is 0.0; expected a side above 0, m"),
    "quaternion": (
        {name: np.array([1.0] * 5 + [0.0] + [1.0] * 12) for name in ("qw", "qx", "qy", "qz")},
        "field 'qw, qx, qy, qz': row 5 is a quaternion of length 0; expected a rotation",
    ),
    "points": ({"num_interior_pts": np.array([0, -1] + [0] * 16)}, "field 'num_interior_pts': row 1 is -1; expected 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_broken_annotations_are_refused(tmp_path: Path, case: str) -> None:
    changes, message = BROKEN[case]
    path = write_log(tmp_path, changes=changes) / "annotations.feather"
    with pytest.raises(DataError) as caught:
        read_annotations(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_truncated_files_are_refused(tmp_path: Path, share: float) -> None:
    folder = LogFolder(write_log(tmp_path))
    for path, read in ((folder.annotations, read_annotations), (folder.sweep(TIMES[1]), read_sweep)):
        whole = path.read_bytes()
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(DataError, match=r"cannot be read \(.*whole feather file"):
            read(path)


def test_absent_files_and_broken_poses_are_refused(tmp_path: Path) -> None:
    for read in (read_annotations, read_sweep, read_poses):
        with pytest.raises(DataError, match=r"gone.feather: no such file; expected a feather file"):
            read(tmp_path / "gone.feather")
    write_columns(tmp_path / "poses.feather", poses(TIMES) | {name: np.zeros(3) for name in ("qw", "qz")})
    with pytest.raises(DataError, match="row 0 is a quaternion of length 0"):
        read_poses(tmp_path / "poses.feather")


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"formerkit\[parquet\]"):
        read_sweep(tmp_path / "1.feather")
