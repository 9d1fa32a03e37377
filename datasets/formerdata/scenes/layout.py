"""Where things are: a street with its traffic, people, houses and plants, around a car that drives along it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from formerdata.scenes import people, surroundings, vehicles
from formerdata.scenes.ground import Ground, ground_mesh, make_ground
from formerdata.scenes.mesh import Mesh, Model
from formerdata.scenes.settings import SceneSettings

_REACH = 80.0


@dataclass(frozen=True)
class Actor:
    """A thing that KITTI labels.

    Attributes:
        name: KITTI's type, e.g. ``"Car"``.
        mesh: In its own frame: origin on the ground below the middle, x to its front.
        size: Length, width, height of its box, m.
        place: x, y, z of the mesh's origin in the LiDAR frame.
        yaw: Heading, rad.
    """

    name: str
    mesh: Mesh
    size: tuple[float, float, float]
    place: tuple[float, float, float]
    yaw: float


@dataclass(frozen=True)
class World:
    """All that is in a scene: the ground, labelled things, and scenery in the LiDAR frame."""

    ground: Ground
    actors: list[Actor]
    scenery: list[Mesh]


@dataclass(frozen=True)
class Street:
    """A street as seen from the car that drives on it: an arc through the origin's neighbourhood.

    Attributes:
        yaw: Direction of the street at the car, rad.
        curvature: 1/m, positive to the left.
        middle: Lateral place of the street's middle line left of the car, m.
        half_width: Half the carriageway, m.
        pavement: Width of the pavements, m.
    """

    yaw: float
    curvature: float
    middle: float
    half_width: float
    pavement: float

    def place(self, along: float, across: float) -> tuple[float, float, float]:
        """x, y and the street's direction at ``along`` m ahead and ``across`` m left of the middle line."""
        turn = self.curvature * along
        # Chord of the arc: exact for a circle, and stable where the curvature vanishes.
        chord = along * np.sinc(turn / (2 * np.pi))
        x, y = chord * np.cos(turn / 2), chord * np.sin(turn / 2)
        side = across + self.middle
        x, y = x - side * np.sin(turn), y + side * np.cos(turn)
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return float(c * x - s * y), float(s * x + c * y), float(self.yaw + turn)


@dataclass
class _Site:
    """The street under construction: what stands already, so that nothing stands in anything else."""

    ground: Ground
    actors: list[Actor] = field(default_factory=list)
    scenery: list[Mesh] = field(default_factory=list)
    footprints: list[tuple[float, float, float, float, float]] = field(default_factory=list)

    def free(self, x: float, y: float, yaw: float, length: float, width: float) -> bool:
        """Whether a rectangle (with 15 cm around it) touches nothing that stands."""
        corners = _corners(x, y, yaw, length + 0.3, width + 0.3)
        radius = 0.5 * np.hypot(length, width)
        for other in self.footprints:
            if np.hypot(x - other[0], y - other[1]) > radius + 0.5 * np.hypot(other[3], other[4]) + 0.3:
                continue
            if _overlap(corners, _corners(*other)):
                return False
        return True

    def add_actor(self, name: str, model: Model, x: float, y: float, yaw: float) -> bool:
        """Put a labelled thing down if there is room."""
        length, width, _ = model.size
        if np.hypot(x, y) > _REACH or not self.free(x, y, yaw, length, width):
            return False
        self.footprints.append((x, y, yaw, length, width))
        z = float(self.ground.height(np.array(x), np.array(y)))
        self.actors.append(Actor(name, model.mesh, model.size, (x, y, z), _wrapped(yaw)))
        return True

    def add_scenery(self, mesh: Mesh, x: float, y: float, yaw: float, *, force: bool = False) -> bool:
        low, high = mesh.low, mesh.high
        length, width = 2 * float(max(-low[0], high[0])), 2 * float(max(-low[1], high[1]))
        if not force and not self.free(x, y, yaw, length, width):
            return False
        self.footprints.append((x, y, yaw, length, width))
        z = float(self.ground.height(np.array(x), np.array(y)))
        self.scenery.append(mesh.moved(x, y, z, yaw))
        return True


def build_world(rng: np.random.Generator, settings: SceneSettings) -> World:
    """A random street scene."""
    site = _Site(make_ground(rng))
    site.footprints.append((-0.6, 0.0, 0.0, 5.5, 2.6))  # the recording car
    street = _make_street(rng)
    _traffic(site, street, rng, settings)
    _people(site, street, rng, settings)
    _fronts(site, street, rng, settings)
    return World(site.ground, site.actors, [ground_mesh(site.ground), *site.scenery])


def _make_street(rng: np.random.Generator) -> Street:
    half_width = rng.uniform(3.0, 7.5)
    return Street(
        yaw=rng.normal(0.0, 0.06),
        curvature=rng.normal(0.0, 0.003),
        middle=half_width * rng.uniform(0.0, 0.6),
        half_width=half_width,
        pavement=rng.uniform(1.5, 4.0),
    )


