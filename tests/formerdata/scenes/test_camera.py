"""The made-up calibration: a proper rig of KITTI's kind."""

from __future__ import annotations

import numpy as np
import pytest
from formerdata.scenes.camera import make_rig


@pytest.mark.parametrize("seed", range(5))
def test_rig(seed: int) -> None:
    rig = make_rig(np.random.default_rng(seed))
    for rotation in (rig.rectification, rig.velo_to_cam[:, :3], rig.imu_to_velo[:, :3]):
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1.0)
    # A point straight ahead lies near the middle of the image; left is left and up is up.
    rect = rig.lidar_to_rect(np.array([[20.0, 0, 0], [20.0, 1, 0], [20.0, 0, 1]]))
    assert rect[0, 2] == pytest.approx(19.7, abs=0.3)
    middle, left, up = rig.rect_to_image(rect)
    assert abs(middle[0] - 621) < 60
    assert abs(middle[1] - 187) < 40
    assert left[0] < middle[0] - 20
    assert up[1] < middle[1] - 20


def test_text_is_the_calibration() -> None:
    rig = make_rig(np.random.default_rng(0))
    lines = dict(line.split(":") for line in rig.to_text().splitlines() if line)
    assert list(lines) == ["P0", "P1", "P2", "P3", "R0_rect", "Tr_velo_to_cam", "Tr_imu_to_velo"]
    for name, matrix in (
        ("P2", rig.projections[2]),
        ("R0_rect", rig.rectification),
        ("Tr_velo_to_cam", rig.velo_to_cam),
    ):
        np.testing.assert_allclose([float(v) for v in lines[name].split()], matrix.ravel(), rtol=1e-12)
