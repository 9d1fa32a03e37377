"""Where things are: a street with its traffic, people, houses and plants, around a car that drives along it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from formerdata.scenes import people, surroundings, vehicles
from formerdata.scenes.ground import Ground, ground_mesh, make_ground
from formerdata.scenes.mesh import Mesh, Model
from formerdata.scenes.settings import SceneSettings
from formerdata.scenes.street import Street, roadside
from formerdata.scenes.surroundings import Maker

_REACH = 80.0  # m
_BACK, _AHEAD = -45.0, 78.0  # m along the street that is built up


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
class Quarter:
    """A kind of neighbourhood. Ranges are (low, high); numbers of things are means a scene.

    Attributes:
        share: How often it comes.
        half_width, pavement, setback: Of the street, m; ``setback`` from the pavement to the fronts.
        parked: Chance that a side has a row of parked cars, and the row's (lowest, highest) density.
        across_parked: Chance that a row stands at right angles to the street.
        traffic: Chance of a moving car for each 10 m of lane.
        pedestrians, cyclists, sitting, things: Numbers.
        crossing: Chance of a side street.
        fronts: What lines the street, with weights; None leaves a gap.
    """

    share: float
    half_width: tuple[float, float]
    pavement: tuple[float, float]
    setback: tuple[float, float]
    parked: tuple[float, float, float]
    across_parked: float
    traffic: float
    pedestrians: float
    cyclists: float
    sitting: float
    things: float
    crossing: float
    fronts: tuple[tuple[Maker | None, float], ...]


_S = surroundings
QUARTERS: dict[str, Quarter] = {
    "residential": Quarter(
        0.36, (2.4, 4.0), (0.8, 2.2), (0.0, 2.0), (0.75, 0.15, 0.8), 0.12, 0.05, 2.0, 0.8, 0.0, 22, 0.45,
        ((_S.house, 0.3), (_S.garden_wall, 0.15), (_S.hedge, 0.2), (_S.fence, 0.12), (_S.thicket, 0.1), (None, 0.1)),
    ),
    "urban": Quarter(
        0.26, (3.2, 7.5), (1.5, 4.0), (0.0, 1.0), (0.5, 0.1, 0.7), 0.15, 0.14, 4.0, 1.4, 0.1, 22, 0.5,
        ((_S.house, 0.7), (_S.garden_wall, 0.06), (_S.hedge, 0.06), (_S.thicket, 0.06), (None, 0.12)),
    ),
    "road": Quarter(
        0.22, (3.2, 8.5), (0.0, 1.2), (0.3, 6.0), (0.1, 0.1, 0.4), 0.1, 0.14, 0.3, 0.5, 0.0, 12, 0.25,
        ((_S.thicket, 0.3), (_S.guard_rail, 0.22), (_S.hedge, 0.08), (_S.fence, 0.08), (_S.house, 0.07), (None, 0.3)),
    ),
    "precinct": Quarter(
        0.10, (1.8, 4.0), (0.8, 2.5), (0.0, 0.8), (0.06, 0.1, 0.3), 0.2, 0.01, 9.0, 2.5, 0.8, 26, 0.3,
        ((_S.house, 0.8), (_S.thicket, 0.06), (_S.garden_wall, 0.04), (None, 0.1)),
    ),
    "car park": Quarter(
        0.06, (3.0, 5.0), (1.0, 2.0), (1.0, 8.0), (0.9, 0.3, 0.9), 0.85, 0.03, 2.0, 0.8, 0.0, 16, 0.3,
        ((_S.house, 0.3), (_S.hedge, 0.2), (_S.thicket, 0.25), (_S.fence, 0.1), (None, 0.15)),
    ),
}  # fmt: skip


@dataclass
class _Site:
    """A scene under construction: what stands already, so that nothing stands in anything else."""

    ground: Ground
    actors: list[Actor] = field(default_factory=list)
    scenery: list[Mesh] = field(default_factory=list)
    footprints: list[tuple[float, float, float, float, float]] = field(default_factory=list)

    def free(self, x: float, y: float, yaw: float, length: float, width: float) -> bool:
        """Whether a rectangle (with 10 cm around it) touches nothing that stands."""
        corners = _corners(x, y, yaw, length + 0.2, width + 0.2)
        radius = 0.5 * np.hypot(length, width) + 0.2
        for other in self.footprints:
            if np.hypot(x - other[0], y - other[1]) > radius + 0.5 * np.hypot(other[3], other[4]):
                continue
            if _overlap(corners, _corners(*other)):
                return False
        return True

    def add_actor(self, name: str, model: Model, street: Street, along: float, across: float, turn: float) -> bool:
        """Put a labelled thing down, turned against the street's direction, if there is room."""
        x, y, yaw = street.place(along, across)
        length, width, _ = model.size
        if np.hypot(x, y) > _REACH or not self.free(x, y, yaw + turn, length, width):
            return False
        self.footprints.append((x, y, yaw + turn, length, width))
        z = float(self.ground.height(np.array(x), np.array(y))) + street.lift(across)
        self.actors.append(Actor(name, model.mesh, model.size, (x, y, z), _wrapped(yaw + turn)))
        return True

    def add_scenery(self, mesh: Mesh, street: Street, along: float, across: float, turn: float) -> bool:
        """Put a thing down, turned against the street's direction, if there is room."""
        x, y, yaw = street.place(along, across)
        low, high = mesh.low, mesh.high
        length, width = 2 * float(max(-low[0], high[0])), 2 * float(max(-low[1], high[1]))
        if not self.free(x, y, yaw + turn, length, width):
            return False
        self.footprints.append((x, y, yaw + turn, length, width))
        z = float(self.ground.height(np.array(x), np.array(y))) + street.lift(across)
        self.scenery.append(mesh.moved(x, y, z, yaw + turn))
        return True