def _traffic(site: _Site, street: Street, rng: np.random.Generator, settings: SceneSettings) -> None:
    for side in (-1.0, 1.0):
        if rng.random() < 0.6:
            _parked_row(site, street, side, rng, density=rng.uniform(0.2, 0.95) * settings.traffic)
        for along in np.arange(-60.0, 78.0, 9.0):
            if rng.random() < 0.18 * settings.traffic:
                lane = side * street.half_width * rng.uniform(0.3, 0.5)
                _park(site, street, along + rng.uniform(-3, 3), lane, 0.0 if side < 0 else np.pi, rng, 0.03)


def _parked_row(site: _Site, street: Street, side: float, rng: np.random.Generator, *, density: float) -> None:
    angle = rng.choice([0.0, np.pi / 2], p=[0.85, 0.15])
    step = 5.6 if angle == 0.0 else 2.7
    across = side * (street.half_width + (1.0 if angle == 0.0 else 2.2))
    along = -60.0 + rng.uniform(0, step)
    while along < 78.0:
        if rng.random() < density:
            turn = angle + (np.pi if rng.random() < (0.15 if side < 0 else 0.7) else 0.0)
            _park(site, street, along, across + rng.normal(0, 0.12), turn, rng, 0.03)
        along += step * rng.uniform(0.95, 1.15)


def _park(
    site: _Site, street: Street, along: float, across: float, turn: float, rng: np.random.Generator, wobble: float
) -> None:
    kind = rng.random()
    name, make = (
        ("Car", vehicles.car) if kind < 0.90 else ("Van", vehicles.van) if kind < 0.975 else ("Truck", vehicles.truck)
    )
    x, y, yaw = street.place(along, across)
    site.add_actor(name, make(rng), x, y, yaw + turn + rng.normal(0, wobble))


def _people(site: _Site, street: Street, rng: np.random.Generator, settings: SceneSettings) -> None:
    for _ in range(rng.poisson(5.0 * settings.people)):
        side = rng.choice([-1.0, 1.0])
        across = side * (street.half_width + rng.uniform(0.3, 0.3 + street.pavement))
        if rng.random() < 0.15:
            across = rng.uniform(-1, 1) * street.half_width
        x, y, yaw = street.place(rng.uniform(-20.0, 55.0), across)
        yaw += rng.choice([0.0, np.pi]) + rng.normal(0, 0.3) if rng.random() < 0.7 else rng.uniform(0, 2 * np.pi)
        site.add_actor("Pedestrian", people.pedestrian(rng), x, y, yaw)
    for _ in range(rng.poisson(1.6 * settings.people)):
        side = rng.choice([-1.0, 1.0])
        x, y, yaw = street.place(rng.uniform(-20.0, 55.0), side * (street.half_width - rng.uniform(0.3, 1.5)))
        yaw += (0.0 if side < 0 else np.pi) + rng.normal(0, 0.12)
        site.add_actor("Cyclist", people.cyclist(rng), x, y, yaw)


def _fronts(site: _Site, street: Street, rng: np.random.Generator, settings: SceneSettings) -> None:
    for side in (-1.0, 1.0):
        edge = street.half_width + street.pavement
        along = -75.0
        while along < 80.0:
            make: Callable[[np.random.Generator], Mesh]
            make, depth = (surroundings.house, rng.uniform(6, 14)) if rng.random() < 0.6 else (surroundings.hedge, 1.0)
            mesh = make(rng)
            half = float(mesh.high[0])
            x, y, yaw = street.place(along + half, side * (edge + depth))
            site.add_scenery(mesh, x, y, yaw)
            along += 2 * half + rng.uniform(0, 6)
        for _ in range(rng.poisson(14 * settings.clutter)):
            x, y, yaw = street.place(rng.uniform(-60, 78), side * (street.half_width + rng.uniform(0.5, 9.0)))
            site.add_scenery(surroundings.small_thing(rng), x, y, yaw + rng.uniform(0, 2 * np.pi))


def _corners(x: float, y: float, yaw: float, length: float, width: float) -> np.ndarray:
    c, s = np.cos(yaw), np.sin(yaw)
    forward, left = np.array([c, s]) * (length / 2), np.array([-s, c]) * (width / 2)
    return np.array([x, y]) + np.array([forward + left, forward - left, -forward - left, left - forward])


def _overlap(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two rectangles ``[4, 2]`` overlap: no side of either separates them."""
    for corners in (a, b):
        for edge in (corners[1] - corners[0], corners[2] - corners[1]):
            on_a, on_b = a @ edge, b @ edge
            if on_a.max() < on_b.min() or on_b.max() < on_a.min():
                return False
    return True


def _wrapped(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)
