"""Built-in scenes in nuScenes' layout: a street of boxes, driven through by a car with a LiDAR of 32 beams.

Objects of all ten classes, some of which move, and a bicycle rack. Points lie on the sides of the boxes, on the ground
and on walls behind; what is hidden has none. Shapes are plain boxes: for trying things out, not for training detectors
of worth (:mod:`formerdata.scenes` has real shapes, in KITTI's layout).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formerdata.nuscenes.cuboids import cast, ray_directions
from formerdata.nuscenes.write import NuScenesWriter, RawBox, RawScan
from formerdata.progress import progress_bar
from formerdata.rotations import pose_matrices, yaw_quaternions
from formerkit.io import DataError
from formerkit.seeds import generator

VERSION = "v1.0-mini"
"""Of built-in scenes: tools that know nuScenes know it. ``splits.json`` beside the tables has their splits."""
SWEEP_INTERVAL = 50_000  # microseconds
_BEGIN = 1_500_000_000_000_000
_REACH = 100.0
_ORIGIN = np.array([600.0, 1600.0])  # m: global places are as large as in the real thing

_KINDS = (  # category, length, width, height, speed while it moves, attribute while it moves and stands, how many
    ("vehicle.car", 4.6, 1.9, 1.7, 8.0, "vehicle.moving", "vehicle.parked", 6),
    ("vehicle.truck", 7.0, 2.5, 2.9, 7.0, "vehicle.moving", "vehicle.stopped", 2),
    ("vehicle.bus.rigid", 11.0, 2.9, 3.4, 6.0, "vehicle.moving", "vehicle.stopped", 1),
    ("vehicle.trailer", 12.0, 2.9, 3.8, 0.0, "vehicle.moving", "vehicle.parked", 1),
    ("vehicle.construction", 6.5, 2.8, 3.2, 0.0, "vehicle.moving", "vehicle.parked", 1),
    ("vehicle.motorcycle", 2.1, 0.8, 1.5, 8.0, "cycle.with_rider", "cycle.without_rider", 2),
    ("vehicle.bicycle", 1.7, 0.6, 1.3, 4.0, "cycle.with_rider", "cycle.without_rider", 2),
    ("human.pedestrian.adult", 0.7, 0.7, 1.75, 1.4, "pedestrian.moving", "pedestrian.standing", 5),
    ("movable_object.trafficcone", 0.4, 0.4, 1.0, 0.0, "", "", 4),
    ("movable_object.barrier", 0.5, 2.5, 1.0, 0.0, "", "", 4),
    ("static_object.bicycle_rack", 4.0, 2.0, 1.4, 0.0, "", "", 1),
    ("animal", 0.8, 0.3, 0.5, 0.0, "", "", 1),
)


@dataclass(frozen=True)
class SceneSettings:
    """What built-in scenes are like.

    Attributes:
        num_samples: Key frames in a scene, two a second.
        columns: Points of each of the 32 beams in a turn; the real LiDAR has 1084.
        sweeps_between: Scans from one key frame to the next, the latter included; the real LiDAR has 10.
    """

    num_samples: int = 4
    columns: int = 1084
    sweeps_between: int = 10

    def __post_init__(self) -> None:
        if self.num_samples < 1 or self.columns < 8 or not 1 <= self.sweeps_between <= 10:
            raise ValueError(
                "expected num_samples from 1 on, columns from 8 on and sweeps_between 1 to 10, got "
                f"{self.num_samples}, {self.columns} and {self.sweeps_between}"
            )


def generate_nuscenes(
    root: str | os.PathLike[str],
    *,
    num_train: int = 2,
    num_val: int = 1,
    seed: int = 0,
    settings: SceneSettings | None = None,
    version: str = VERSION,
    progress: bool = True,
) -> None:
    """Write scenes to ``root``; their splits are ``built_in_train`` and ``built_in_val``.

    Args:
        root: Folder to write to; made if missing.
        num_train, num_val: Numbers of scenes.
        seed: Names the series: the same seed gives the same bytes.
        settings: What the scenes are like.
        version: Folder of the tables.
        progress: Show a bar.

    Raises:
        ValueError: If there would be no scene.
        DataError: If ``root`` has that version already.
    """
    if num_train < 0 or num_val < 0 or not num_train + num_val:
        raise ValueError(f"num_train and num_val: expected 1 or more in all, got {num_train} and {num_val}")
    folder = Path(root) / version
    if folder.exists():
        raise DataError(folder, "is there already", expected="a folder without that version")
    splits = ["built_in_train"] * num_train + ["built_in_val"] * num_val
    with NuScenesWriter(root, version, EGO_FROM_LIDAR) as writer:
        for number in progress_bar(range(len(splits)), len(splits), "generating scenes", "scene", show=progress):
            scans = scene_scans(seed, number, settings or SceneSettings())
            name = f"scene-b{number:03d}"
            writer.add_scene(name, scans, split=splits[number], description="Built-in scene of Formerkit")


EGO_FROM_LIDAR = pose_matrices(yaw_quaternions(np.array(-np.pi / 2)), np.array([0.94, 0.0, 1.84]))
"""[4, 4] float64: the LiDAR sits on the roof, its x axis to the right (as on nuScenes' cars)."""


def scene_scans(seed: int, number: int, settings: SceneSettings) -> list[RawScan]:
    """The scans of scene ``number`` of the series ``seed``, in the order of time; the first is a key frame."""
    rng = generator(seed, "nuscenes", number)
    world = _World(rng)
    count = (settings.num_samples - 1) * settings.sweeps_between + 1
    stamps = _BEGIN + number * 1_000_000_000 + np.arange(count) * (500_000 // settings.sweeps_between)
    directions, rings = ray_directions(settings.columns)
    scans = []
    for i, stamp in enumerate(stamps.tolist()):
        seconds = 1e-6 * (stamp - int(stamps[0]))
        scans.append(world.scan(seconds, stamp, directions, rings, rng, key=i % settings.sweeps_between == 0))
    return scans


class _World:
    """Objects that stand or move straight on, two walls, and a car that drives through in an arc."""

    def __init__(self, rng: np.random.Generator) -> None:
        rows = [kind for kind in _KINDS for _ in range(kind[7])]
        self.kinds = rows
        self.sizes = np.array([kind[1:4] for kind in rows]) * rng.uniform(0.9, 1.1, (len(rows), 3))
        self.places, self.headings = _free_places(self.sizes, rng)
        moving = rng.random(len(rows)) < 0.6
        self.speeds = np.where(moving, [kind[4] for kind in rows], 0.0) * rng.uniform(0.7, 1.3, len(rows))
        self.shades = rng.uniform(5, 120, len(rows) + 2)
        self.yaw, self.speed, self.turn = rng.uniform(-np.pi, np.pi), rng.uniform(0.0, 8.0), rng.normal(0.0, 0.03)

    def scan(
        self, seconds: float, stamp: int, directions: np.ndarray, rings: np.ndarray, rng: np.random.Generator, *,
        key: bool,
    ) -> RawScan:  # fmt: skip
        """One turn of the LiDAR, taken at one moment."""
        global_from_ego = self._ego_pose(seconds)
        pose = global_from_ego @ EGO_FROM_LIDAR
        boxes = self._boxes(seconds)
        walls = np.array([[0.0, y, 2.0, 160.0, 1.0, 4.0, 0.0] for y in (-32.0, 32.0)])
        solid = np.concatenate([self._to_global(boxes), self._to_global(walls)])
        distance, owner = cast(pose[:3, 3], directions @ pose[:3, :3].T, solid, ground=0.0, reach=_REACH)
        seen = np.isfinite(distance) & (rng.random(len(distance)) < 0.95)
        # A little short: the point is in the box that it lies on, whatever the noise.
        measured = distance[seen] - np.abs(rng.normal(0.0, 0.01, seen.sum())) * np.where(owner[seen] < 0, 1, -1)
        shade = np.append(self.shades, 20.0)[owner[seen]] + rng.normal(0.0, 3.0, seen.sum())
        points = np.column_stack([directions[seen] * measured[:, None], np.clip(np.rint(shade), 0, 255), rings[seen]])
        near = rng.normal(0.0, 0.3, (20, 3)) * [1.0, 1.0, 0.1] - [0.0, 0.0, 0.4]  # of the car itself
        points = np.concatenate([points, np.column_stack([near, np.full((20, 2), 1.0)])]).astype(np.float32)
        if not key:
            return RawScan(stamp, global_from_ego, points)
        counts = np.bincount(owner[seen] + 1, minlength=len(solid) + 1)[1 : len(boxes) + 1]
        return RawScan(stamp, global_from_ego, points, self._labels(self._to_global(boxes), counts))

    def _ego_pose(self, seconds: float) -> np.ndarray:
        """[4, 4] an arc, by its chord."""
        angle, chord = self.turn * seconds, self.speed * seconds * np.sinc(self.turn * seconds / (2 * np.pi))
        along = self.yaw + angle / 2
        place = [*(_ORIGIN + chord * np.array([np.cos(along), np.sin(along)])), 0.0]
        return pose_matrices(yaw_quaternions(np.array(self.yaw + angle)), np.array(place))

    def _boxes(self, seconds: float) -> np.ndarray:
        """[M, 7] in the street's frame: its x axis is where the car heads for in the beginning."""
        way = self.speeds[:, None] * seconds * np.stack([np.cos(self.headings), np.sin(self.headings)], axis=1)
        return np.column_stack([self.places + way, self.sizes[:, 2] / 2, self.sizes, self.headings])

    def _to_global(self, boxes: np.ndarray) -> np.ndarray:
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        moved = boxes.copy()
        moved[:, :2] = boxes[:, :2] @ np.array([[cos, sin], [-sin, cos]]) + _ORIGIN
        moved[:, 6] += self.yaw
        return moved

    def _labels(self, boxes: np.ndarray, counts: np.ndarray) -> list[RawBox]:
        made = []
        for i, (kind, box, points) in enumerate(zip(self.kinds, boxes.tolist(), counts.tolist(), strict=True)):
            attribute = kind[5] if self.speeds[i] else kind[6]
            x, y, z, length, width, height, heading = box
            made.append(RawBox(i, kind[0], (x, y, z), (length, width, height), heading, attribute, points))
        return made


def _free_places(sizes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """[M, 2] and [M]: along a street, apart from one another and from the car's way; headings along or across it."""
    radii = np.hypot(sizes[:, 0], sizes[:, 1]) / 2
    places = np.zeros((len(sizes), 2))
    for i, radius in enumerate(radii):
        for _ in range(1000):
            side = rng.choice([-1.0, 1.0])
            places[i] = rng.uniform(-45.0, 45.0), side * rng.uniform(4.0 + radius, 30.0 - radius)
            if (np.hypot(*(places[:i] - places[i]).T) > radii[:i] + radius).all():
                break
    return places, rng.choice([0.0, np.pi], len(sizes)) + rng.normal(0.0, 0.1, len(sizes))