def build_world(rng: np.random.Generator, settings: SceneSettings) -> World:
    """A random street scene."""
    site = _Site(make_ground(rng))
    site.scenery.append(surroundings.recording_car())
    site.footprints.append((-0.6, 0.0, 0.0, 5.5, 2.6))
    names = list(QUARTERS)
    quarter = QUARTERS[names[rng.choice(len(names), p=[QUARTERS[name].share for name in names])]]
    street = _main_street(quarter, rng)
    streets, gaps = [street], []
    if rng.random() < quarter.crossing:
        along, half_width = rng.uniform(8.0, 60.0), rng.uniform(2.5, 6.0)
        streets.append(street.crossing(along, half_width, rng))
        gaps.append((along - half_width - 2.0, along + half_width + 2.0))
    side_gap = [(-street.edge, street.edge)]
    for i, line in enumerate(streets):
        holes = gaps if i == 0 else side_gap
        site.scenery += roadside(line, site.ground, holes, rng)
        _moving(site, line, quarter, rng, settings)
        _parked(site, line, quarter, holes, rng, settings)
    _walkers(site, street, quarter, rng, settings)
    for i, line in enumerate(streets):
        holes = gaps if i == 0 else side_gap
        _things(site, line, quarter, rng, settings)
        _fronts(site, line, quarter, holes, rng)
    return World(site.ground, site.actors, [ground_mesh(site.ground), *site.scenery])


def _main_street(quarter: Quarter, rng: np.random.Generator) -> Street:
    half_width = rng.uniform(*quarter.half_width)
    # The car keeps to the right; on narrow streets it takes the middle.
    right = rng.uniform(0.25, 0.6) * half_width if half_width > 3.2 else rng.uniform(0.0, 0.3)
    yaw = rng.normal(0.0, 0.04) * rng.choice([1.0, 3.0], p=[0.75, 0.25])
    rise = np.clip(rng.normal(0.02, 0.08, 2), -0.15, 0.3)
    return Street(
        x=-right * np.sin(yaw),
        y=right * np.cos(yaw),
        yaw=yaw,
        curvature=rng.normal(0.0, 0.003) * float(rng.random() < 0.6),
        half_width=half_width,
        pavement=rng.uniform(*quarter.pavement),
        kerb=rng.choice([0.0, 0.06, 0.10, 0.13], p=[0.2, 0.2, 0.3, 0.3]),
        rise=(float(rise[0]), float(rise[1])),
    )


def _moving(site: _Site, street: Street, quarter: Quarter, rng: np.random.Generator, settings: SceneSettings) -> None:
    """Cars in the lanes, which keep to the right and leave a gap."""
    lanes = [0.5] if street.half_width < 5.5 else [0.27, 0.74]
    for side in (-1.0, 1.0):
        for lane in lanes:
            along = _BACK + rng.uniform(0, 10)
            while along < _AHEAD:
                if rng.random() < quarter.traffic * settings.traffic:
                    across = side * lane * street.half_width + rng.normal(0, 0.2)
                    turn = (0.0 if side < 0 else np.pi) + rng.normal(0, 0.035)
                    site.add_actor(*_vehicle(rng, 0.06), street, along, across, turn)
                along += rng.uniform(8.0, 12.0)


def _parked(
    site: _Site,
    street: Street,
    quarter: Quarter,
    gaps: list[tuple[float, float]],
    rng: np.random.Generator,
    settings: SceneSettings,
) -> None:
    """Rows of parked cars along the kerb, half on the pavement, or at right angles in bays."""
    chance, low, high = quarter.parked
    for side in (-1.0, 1.0):
        if rng.random() >= chance:
            continue
        density = rng.uniform(low, high) * settings.traffic
        in_bays = rng.random() < quarter.across_parked
        step, slant = (2.6, np.pi / 2 + rng.choice([0.0, 0.4, -0.4], p=[0.7, 0.15, 0.15])) if in_bays else (5.3, 0.0)
        across = side * (street.half_width + (2.4 if in_bays else rng.choice([-0.9, -0.2, 1.0])))
        backwards = 0.5 if in_bays else (0.1 if side < 0 else 0.75)
        along = _BACK + rng.uniform(0, step)
        while along < _AHEAD:
            open_ = not any(start - 3 < along < stop + 3 for start, stop in gaps)
            if open_ and rng.random() < density:
                turn = slant + np.pi * (rng.random() < backwards) + rng.normal(0, 0.025)
                site.add_actor(*_vehicle(rng, 0.01), street, along, across + rng.normal(0, 0.12), turn)
            along += step * rng.uniform(0.95, 1.2)


