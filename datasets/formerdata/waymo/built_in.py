"""Built-in segments: the worlds of :mod:`formerdata.scenes`, driven through by a car with Waymo's five scanners.

The car moves while the top scanner turns, and the pose of each pixel says where it was: without these poses the points
of a turn do not fit together. The image is taken in sectors of a few columns; within one the car stands still.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from formerdata.boxes import points_in_boxes
from formerdata.scenes.layout import World, build_world
from formerdata.scenes.materials import Material, table
from formerdata.scenes.mesh import Mesh, box, merge
from formerdata.scenes.settings import SceneSettings
from formerdata.scenes.surroundings import recording_car
from formerdata.waymo.boxes import WaymoBoxes
from formerdata.waymo.range_image import LidarCalibration
from formerdata.waymo.scan import Surfaces, scan
from formerdata.waymo.scanners import Scanner, matrix_pose, pose_matrix, scanners
from formerdata.waymo.schema import TOP
from formerdata.waymo.write import RawFrame
from formerkit.seeds import generator

INTERVAL = 0.1
"""Seconds between frames, and of a turn of the top scanner."""
_BEGIN = 1_550_000_000_000_000
_TYPES = {"Pedestrian": 2, "Person_sitting": 2, "Cyclist": 4}
_VEHICLE = 1
_SPEEDS = {"Pedestrian": (0.6, 1.8), "Cyclist": (2.0, 6.0)}
_REACH = 20.0  # m that the car drives at most: the world is built around its first place


@dataclass(frozen=True)
class SegmentSettings:
    """What the built-in segments are like.

    Attributes:
        num_frames: Frames in a segment, ten a second.
        detail: Width of the range images over that of Waymo's, above 0, at most 1.
        sectors: Parts of the top scanner's turn within which the car stands still.
        second_returns: Whether pulses that pass foliage or glass report what is behind it.
        traffic, people, clutter: As in :class:`~formerdata.scenes.settings.SceneSettings`.
    """

    num_frames: int = 5
    detail: float = 1.0
    sectors: int = 50
    second_returns: bool = True
    traffic: float = 1.0
    people: float = 1.0
    clutter: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.num_frames <= 1000 or self.sectors < 1:
            raise ValueError(
                f"SegmentSettings: expected num_frames of 1 to 1000 and sectors of 1 or more, got {self.num_frames} "
                f"and {self.sectors}"
            )
        if not 0.0 < self.detail <= 1.0:
            raise ValueError(f"SegmentSettings.detail is above 0 and at most 1, got {self.detail}")
        self.scene()

    def scene(self) -> SceneSettings:
        """The settings of the world."""
        return SceneSettings(traffic=self.traffic, people=self.people, clutter=self.clutter)


@dataclass(frozen=True)
class BuiltInFrame:
    """A frame and what was there.

    Attributes:
        raw: To be written.
        points: [N, 3] float64 x, y, z in the vehicle's frame of all echoes, from where the scanner was and where it
            looked; in the order of :class:`~formerdata.waymo.segment.WaymoFrame`.
    """

    raw: RawFrame
    points: np.ndarray


class BuiltInSegment:
    """Segment ``number`` of the series ``seed``: a pure function of its arguments.

    Args:
        seed: Names the series.
        number: Of the segment.
        settings: What it is like.
    """

    def __init__(self, seed: int, number: int, settings: SegmentSettings | None = None) -> None:
        self.settings = settings or SegmentSettings()
        self._seed, self._number = seed, number
        rng = generator(seed, "waymo", number)
        self.name = f"{int(rng.integers(10**15, 10**16))}_{number:06d}"
        self.scanners = scanners(self.settings.detail)
        self.world = build_world(rng, self.settings.scene())
        self._speeds = np.array([_speed(actor.name, rng) for actor in self.world.actors])
        self._scenery = _without_car(self.world)
        spread = table("spread")
        things = len(self.world.actors) + len(self._scenery) + 1
        self._tones = np.exp(rng.normal(size=(things, len(spread))) * spread)
        self._world_from_site = pose_matrix(np.array([0, 0, rng.uniform(-3, 3), *rng.normal(0, 300, 2), 40.0]))
        self._tilt = rng.normal(0.0, 0.004, 2)
        limit = _REACH / (self.settings.num_frames * INTERVAL)
        self._speed, self._turn = min(rng.uniform(0.0, 12.0), limit), rng.normal(0.0, 0.02)

    @property
    def calibrations(self) -> dict[int, LidarCalibration]:
        """Of each scanner."""
        return {scanner.laser: scanner.calibration() for scanner in self.scanners}

    def frames(self) -> Iterator[BuiltInFrame]:
        """The frames, made one after the other."""
        for frame in range(self.settings.num_frames):
            yield self._frame(frame)

    def _pose(self, seconds: float) -> np.ndarray:
        """[6] roll, pitch, yaw, x, y, z of the vehicle in the world, as float32 can hold it."""
        yaw = self._turn * seconds
        # An arc, by its chord; the top scanner is above the middle of the site in the beginning.
        chord = self._speed * seconds * np.sinc(yaw / (2 * np.pi))
        x, y = chord * np.cos(yaw / 2) - 1.43, chord * np.sin(yaw / 2)
        z = float(self.world.ground.height(np.array(x), np.array(y)))
        site_from_vehicle = pose_matrix(np.array([*self._tilt, yaw, x, y, z]))
        return matrix_pose(self._world_from_site @ site_from_vehicle).astype(np.float32)

    def _frame(self, frame: int) -> BuiltInFrame:
        rng = generator(self._seed, "waymo", self._number, "frame", frame)
        seconds = frame * INTERVAL
        world_from_vehicle = pose_matrix(self._pose(seconds))
        surfaces = self._surfaces(seconds)
        site_from_world = np.linalg.inv(self._world_from_site)
        images, points, pixel_poses, top = {}, [], np.empty(0), 0
        for scanner in self.scanners:
            sectors = np.array_split(np.arange(scanner.width), self.settings.sectors if scanner.laser == TOP else 1)
            poses = [self._pose(seconds + _delay(scanner, columns)) for columns in sectors]
            places = [site_from_world @ pose_matrix(pose) for pose in poses]
            taken = scan(scanner, sectors, places, surfaces, rng, second=self.settings.second_returns)
            images[scanner.laser] = taken.images
            vehicle_from_site = np.linalg.inv(world_from_vehicle) @ self._world_from_site
            points += [p @ vehicle_from_site[:3, :3].T + vehicle_from_site[:3, 3] for p in taken.points]
            if scanner.laser == TOP:
                top = sum(map(len, taken.points))
                by_column = np.repeat(np.array(poses), [len(columns) for columns in sectors], axis=0)
                pixel_poses = np.ascontiguousarray(np.broadcast_to(by_column, (scanner.height, *by_column.shape)))
        found = np.concatenate(points)
        boxes = self._boxes(seconds, world_from_vehicle, found, top)
        stamp = _BEGIN + self._number * 10**9 + round(seconds * 1e6)
        return BuiltInFrame(RawFrame(stamp, world_from_vehicle, images, pixel_poses, boxes), found)

    def _places(self, seconds: float) -> np.ndarray:
        """[actors, 4] x, y, z, yaw in the site."""
        places = np.array([[*actor.place, actor.yaw] for actor in self.world.actors]).reshape(-1, 4)
        way = self._speeds * seconds
        places[:, :2] += np.stack([np.cos(places[:, 3]) * way, np.sin(places[:, 3]) * way], axis=1)
        return places

    def _surfaces(self, seconds: float) -> Surfaces:
        """All that is there at a time, in the site; the car's own body last, in the vehicle's frame."""
        places = self._places(seconds)
        moved = [actor.mesh.moved(*place) for actor, place in zip(self.world.actors, places, strict=True)]
        things = [*moved, *self._scenery, _body()]
        index = np.repeat(np.arange(len(things)), [len(thing) for thing in things])
        mesh = merge(things)
        owners = np.where(index < len(moved), index, -1).astype(np.int32)
        return Surfaces(mesh, owners, self._tones[index, mesh.materials], len(things[-1]))

    def _boxes(self, seconds: float, world_from_vehicle: np.ndarray, points: np.ndarray, top: int) -> WaymoBoxes:
        """Boxes of all actors with a point in them."""
        actors, places = self.world.actors, self._places(seconds)
        vehicle_from_site = np.linalg.inv(world_from_vehicle) @ self._world_from_site
        sizes = np.array([actor.size for actor in actors]).reshape(-1, 3)
        middle = places[:, :3] + np.array([0, 0, 0.5]) * sizes
        centre = middle @ vehicle_from_site[:3, :3].T + vehicle_from_site[:3, 3]
        turn = np.arctan2(vehicle_from_site[1, 0], vehicle_from_site[0, 0])
        heading = (places[:, 3] + turn + np.pi) % (2 * np.pi) - np.pi
        boxes = np.column_stack([centre, sizes, heading])
        inside = points_in_boxes(points, boxes)
        counts = inside.sum(1)
        motion = np.column_stack([np.cos(places[:, 3]), np.sin(places[:, 3]), np.zeros(len(places))])
        speed = (motion * self._speeds[:, None]) @ self._world_from_site[:3, :3].T
        levels = np.where(counts > 5, 1, 2)
        types = np.array([_TYPES.get(actor.name, _VEHICLE) for actor in actors], dtype=np.int64)
        ids = np.array([f"{self.name}_{i}" for i in range(len(actors))], dtype=np.str_)
        labelled = WaymoBoxes(
            boxes, types, ids, speed, np.zeros_like(speed), counts, inside[:, :top].sum(1), levels, levels
        )
        return labelled.select(counts > 0)


def _speed(name: str, rng: np.random.Generator) -> float:
    """Of an actor, m/s: vehicles stand, as in a jam; most others walk or ride on."""
    low, high = _SPEEDS.get(name, (0.0, 0.0))
    return float(rng.uniform(low, high) * (rng.random() < 0.7))


def _delay(scanner: Scanner, columns: np.ndarray) -> float:
    """Seconds between the frame's time and that of the sector."""
    return INTERVAL * float(columns.mean() + 0.5) / scanner.width if scanner.laser == TOP else 0.0


def _without_car(world: World) -> list[Mesh]:
    """The scenery, but for what KITTI's scanner sees of its own car."""
    own = recording_car().corners
    return [thing for thing in world.scenery if not np.array_equal(thing.corners, own)]


def _body() -> Mesh:
    """The car itself, in its own frame: it hides things from the scanners, and gives no echo."""
    hull = box((-1.1, -0.95, 0.2), (3.95, 0.95, 0.95), Material.TRIM)
    return merge([hull, box((-0.6, -0.8, 0.95), (2.4, 0.8, 1.5), Material.TRIM)])
