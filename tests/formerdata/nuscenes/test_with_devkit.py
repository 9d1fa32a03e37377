"""The official devkit reads what is written here, and sees the same points, boxes and velocities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from formerdata.nuscenes import NuScenesFrames, boxes_in_lidar
from formerdata.nuscenes.built_in import VERSION

from tests.formerdata.nuscenes.made_up import small_scenes

nuscenes = pytest.importorskip("nuscenes", reason="nuscenes-devkit is not installed (extra 'nuscenes')")


def test_points_boxes_and_velocities_are_the_devkits(tmp_path: Path) -> None:
    from nuscenes.utils.data_classes import LidarPointCloud

    root = small_scenes(tmp_path, 2, 0)
    devkit = nuscenes.NuScenes(version=VERSION, dataroot=str(root), verbose=False)
    frames = NuScenesFrames(root, "built_in_train", VERSION, repeat_sweeps=False)
    for position in range(len(frames)):
        info, points = frames.info(position), frames.points(position)
        sample = devkit.get("sample", info.sample_token)
        cloud, ages = LidarPointCloud.from_file_multisweep(devkit, sample, "LIDAR_TOP", "LIDAR_TOP", nsweeps=10)
        near = (points[:, 4] == 0) & (np.abs(points[:, :2]) < 1).all(1)  # which the devkit leaves out
        np.testing.assert_allclose(points[~near, :4], cloud.points.T, atol=1e-4)
        np.testing.assert_allclose(points[~near, 4], ages[0], atol=1e-6)

        _, boxes, _ = devkit.get_sample_data(sample["data"]["LIDAR_TOP"])
        boxes = [box for box in boxes if box.name != "animal"]
        assert info.boxes is not None
        own = boxes_in_lidar(info.boxes.objects, info.global_from_lidar)
        np.testing.assert_allclose(own[:, :3], [box.center for box in boxes], atol=1e-6)
        np.testing.assert_allclose(own[:, [4, 3, 5]], [box.wlh for box in boxes], atol=1e-9)
        turned = [box.orientation.rotation_matrix[:, 0] for box in boxes]
        np.testing.assert_allclose(np.cos(own[:, 6]), [x for x, _, _ in turned], atol=1e-6)
        np.testing.assert_allclose(np.sin(own[:, 6]), [y for _, y, _ in turned], atol=1e-6)
        velocities = [devkit.box_velocity(box.token)[:2] for box in boxes]
        np.testing.assert_allclose(info.boxes.objects.velocities, velocities, atol=1e-9)