def _vehicle(rng: np.random.Generator, trucks: float) -> tuple[str, Model]:
    kind = rng.random()
    if kind < trucks:
        return "Truck", vehicles.truck(rng)
    if kind < trucks + 0.09:
        return "Van", vehicles.van(rng)
    if kind < trucks + 0.10:
        return "Misc", vehicles.trailer(rng)
    return "Car", vehicles.car(rng)


def _walkers(site: _Site, street: Street, quarter: Quarter, rng: np.random.Generator, settings: SceneSettings) -> None:
    """People on the pavements, alone and in groups, some in the roadway; cyclists at the kerb."""
    wanted = rng.poisson(quarter.pedestrians * settings.people)
    while wanted > 0:
        group = min(wanted, int(rng.choice([1, 2, 3, 5], p=[0.55, 0.28, 0.12, 0.05])))
        side = rng.choice([-1.0, 1.0])
        across = side * (street.half_width + rng.uniform(-0.3, street.pavement + 0.5))
        if rng.random() < 0.2:
            across = rng.uniform(-1.0, 1.0) * street.half_width
        along = 4.0 + 46.0 * rng.random() ** 1.8
        course = rng.choice([0.0, np.pi]) if rng.random() < 0.7 else rng.uniform(0, 2 * np.pi)
        standing = rng.random() < 0.25
        for _ in range(group):
            turn = rng.uniform(0, 2 * np.pi) if standing else course + rng.normal(0, 0.2)
            dx, dy = rng.normal(0, 0.8, 2) if group > 1 else (0.0, 0.0)
            site.add_actor("Pedestrian", people.pedestrian(rng), street, along + dx, across + dy, turn)
        wanted -= group
    for _ in range(rng.poisson(quarter.cyclists * settings.people)):
        side = rng.choice([-1.0, 1.0])
        across = side * (street.half_width + rng.choice([-1.5, -0.8, 0.8]) + rng.normal(0, 0.4))
        turn = (0.0 if side < 0 else np.pi) + rng.normal(0, 0.15)
        if rng.random() < 0.2:
            turn = rng.uniform(0, 2 * np.pi)
        site.add_actor("Cyclist", people.cyclist(rng), street, 4.0 + 46.0 * rng.random() ** 1.8, across, turn)
    for _ in range(rng.poisson(quarter.sitting * settings.people)):
        across = rng.choice([-1.0, 1.0]) * (street.half_width + rng.uniform(0.0, street.pavement))
        turn = rng.uniform(0, 2 * np.pi)
        site.add_actor("Person_sitting", people.sitting_person(rng), street, rng.uniform(5, 30), across, turn)


def _things(site: _Site, street: Street, quarter: Quarter, rng: np.random.Generator, settings: SceneSettings) -> None:
    """Trees, poles, bins: most at the kerb and before the fronts, some beyond."""
    for _ in range(rng.poisson(quarter.things * settings.clutter)):
        side = rng.choice([-1.0, 1.0])
        beyond = rng.choice([0.4, street.pavement - 0.3, street.pavement + rng.uniform(0.5, 12.0)], p=[0.35, 0.25, 0.4])
        mesh = people.bicycle(rng) if rng.random() < 0.05 else surroundings.street_thing(rng)
        across = side * (street.half_width + beyond)
        site.add_scenery(mesh, street, rng.uniform(_BACK, _AHEAD), across, rng.uniform(0, 2 * np.pi))


def _fronts(
    site: _Site, street: Street, quarter: Quarter, gaps: list[tuple[float, float]], rng: np.random.Generator
) -> None:
    """What lines the street on either side, one after the other, and more of it behind."""
    makers = [maker for maker, _ in quarter.fronts]
    weights = np.array([weight for _, weight in quarter.fronts])
    for side in (-1.0, 1.0):
        for row, setback in enumerate((rng.uniform(*quarter.setback), rng.uniform(8.0, 16.0))):
            along = _BACK - 20.0 + rng.uniform(0, 10)
            while along < _AHEAD + 5.0:
                maker = makers[rng.choice(len(makers), p=weights / weights.sum())]
                if maker is None or rng.random() < 0.35 * row:
                    along += rng.uniform(2.0, 12.0)
                    continue
                mesh = maker(rng)
                half, front = float(mesh.high[0]), -float(mesh.low[1])
                if any(start < along + 2 * half and along < stop for start, stop in gaps):
                    along += 2.0
                    continue
                across = side * (street.edge + setback + front)
                site.add_scenery(mesh, street, along + half, across, 0.0 if side > 0 else np.pi)
                along += 2 * half + rng.choice([0.0, rng.uniform(0.0, 5.0)])


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
