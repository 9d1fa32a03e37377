"""A small data set of made-up numbers in ONCE's layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from formerdata.once import CLASS_NAMES

SEQUENCE = "000076"
FRAMES = ("1616343527200", "1616343527700", "1616343528200", "1616343528700")
CAMERAS = ("cam01", "cam03")


def annos(random: np.random.Generator, n: int = 5) -> dict[str, Any]:
    """Labels of a frame as the file has them."""
    boxes = np.concatenate(
        [random.uniform(-30, 30, (n, 2)), random.uniform(-1, 1, (n, 1)), random.uniform(0.5, 5, (n, 3)),
         random.uniform(-3, 3, (n, 1))], axis=1,
    )  # fmt: skip
    return {
        "names": random.choice(CLASS_NAMES, n).tolist(),
        "boxes_3d": boxes.tolist(),
        "boxes_2d": {camera: [[-1.0] * 4] * n for camera in CAMERAS},
    }


def content(seed: int = 0) -> dict[str, Any]:
    """Of a sequence's file: of four frames the first and the third are labelled, the fourth with nothing in it."""
    random = np.random.default_rng(seed)
    frames: list[dict[str, Any]] = [
        {"frame_id": frame, "pose": [0.0, 0.0, 0.0, 1.0, float(i), 2.0, 0.5], "sequence_id": SEQUENCE}
        for i, frame in enumerate(FRAMES)
    ]
    frames[0]["annos"], frames[2]["annos"], frames[3]["annos"] = annos(random), annos(random, 3), annos(random, 0)
    camera = {"cam_to_velo": np.eye(4).tolist(), "cam_intrinsic": np.eye(3).tolist(), "distortion": [0.0] * 8}
    return {"meta_info": {"weather": "sunny"}, "calib": dict.fromkeys(CAMERAS, camera), "frames": frames}


def write_once(root: Path, split: str = "train", sequence: str = SEQUENCE, *, seed: int = 0) -> dict[str, Any]:
    """A data set of one sequence; returns what its file says."""
    listed, folder = content(seed), root / "data" / sequence
    (folder / "lidar_roof").mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed + 1)
    for frame in FRAMES:
        points = np.concatenate([random.uniform(-40, 40, (300, 3)), random.random((300, 1))], axis=1)
        points.astype("<f4").tofile(folder / "lidar_roof" / f"{frame}.bin")
    (folder / f"{sequence}.json").write_text(json.dumps(listed))
    (root / "ImageSets").mkdir(exist_ok=True)
    with (root / "ImageSets" / f"{split}.txt").open("a") as file:
        file.write(f"{sequence}\n")
    return listed
