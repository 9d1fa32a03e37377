"""Houses, walls, plants, poles and the small things of a street: none of it is labelled, much of it hides what is.

Long things run along x, with their front towards -y; all stand on z = 0 and reach a little below it, so that no gap
opens where the ground falls.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from formerdata.scenes.materials import Material
from formerdata.scenes.mesh import Mesh, box, ellipsoid, loft, merge, quads, tube

_FOOT = -0.6  # m

Maker = Callable[[np.random.Generator], Mesh]


def recording_car() -> Mesh:
    """What the scanner sees of the car that it rides on: the ends of the roof, in the LiDAR frame."""
    rear = box((-3.0, -0.45, -1.0), (-1.3, 0.45, -0.3), Material.TRIM)
    front = box((1.0, -0.35, -0.8), (1.4, 0.35, -0.42), Material.TRIM)
    return merge([rear, front])


def house(rng: np.random.Generator) -> Mesh:
    """A house with windows, doors and some steps or bays on its front."""
    half, deep, high = rng.uniform(3.5, 11.0), rng.uniform(3.5, 6.0), rng.uniform(3.5, 11.0)
    wall = Material.PLASTER if rng.random() < 0.65 else Material.BRICK
    parts = [
        _facade(rng, half, -deep, high, wall),
        box((-half, -deep + 0.3, _FOOT), (half, deep, high), Material.TRIM),
        quads(
            np.array(
                [
                    [[x, -deep, _FOOT], [x, -deep + 0.35, _FOOT], [x, -deep + 0.35, high], [x, -deep, high]]
                    for x in (-half, half)
                ]
            ),
            wall,
        ),
        *(_end_wall(x, deep, high, wall) for x in (-half - 0.01, half + 0.01)),
    ]
    for _ in range(rng.poisson(1.0)):
        x, wide = rng.uniform(-0.7, 0.7) * half, rng.uniform(0.4, 1.2)
        out, tall = rng.uniform(0.3, 1.3), rng.choice([0.2, 0.5, 1.0, 2.5])
        parts.append(box((x - wide, -deep - out, _FOOT), (x + wide, -deep, tall), wall))
    return merge(parts)


def _end_wall(x: float, deep: float, high: float, material: Material) -> Mesh:
    return quads(np.array([[[x, -deep, _FOOT], [x, deep, _FOOT], [x, deep, high], [x, -deep, high]]]), material)


def _facade(rng: np.random.Generator, half: float, y: float, high: float, material: Material) -> Mesh:
    """A wall with two rows of openings; their panes are set back."""
    pitch, opening = rng.uniform(1.8, 3.5), rng.uniform(0.7, 1.4)
    sill, lintel = rng.uniform(0.6, 1.2), rng.uniform(2.0, 2.5)
    recess = rng.uniform(0.06, 0.25)
    panels, panes, x = [], [], -half
    while x < half:
        next_x = min(x + pitch, half)
        left = min(x + (pitch - opening), next_x)
        panels.append(_panel(x, left, _FOOT, high, y))
        if left < next_x:
            bottom = 0.0 if rng.random() < 0.15 else sill
            levels = [_FOOT, bottom, lintel, min(lintel + 0.8, high), high]
            panels += [
                _panel(left, next_x, low, top, y) for low, top in ((levels[0], levels[1]), (levels[2], levels[3]))
            ]
            panes.append(_panel(left, next_x, bottom, lintel, y + recess))
            upper = _panel(left, next_x, levels[3], levels[4], y + (recess if high > 5 else 0.0))
            (panes if high > 5 else panels).append(upper)
        x = next_x
    meshes = [quads(np.array(panels), material)]
    if panes:
        meshes.append(quads(np.array(panes), Material.GLASS if rng.random() < 0.7 else Material.TRIM))
    return merge(meshes)


def _panel(x0: float, x1: float, z0: float, z1: float, y: float) -> list[list[float]]:
    return [[x0, y, z0], [x1, y, z0], [x1, y, z1], [x0, y, z1]]


def garden_wall(rng: np.random.Generator) -> Mesh:
    """A wall between a garden and the pavement."""
    half, high = rng.uniform(2, 8), rng.uniform(0.4, 2.2)
    return box((-half, -0.13, _FOOT), (half, 0.13, high), Material.BRICK if rng.random() < 0.5 else Material.PLASTER)


def fence(rng: np.random.Generator) -> Mesh:
    """Posts with a wire mesh or pales between them, or with rails."""
    half, high = rng.uniform(2, 8), rng.uniform(0.8, 1.9)
    posts = np.arange(-half, half, rng.uniform(1.5, 2.6))
    parts = [tube((x, 0, _FOOT), (x, 0, high), 0.04, Material.METAL, sides=4) for x in posts]
    if rng.random() < 0.6:
        parts.append(quads(np.array([_panel(-half, half, 0.05, high, 0.0)]), Material.MESH))
    else:
        rails = np.linspace(0.3, 0.95, rng.integers(2, 4)) * high
        parts += [box((-half, -0.03, z - 0.05), (half, 0.03, z + 0.05), Material.WOOD) for z in rails]
    return merge(parts)


def hedge(rng: np.random.Generator) -> Mesh:
    """A hedge, clipped or grown wild."""
    half, deep, high = rng.uniform(1.5, 7), rng.uniform(0.25, 0.8), rng.uniform(0.6, 2.6)
    wild = rng.uniform(0.03, 0.25)
    x = np.arange(-half, half + 0.01, 0.6)
    profile = np.array(
        [[-1.0, _FOOT], [-1.05, 0.4], [-0.95, 0.8], [-0.5, 1.0], [0.5, 1.0], [0.95, 0.8], [1.05, 0.4], [1.0, _FOOT]]
    )
    grow = 1.0 + wild * rng.normal(size=(len(x), len(profile)))
    y = profile[:, 0] * deep * grow
    z = np.where(profile[:, 1] < 0, _FOOT, profile[:, 1] * high * (1.0 + wild * rng.normal(size=(len(x), 1))) * grow)
    grid = np.stack([np.broadcast_to(x[:, None], y.shape), y, np.clip(z, _FOOT, 1.3 * high)], axis=-1)
    return loft(grid, Material.HEDGE)


def guard_rail(rng: np.random.Generator) -> Mesh:
    """A crash barrier."""
    half = 4.0
    parts = [box((-half, -0.06, 0.45), (half, 0.0, 0.75), Material.METAL)]
    parts += [box((x, 0.0, _FOOT), (x + 0.1, 0.12, 0.7), Material.METAL) for x in np.arange(-half, half, 2.0)]
    return merge(parts)


def thicket(rng: np.random.Generator) -> Mesh:
    """Shrubs and low trees grown into each other: the edge of a wood or a wild garden."""
    half = rng.uniform(2.0, 5.0)
    parts = []
    for _ in range(int(half * rng.uniform(2.0, 4.0))):
        radius, high = rng.uniform(0.3, 1.3), rng.uniform(0.3, 2.8)
        centre = (rng.uniform(-half, half), rng.uniform(-1.5, 2.0), 0.4 * high)
        material = Material.LEAVES if rng.random() < 0.5 else Material.HEDGE
        parts.append(ellipsoid(centre, (radius, radius, 0.6 * high), material, sides=7, bumps=_bumps(rng, 7)))
    for _ in range(rng.poisson(1.0)):
        parts.append(tree(rng).moved(rng.uniform(-half, half), rng.uniform(-1.0, 2.0)))
    return merge(parts)


def _bumps(rng: np.random.Generator, sides: int) -> np.ndarray:
    return rng.uniform(0.65, 1.25, (4, sides))


def tree(rng: np.random.Generator) -> Mesh:
    """A trunk that forks, with a crown of several clumps of leaves."""
    high, radius = rng.uniform(1.6, 4.0), rng.uniform(0.8, 2.6)
    trunk, lean = rng.uniform(0.06, 0.28), rng.uniform(-0.15, 0.15, 2)
    top = np.array([*lean, high])
    parts = [tube((0, 0, _FOOT), top, trunk, Material.WOOD, end_radius=0.75 * trunk)]
    for _ in range(rng.integers(2, 6)):
        offset = rng.uniform(-0.7, 0.7, 3) * radius + np.array([0, 0, 0.6 * radius])
        size = radius * rng.uniform(0.4, 0.8)
        parts.append(tube(top, top + offset, 0.5 * trunk, Material.WOOD, sides=5, end_radius=0.2 * trunk))
        parts.append(ellipsoid(top + offset, (size, size, 0.8 * size), Material.LEAVES, sides=7, bumps=_bumps(rng, 7)))
    return merge(parts)


def bush(rng: np.random.Generator) -> Mesh:
    """A shrub."""
    radius, high = rng.uniform(0.2, 1.0), rng.uniform(0.25, 1.8)
    radii = (radius, radius * rng.uniform(0.6, 1.6), 0.55 * high)
    return ellipsoid((0, 0, 0.45 * high), radii, Material.HEDGE, bumps=_bumps(rng, 8))


def pole(rng: np.random.Generator) -> Mesh:
    """A lamp post, or traffic signs on a pole."""
    high, radius = rng.uniform(2.2, 7.0), rng.uniform(0.03, 0.13)
    parts = [tube((0, 0, _FOOT), (0, 0, high), radius, Material.METAL)]
    if high < 4.0:
        for top in (high, high - 0.75)[: rng.integers(1, 3)]:
            half = rng.uniform(0.2, 0.4)
            parts.append(box((-0.06, -half, top - rng.uniform(0.3, 0.7)), (-0.04, half, top), Material.SIGN))
    elif rng.random() < 0.4:
        parts.append(box((-0.2, -0.15, _FOOT), (0.2, 0.15, rng.uniform(0.8, 1.5)), Material.METAL))
    return merge(parts)


def traffic_light(rng: np.random.Generator) -> Mesh:
    """A traffic light on its pole."""
    top = rng.uniform(2.8, 3.4)
    head = box((-0.18, -0.16, top - 0.9), (0.12, 0.16, top), Material.TRIM)
    return merge([tube((0, 0, _FOOT), (0, 0, top), 0.07, Material.METAL), head])


def bin_(rng: np.random.Generator) -> Mesh:
    """A waste bin, a switch cabinet or a crate."""
    half, high = rng.uniform(0.2, 0.65, 2), rng.uniform(0.5, 1.5)
    material = Material(rng.choice([Material.TRIM, Material.METAL, Material.PAINT_MID, Material.WOOD]))
    return loft(
        np.array(
            [
                [[sx * half[0] * f, sy * half[1] * f, z] for sx, sy in ((1, 1), (-1, 1), (-1, -1), (1, -1))]
                for z, f in ((0.0, rng.uniform(0.75, 1.0)), (high, 1.0))
            ]
        ),
        material,
    )


def bollard(rng: np.random.Generator) -> Mesh:
    """A post at the kerb."""
    return tube((0, 0, _FOOT), (0, 0, rng.uniform(0.5, 1.2)), rng.uniform(0.04, 0.18), Material.METAL)


def column(rng: np.random.Generator) -> Mesh:
    """An advertising column or a thick post: as high as a person, but no person."""
    radius = rng.uniform(0.2, 0.65)
    return tube((0, 0, _FOOT), (0, 0, rng.uniform(1.4, 3.0)), radius, Material.PLASTER, sides=10)


def bench(rng: np.random.Generator) -> Mesh:
    """A bench with a back."""
    half = rng.uniform(0.6, 1.1)
    parts = [
        box((-half, -0.2, 0.40), (half, 0.2, 0.46), Material.WOOD),
        box((-half, 0.18, 0.5), (half, 0.24, 0.9), Material.WOOD),
    ]
    parts += [box((x, -0.2, -0.1), (x + 0.06, 0.2, 0.4), Material.METAL) for x in (-half + 0.1, half - 0.16)]
    return merge(parts)


def table_and_chairs(rng: np.random.Generator) -> Mesh:
    """A table before a café, with chairs and perhaps a closed parasol."""
    parts = [
        tube((0, 0, 0.7), (0, 0, 0.74), 0.4, Material.WOOD, sides=10),
        tube((0, 0, 0), (0, 0, 0.7), 0.04, Material.METAL, sides=5),
    ]
    for angle in rng.uniform(0, 2 * np.pi, rng.integers(2, 5)):
        chair = [
            box((-0.2, -0.2, 0.42), (0.2, 0.2, 0.46), Material.WOOD),
            box((0.17, -0.2, 0.46), (0.2, 0.2, 0.85), Material.WOOD),
        ]
        chair += [
            tube((x, y, 0), (x, y, 0.42), 0.015, Material.METAL, sides=4) for x in (-0.18, 0.18) for y in (-0.18, 0.18)
        ]
        parts.append(merge(chair).moved(0.75).moved(yaw=angle))
    if rng.random() < 0.4:
        parts.append(tube((0, 0, 0.9), (0, 0, 2.4), 0.16, Material.CLOTH_LIGHT, end_radius=0.04))
    return merge(parts)


def skip(rng: np.random.Generator) -> Mesh:
    """A skip, a stack or a block: as large as a car, but no car."""
    half_length, half_width, high = rng.uniform(1.2, 2.6), rng.uniform(0.7, 1.1), rng.uniform(0.8, 2.4)
    sections = [
        [[x, -half_width * f, z], [x, half_width * f, z], [x, half_width, high], [x, -half_width, high]]
        for x, z, f in (
            (-half_length, 0.4, 0.9),
            (-half_length + 0.4, 0.0, 0.9),
            (half_length - 0.4, 0.0, 0.9),
            (half_length, 0.4, 0.9),
        )
    ]
    return loft(
        np.array(sections), Material(rng.choice([Material.METAL, Material.WOOD, Material.HEDGE, Material.BRICK]))
    )


def shelter(rng: np.random.Generator) -> Mesh:
    """A bus shelter."""
    half = rng.uniform(1.2, 2.2)
    parts = [
        quads(np.array([_panel(-half, half, 0.2, 2.2, 0.7)]), Material.GLASS),
        box((-half, -0.7, 2.3), (half, 0.75, 2.45), Material.METAL),
        bench(rng).moved(y=0.4),
    ]
    parts += [tube((x, y, _FOOT), (x, y, 2.3), 0.05, Material.METAL) for x in (-half, half) for y in (-0.65, 0.7)]
    return merge(parts)


# What stands about, and how often, in streets with houses.
STREET_THINGS: tuple[tuple[Maker, float], ...] = (
    (tree, 0.20),
    (bush, 0.20),
    (pole, 0.20),
    (bin_, 0.11),
    (bollard, 0.12),
    (column, 0.03),
    (bench, 0.03),
    (traffic_light, 0.03),
    (skip, 0.04),
    (shelter, 0.02),
    (table_and_chairs, 0.02),
)


def street_thing(rng: np.random.Generator) -> Mesh:
    """One of the things that stand about in a street."""
    shares = np.array([share for _, share in STREET_THINGS])
    return STREET_THINGS[rng.choice(len(STREET_THINGS), p=shares / shares.sum())][0](rng)
