"""A real key frame of nuScenes, and what a foreign info file says of its boxes."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formerdata.boxes import points_in_boxes
from formerdata.nuscenes import merge_scans, read_scan

from formerkit.io.foreign import ScalarType, scalar
from tests.paths import data

NAME = "n015-2018-07-24-11-22-45+0800"


@pytest.fixture(scope="module")
def scan() -> Path:
    return data("nuscenes_sample", f"{NAME}__LIDAR_TOP__1532402927647951.pcd.bin")


class _Plain(pickle.Unpickler):
    """Rebuilds nothing but numbers, text and containers: the three names that numpy's scalars need have stand-ins."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            ("numpy.core.multiarray", "scalar"): scalar, ("numpy", "dtype"): ScalarType,
            ("_codecs", "encode"): lambda text, _: text.encode("latin1"),
        }  # fmt: skip
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"refused: {module}.{name}")
        return allowed[module, name]


def test_the_scan_is_read(scan: Path) -> None:
    points = read_scan(scan)
    assert points.shape == (34688, 5)
    assert points.dtype == np.float32
    assert set(points[:, 4].tolist()) == set(range(32))
    assert 0 <= points[:, 3].min() < points[:, 3].max() <= 255
    np.testing.assert_array_equal(points[:, 3], np.rint(points[:, 3]))
    assert 90 < np.abs(points[:, :2]).max() < 110
    # The road is 1.84 m below the sensor.
    ground = points[(np.abs(points[:, :2]) < 8).all(1) & (np.abs(points[:, 2]) > 1)]
    assert abs(np.median(ground[:, 2]) + 1.84) < 0.1


def test_the_car_itself_is_left_out_of_sweeps(scan: Path) -> None:
    points = read_scan(scan)
    near = (np.abs(points[:, :2]) < 1).all(1)
    found = merge_scans([scan, scan], np.tile(np.eye(4), (2, 1, 1)), [0.0, 0.05])
    assert near.sum() > 100
    np.testing.assert_array_equal(found[: len(points), :4], points[:, :4])
    np.testing.assert_array_equal(found[len(points) :, :4], points[~near, :4])


def test_its_boxes_hold_the_points_that_they_count(scan: Path) -> None:
    with data("nuscenes_sample", f"{NAME}.pkl").open("rb") as file:
        (frame,) = _Plain(file).load()["data_list"]
    boxes = np.array([each["bbox_3d"] for each in frame["instances"]])
    stated = np.array([each["num_lidar_pts"] for each in frame["instances"]])
    assert boxes.shape == (69, 7)
    counted = points_in_boxes(read_scan(scan), boxes).sum(1)
    # Points on a side are in or out by rounding; the labels were made before.
    assert (np.abs(counted - stated) <= 1 + 0.11 * stated).all()
    assert (counted == stated).mean() > 0.8
    turned, swapped = boxes * [1, 1, 1, 1, 1, 1, -1], boxes[:, [0, 1, 2, 4, 3, 5, 6]]
    lifted = boxes + np.array([0, 0, 0.8, 0, 0, 0, 0])
    for wrong in (turned, swapped, lifted):
        missed = np.abs(points_in_boxes(read_scan(scan), wrong).sum(1) - stated).sum()
        assert missed > 1.8 * np.abs(counted - stated).sum()
