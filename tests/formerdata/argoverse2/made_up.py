"""Small logs of made-up numbers in Argoverse 2's layout, written with pyarrow as the release is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from formerdata.argoverse2 import ANNOTATION_CATEGORIES, write_columns

LOG = "00a0ec58-1fb9-3a2b-bfd7-f4f5da7a9eff"
TIMES = (315966265259836000, 315966265360032000, 315966265459836000)


def annotations(times: Sequence[int], random: np.random.Generator, per_sweep: int = 6) -> dict[str, Any]:
    """Columns of a log's annotations, rows in no order."""
    n = len(times) * per_sweep
    half = random.uniform(-np.pi / 2, np.pi / 2, n)
    columns = {
        "timestamp_ns": np.repeat(np.array(times, dtype=np.int64), per_sweep),
        "track_uuid": np.array([f"track-{i % per_sweep}" for i in range(n)]),
        "category": np.array(ANNOTATION_CATEGORIES)[random.integers(0, len(ANNOTATION_CATEGORIES), n)],
        **{name: random.uniform(0.5, 5, n) for name in ("length_m", "width_m", "height_m")},
        "qw": np.cos(half), "qx": np.zeros(n), "qy": np.zeros(n), "qz": np.sin(half),
        "tx_m": random.uniform(-30, 30, n), "ty_m": random.uniform(-30, 30, n), "tz_m": random.uniform(-1, 1, n),
        "num_interior_pts": random.integers(0, 4, n),
    }  # fmt: skip
    order = random.permutation(n)
    return {name: column[order] for name, column in columns.items()}


def points(random: np.random.Generator, n: int = 500) -> dict[str, Any]:
    """Columns of a sweep, with the types of the release."""
    return {
        **{axis: random.uniform(-40, 40, n).astype(np.float16) for axis in "xyz"},
        "intensity": random.integers(0, 256, n).astype(np.uint8),
        "laser_number": random.integers(0, 64, n).astype(np.uint8),
        "offset_ns": random.integers(0, 10**8, n).astype(np.int32),
    }


def poses(times: Sequence[int]) -> dict[str, Any]:
    n = len(times)
    return {
        "timestamp_ns": np.array(times, dtype=np.int64),
        "qw": np.full(n, np.sqrt(0.5)), "qx": np.zeros(n), "qy": np.zeros(n), "qz": np.full(n, np.sqrt(0.5)),
        "tx_m": np.arange(n, dtype=float), "ty_m": np.full(n, 5.0), "tz_m": np.zeros(n),
    }  # fmt: skip


def write_log(
    split: Path,
    log: str = LOG,
    *,
    times: Sequence[int] = TIMES,
    annotated: Sequence[int] | None = None,
    changes: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Path:
    """A log with sweeps at ``times``; ``changes`` replaces columns of its annotations (None leaves one out)."""
    random, folder = np.random.default_rng(seed), split / log
    for time in times:
        write_columns(folder / "sensors" / "lidar" / f"{time}.feather", points(random))
    columns = annotations(times if annotated is None else annotated, random) | dict(changes or {})
    write_columns(folder / "annotations.feather", {k: v for k, v in columns.items() if v is not None})
    write_columns(folder / "city_SE3_egovehicle.feather", poses(times))
    return folder


def write_map(folder: Path, areas: Sequence[np.ndarray]) -> Path:
    """The vector map of a log, of drivable areas [K, 2] alone; and what the owners' package wants beside it."""
    listed = {
        str(i): {"id": i, "area_boundary": [{"x": x, "y": y, "z": 0.0} for x, y in area.tolist()]}
        for i, area in enumerate(areas)
    }
    content = {"drivable_areas": listed, "lane_segments": {}, "pedestrian_crossings": {}}
    path = folder / "map" / f"log_map_archive_{folder.name}____PIT_city_1.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    np.save(path.with_name(f"{folder.name}_ground_height_surface____PIT.npy"), np.zeros((2, 2), np.float16))
    sim2 = {"R": [1.0, 0.0, 0.0, 1.0], "t": [0.0, 0.0], "s": 1.0}
    path.with_name(f"{folder.name}___img_Sim2_city.json").write_text(json.dumps(sim2))
    return path
