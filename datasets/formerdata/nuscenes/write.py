"""Writing scenes in nuScenes' layout: the thirteen tables, the scans, and the maps' files that the devkit looks for."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from formerdata.nuscenes.schema import ATTRIBUTES, CLASS_OF_CATEGORY, LIDAR_TOP, RACK, TABLES
from formerdata.rotations import quaternions
from formerkit.io import atomic_write


@dataclass(frozen=True)
class RawBox:
    """A labelled object at the time of a key frame, global frame.

    Attributes:
        instance: Number of the object in its scene.
        category: Name of its category.
        centre: x, y, z, m. size: length, width, height, m. heading: rad.
        attribute: Its name, or empty.
        num_lidar_points: In the box.
    """

    instance: int
    category: str
    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    heading: float
    attribute: str = ""
    num_lidar_points: int = 0


@dataclass(frozen=True)
class RawScan:
    """A scan.

    Attributes:
        timestamp: Microseconds.
        global_from_ego: [4, 4] float64.
        points: [N, 5] float32 x, y, z, intensity, ring, in the LiDAR's frame.
        boxes: Of a key frame; None for a sweep.
    """

    timestamp: int
    global_from_ego: np.ndarray
    points: np.ndarray
    boxes: Sequence[RawBox] | None = None


class NuScenesWriter:
    """Writes a version; use it as a context manager. Scans are written as they come, the tables at the end.

    Args:
        root: Folder of the data set; made if missing.
        version: Name of the version.
        ego_from_lidar: [4, 4] float64, where the LiDAR sits on the car.
    """

    def __init__(self, root: str | os.PathLike[str], version: str, ego_from_lidar: np.ndarray) -> None:
        self.root, self.version = Path(root), version
        self.tables: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
        self.splits: dict[str, list[str]] = {}
        self._fixed_tables(ego_from_lidar)

    def __enter__(self) -> NuScenesWriter:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None:
            self.close()

    def add_scene(self, name: str, scans: Sequence[RawScan], *, split: str, description: str = "") -> None:
        """Write a scene, its scans in the order of time, and enter it in the tables.

        Scans before the first key frame belong to it, others to the key frame after them, or to the last one.

        Raises:
            ValueError: If there is no key frame.
        """
        keys = [i for i, scan in enumerate(scans) if scan.boxes is not None]
        if not keys:
            raise ValueError(f"scene {name}: no scan has boxes; expected a key frame")
        samples = [_token(name, "sample", i) for i in range(len(keys))]
        self.splits.setdefault(split, []).append(name)
        self.tables["scene"].append({
            "token": _token(name), "log_token": _token("log"), "nbr_samples": len(keys),
            "first_sample_token": samples[0], "last_sample_token": samples[-1], "name": name,
            "description": description,
        })  # fmt: skip
        self.tables["sample"] += [
            {"token": token, "timestamp": scans[key].timestamp, "scene_token": _token(name), **_links(samples, i)}
            for i, (token, key) in enumerate(zip(samples, keys, strict=True))
        ]
        self._add_scans(name, scans, keys, samples)
        self._add_boxes(name, [list(scans[key].boxes or ()) for key in keys], samples)

    def close(self) -> None:
        """Write the tables and ``splits.json``."""
        for name, records in {**self.tables, "splits": self.splits}.items():
            with atomic_write(self.root / self.version / f"{name}.json", "w") as file:
                json.dump(records, file, indent=0)

    def _add_scans(self, name: str, scans: Sequence[RawScan], keys: list[int], samples: list[str]) -> None:
        tokens = [_token(name, "scan", i) for i in range(len(scans))]
        for i, scan in enumerate(scans):
            folder = "sweeps" if scan.boxes is None else "samples"
            file = f"{folder}/{LIDAR_TOP}/{name}__{LIDAR_TOP}__{scan.timestamp}.pcd.bin"
            with atomic_write(self.root / file) as out:
                out.write(np.ascontiguousarray(scan.points, dtype="<f4").tobytes())
            sample = samples[min(int(np.searchsorted(keys, i)), len(keys) - 1)]
            self.tables["ego_pose"].append(
                {"token": tokens[i], "timestamp": scan.timestamp, **_pose(scan.global_from_ego)}
            )
            self.tables["sample_data"].append({
                "token": tokens[i], "sample_token": sample, "ego_pose_token": tokens[i],
                "calibrated_sensor_token": _token("lidar"), "timestamp": scan.timestamp, "fileformat": "pcd",
                "is_key_frame": scan.boxes is not None, "height": 0, "width": 0, "filename": file, **_links(tokens, i),
            })  # fmt: skip

    def _add_boxes(self, name: str, boxes: list[list[RawBox]], samples: list[str]) -> None:
        seen: dict[int, list[tuple[int, RawBox]]] = {}
        for number, each in enumerate(boxes):
            for box in each:
                seen.setdefault(box.instance, []).append((number, box))
        for instance, found in seen.items():
            tokens = [_token(name, "box", instance, number) for number, _ in found]
            self.tables["instance"].append({
                "token": _token(name, "instance", instance), "category_token": _token(found[0][1].category),
                "nbr_annotations": len(found), "first_annotation_token": tokens[0], "last_annotation_token": tokens[-1],
            })  # fmt: skip
            for i, (number, box) in enumerate(found):
                length, width, height = box.size
                half = box.heading / 2
                self.tables["sample_annotation"].append({
                    "token": tokens[i], "sample_token": samples[number], "visibility_token": "4",
                    "instance_token": _token(name, "instance", instance),
                    "attribute_tokens": [_token(box.attribute)] if box.attribute else [],
                    "translation": list(box.centre), "size": [width, length, height],
                    "rotation": [float(np.cos(half)), 0.0, 0.0, float(np.sin(half))],
                    "num_lidar_pts": box.num_lidar_points, "num_radar_pts": 0, **_links(tokens, i),
                })  # fmt: skip

    def _fixed_tables(self, ego_from_lidar: np.ndarray) -> None:
        from PIL import Image

        categories = (*CLASS_OF_CATEGORY, RACK, "animal")
        self.tables["category"] = [{"token": _token(name), "name": name, "description": ""} for name in categories]
        self.tables["attribute"] = [{"token": _token(name), "name": name, "description": ""} for name in ATTRIBUTES]
        levels = ("v0-40", "v40-60", "v60-80", "v80-100")
        self.tables["visibility"] = [
            {"token": str(i), "level": level, "description": ""} for i, level in enumerate(levels, start=1)
        ]
        self.tables["sensor"] = [{"token": _token("sensor"), "channel": LIDAR_TOP, "modality": "lidar"}]
        mounted = {"token": _token("lidar"), "sensor_token": _token("sensor"), "camera_intrinsic": []}
        self.tables["calibrated_sensor"] = [{**mounted, **_pose(ego_from_lidar)}]
        log = {"token": _token("log"), "logfile": "built-in", "vehicle": "built-in", "location": "built-in"}
        self.tables["log"] = [{**log, "date_captured": "1970-01-01"}]
        mask = "maps/built_in.png"
        self.tables["map"] = [
            {"token": _token("map"), "log_tokens": [_token("log")], "category": "semantic_prior", "filename": mask}
        ]
        with atomic_write(self.root / mask) as file:
            Image.new("L", (8, 8)).save(file, format="PNG")


def _token(*parts: object) -> str:
    """32 hexadecimal digits, as nuScenes' tokens are."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _links(tokens: Sequence[str], i: int) -> dict[str, str]:
    return {"prev": tokens[i - 1] if i else "", "next": tokens[i + 1] if i + 1 < len(tokens) else ""}


def _pose(matrix: np.ndarray) -> dict[str, list[float]]:
    return {"rotation": quaternions(matrix[:3, :3]).tolist(), "translation": matrix[:3, 3].tolist()}
