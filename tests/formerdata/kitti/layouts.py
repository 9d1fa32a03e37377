"""A small made-up KITTI folder for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

CALIBRATION = """P0: 700 0 600 0 0 700 180 0 0 0 1 0
P1: 700 0 600 -380 0 700 180 0 0 0 1 0
P2: 700 0 600 45 0 700 180 0.2 0 0 1 0.003
P3: 700 0 600 -340 0 700 180 2 0 0 1 0.003
R0_rect: 1 0 0 0 1 0 0 0 1
Tr_velo_to_cam: 0 -1 0 0 0 0 -1 -0.08 1 0 0 -0.27
Tr_imu_to_velo: 1 0 0 -0.8 0 1 0 0.3 0 0 1 -0.8
"""
CAR = "Car 0.00 0 -1.50 500.00 180.00 600.00 250.00 1.50 1.60 4.00 1.00 1.60 15.00 -1.57"
PEDESTRIAN = "Pedestrian 0.00 0 0.20 700.00 150.00 730.00 230.00 1.75 0.60 0.80 4.00 1.60 12.00 0.30"
VAN = "Van 0.00 1 -1.50 300.00 180.00 400.00 250.00 2.00 1.90 5.00 -6.00 1.70 18.00 1.57"
DONT_CARE = "DontCare -1 -1 -10 10.00 170.00 40.00 190.00 -1 -1 -1 -1000 -1000 -1000 -10"


def write_frame(root: Path, frame_id: str, labels: list[str], points: np.ndarray | None = None) -> None:
    """One training frame: by default a ground and a cloud of points on each labelled box."""
    for folder in ("velodyne", "calib", "label_2"):
        (root / "training" / folder).mkdir(parents=True, exist_ok=True)
    if points is None:
        points = scan(labels, seed=int(frame_id))
    points.astype("<f4").tofile(root / "training" / "velodyne" / f"{frame_id}.bin")
    (root / "training" / "calib" / f"{frame_id}.txt").write_text(CALIBRATION)
    (root / "training" / "label_2" / f"{frame_id}.txt").write_text("".join(line + "\n" for line in labels))


def scan(labels: list[str], seed: int = 0) -> np.ndarray:
    """[N, 4] points: a flat ground, and 60 in each labelled box."""
    g = np.random.default_rng(seed)
    ground = np.column_stack([g.uniform(-10, 60, 4000), g.uniform(-30, 30, 4000), np.full(4000, -1.73), g.random(4000)])
    clouds = [ground]
    for line in labels:
        words = line.split()
        if words[0] == "DontCare":
            continue
        h, w, length, x, y, z, turn = (float(word) for word in words[8:15])
        local = (g.random((60, 3)) - 0.5) * [length, w, h]
        heading = -(turn + np.pi / 2)
        cos, sin = np.cos(heading), np.sin(heading)
        cloud = np.column_stack(
            [
                z + 0.27 + cos * local[:, 0] - sin * local[:, 1],
                -x + sin * local[:, 0] + cos * local[:, 1],
                -y - 0.08 + h / 2 + local[:, 2],
                g.random(60),
            ]
        )
        clouds.append(cloud)
    return np.concatenate(clouds).astype(np.float32)


def write_split(root: Path, name: str, frame_ids: list[str]) -> None:
    (root / "ImageSets").mkdir(parents=True, exist_ok=True)
    (root / "ImageSets" / f"{name}.txt").write_text("".join(f"{frame_id}\n" for frame_id in frame_ids))


def small_kitti(root: Path, frames: int = 4) -> Path:
    """A folder with a few frames, all in the split ``train``, the last also in ``val``."""
    ids = [f"{i:06d}" for i in range(frames)]
    for i, frame_id in enumerate(ids):
        write_frame(root, frame_id, [CAR, PEDESTRIAN, VAN, DONT_CARE][: 1 + (i + 3) % 4])
    write_split(root, "train", ids)
    write_split(root, "val", ids[-1:])
    return root
