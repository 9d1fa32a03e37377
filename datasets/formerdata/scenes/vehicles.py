"""Cars, vans and trucks: lofted bodies with glass, seats behind it, wheels, lamps and plates.

Sizes follow the statistics of KITTI's training labels (Car: length 3.89 +- 0.44, width 1.62 +- 0.11, height 1.53 +-
0.14 m). Shapes are given in shares of length, width and height and stretched to size, so that the labelled box is tight
around the body; mirrors stick out of it, as they do in KITTI.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from formerdata.scenes.materials import Material
from formerdata.scenes.mesh import Mesh, Model, box, loft, merge, model, quads, tube


@dataclass(frozen=True)
class BodyShape:
    """Outline of a car, x as a share of the length (-0.5 rear, 0.5 front), z as a share of the height.

    Attributes:
        rear_deck, roof_rear, roof_front, cowl: x where the rear window starts, ends, where the windscreen ends, starts.
        belt: z of the lower edge of the windows.
        nose, tail: z of the top of the body at the front and rear ends.
        bonnet: z of the body's top just before the windscreen.
        side_glass: False for panel vans: no windows behind the front seats.
    """

    rear_deck: float
    roof_rear: float
    roof_front: float
    cowl: float
    belt: float
    nose: float
    tail: float
    bonnet: float
    side_glass: bool = True


@dataclass(frozen=True)
class CarClass:
    """Share of the fleet, shape, and size (mean and deviation of length, width, height, m)."""

    share: float
    shape: BodyShape
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


CAR_CLASSES: tuple[CarClass, ...] = (
    # Small hatchbacks.
    CarClass(0.30, BodyShape(-0.49, -0.40, 0.06, 0.27, 0.60, 0.46, 0.56, 0.60), (3.45, 1.55, 1.50), (0.22, 0.09, 0.07)),
    # Compact hatchbacks.
    CarClass(0.27, BodyShape(-0.48, -0.37, 0.03, 0.25, 0.61, 0.47, 0.60, 0.62), (3.90, 1.63, 1.48), (0.20, 0.08, 0.06)),
    # Saloons.
    CarClass(0.15, BodyShape(-0.36, -0.22, 0.04, 0.22, 0.63, 0.49, 0.62, 0.64), (4.30, 1.67, 1.42), (0.22, 0.08, 0.05)),
    # Estates.
    CarClass(0.14, BodyShape(-0.49, -0.42, 0.05, 0.22, 0.63, 0.49, 0.60, 0.64), (4.35, 1.68, 1.47), (0.22, 0.08, 0.05)),
    # Small people carriers.
    CarClass(0.09, BodyShape(-0.49, -0.42, 0.10, 0.34, 0.56, 0.45, 0.52, 0.57), (4.10, 1.68, 1.73), (0.32, 0.08, 0.09)),
    # Off-roaders.
    CarClass(0.05, BodyShape(-0.48, -0.41, 0.04, 0.23, 0.62, 0.54, 0.58, 0.64), (4.20, 1.72, 1.73), (0.32, 0.09, 0.09)),
)

_VAN_SHAPES = (
    BodyShape(-0.495, -0.47, 0.22, 0.40, 0.52, 0.36, 0.45, 0.50),
    BodyShape(-0.495, -0.47, 0.22, 0.38, 0.50, 0.36, 0.45, 0.48, side_glass=False),
)
_PAINTS = ((Material.PAINT_LIGHT, 0.45), (Material.PAINT_MID, 0.25), (Material.PAINT_DARK, 0.30))


def car(rng: np.random.Generator) -> Model:
    """A random car, driving towards +x."""
    kind = CAR_CLASSES[rng.choice(len(CAR_CLASSES), p=[c.share for c in CAR_CLASSES])]
    # Long cars are wide: one common factor, then each size its own.
    common, own = rng.normal(), rng.normal(size=3)
    mix = 0.6 * common + 0.8 * own
    size = np.array(kind.mean) + np.clip(mix, -2.2, 2.2) * np.array(kind.deviation)
    return _finish(_jitter(kind.shape, rng), size, rng)


def van(rng: np.random.Generator) -> Model:
    """A delivery van or minibus, driving towards +x."""
    common = np.clip(rng.normal(), -1.4, 2.2)
    size = np.array([5.0, 1.89, 2.12]) + common * np.array([0.75, 0.13, 0.27]) + rng.normal(size=3) * 0.06
    return _finish(_jitter(_VAN_SHAPES[rng.integers(2)], rng), size, rng)


def truck(rng: np.random.Generator) -> Model:
    """A lorry with a box body, driving towards +x."""
    length, width, height = rng.uniform(6.0, 11.5), rng.uniform(2.3, 2.7), rng.uniform(2.7, 3.7)
    paint, half = _paint(rng), width / 2
    cab, gap = rng.uniform(1.6, 2.1), rng.uniform(0.1, 0.6)
    front, back = length / 2, -length / 2
    cab_height = rng.uniform(2.4, min(2.9, height))
    parts = [
        box((back, -half, 0.95), (front - cab - gap, half, height), _paint(rng)),
        box((back, -0.45, 0.55), (front - 0.3, 0.45, 0.95), Material.TRIM),
        box((front - cab, -half + 0.05, 0.45), (front, half - 0.05, 1.35), paint),
        box((front - cab, -half + 0.08, 1.35), (front - 0.12, half - 0.08, cab_height), paint),
        _pane([(front - 0.05, y, z) for y, z in _rectangle(half - 0.2, 1.4, cab_height - 0.35)], Material.GLASS),
        *(_plate(x) for x in (front + 0.01, back - 0.01)),
        *_wheels([front - 0.9, back + 1.4, back + 2.6][: 3 if length > 8.5 else 2], half, 0.48, 0.28),
    ]
    return model(merge(parts).fitted(length, width, height))


def trailer(rng: np.random.Generator) -> Model:
    """A small trailer, or a caravan without its car."""
    length, width = rng.uniform(1.8, 4.5), rng.uniform(1.2, 2.1)
    height = rng.uniform(0.9, 1.3) if length < 3.0 else rng.uniform(1.9, 2.5)
    half = width / 2
    parts = [
        box((-length / 2, -half, 0.4), (0.35 * length, half, height), _paint(rng)),
        box((0.35 * length, -0.05, 0.4), (0.5 * length, 0.05, 0.5), Material.METAL),
        *_wheels([-0.05 * length], half, 0.28, 0.18),
    ]
    return model(merge(parts).fitted(length, width, height))


def _finish(shape: BodyShape, size: np.ndarray, rng: np.random.Generator) -> Model:
    """A body inside a box of ``size``: KITTI's boxes keep 5 cm or so off the metal."""
    length, width, height = (float(v) for v in size - rng.uniform([0.04, 0.02, 0.0], [0.20, 0.16, 0.10]))
    paint = _paint(rng)
    half_length, half = length / 2, width / 2
    radius = 0.30 + 0.03 * (height - 1.5)
    wheelbase = 0.305 * length
    body = [_lower_body(shape, paint), *_cabin(shape, paint)]
    scale = np.array([length, width, height])
    shell = merge(body)
    shell = Mesh(_rounded(shell.corners, rng) * scale, shell.materials)
    parts = [
        shell,
        *_interior(shape, length, width, height),
        *_wheels([wheelbase, -wheelbase], half, radius, 0.2),
        _plate(half_length + 0.005, z=0.29 * height),
        _plate(-half_length - 0.005, z=rng.uniform(0.30, 0.55) * height),
        *_lamps(half_length, half, shape, height),
        *_mirrors(shape, length, half, height, paint),
    ]
    return Model(merge(parts), (float(size[0]), float(size[1]), float(size[2])))


def _rounded(corners: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Front and rear bowed as seen from above, and raked above the bumpers (in shares of the size)."""
    bow, rake = rng.uniform(0.03, 0.09), rng.uniform(0.0, 0.07)
    x, y, z = np.moveaxis(corners, -1, 0)
    return np.stack([x * (1.0 - bow * (2 * y) ** 2 - rake * np.clip(z - 0.42, 0.0, 0.3)), y, z], axis=-1)


def _lower_body(shape: BodyShape, paint: Material) -> Mesh:
    """The body up to the windows, in shares of the size: cross-sections along x."""
    x = np.array([-0.5, -0.485, -0.44, -0.34, shape.rear_deck + 0.12, 0.0, shape.cowl, 0.34, 0.43, 0.48, 0.5])
    x = np.sort(np.clip(x, -0.5, 0.5))
    half = 0.5 * np.interp(
        x, [-0.5, -0.485, -0.44, -0.34, 0.3, 0.42, 0.48, 0.5], [0.80, 0.92, 0.97, 1, 1, 0.96, 0.86, 0.66]
    )
    bottom = np.interp(x, [-0.5, -0.47, -0.38, 0.38, 0.47, 0.5], [0.28, 0.18, 0.14, 0.13, 0.14, 0.22])
    stations = [-0.5, -0.47, shape.rear_deck, shape.rear_deck + 0.05, shape.cowl, 0.42, 0.48, 0.5]
    heights = [
        shape.tail - 0.06,
        shape.tail,
        shape.tail,
        shape.belt,
        shape.bonnet,
        shape.nose + 0.07,
        shape.nose + 0.02,
        shape.nose - 0.06,
    ]
    order = np.argsort(stations, kind="stable")
    top = np.interp(x, np.array(stations)[order], np.array(heights)[order])
    # Half a cross-section from the sill to the edge of the bonnet: share of the width, share of the rise.
    profile = np.array([[0.88, 0.0], [0.99, 0.12], [1.0, 0.45], [0.985, 0.75], [0.90, 0.97], [0.60, 1.0]])
    y = half[:, None] * profile[:, 0]
    z = bottom[:, None] + (top - bottom)[:, None] * profile[:, 1]
    side = np.stack([np.broadcast_to(x[:, None], y.shape), y, z], axis=-1)
    other = side[:, ::-1] * np.array([1.0, -1.0, 1.0])
    return loft(np.concatenate([side, other], axis=1), paint)


def _cabin(shape: BodyShape, paint: Material) -> list[Mesh]:
    """Windows, pillars and roof, in shares of the size."""
    levels = [
        _cabin_ring(shape.rear_deck, shape.cowl, 0.465, shape.belt - 0.03),
        _cabin_ring(shape.roof_rear, shape.roof_front, 0.385, 0.94),
        _cabin_ring(shape.roof_rear + 0.04, shape.roof_front - 0.05, 0.31, 1.0),
    ]
    glass = Material.GLASS
    rear = glass if shape.side_glass else paint
    # Edges of the ring, from the windscreen counter-clockwise seen from above.
    materials = [glass, paint, glass, paint, rear, paint, rear, paint, rear, paint, glass, paint]
    panes = [
        quads(np.array([[levels[0][i], levels[0][(i + 1) % 12], levels[1][(i + 1) % 12], levels[1][i]]]), material)
        for i, material in enumerate(materials)
    ]
    roof = loft(np.stack(levels[1:]), paint)
    return [*panes, roof]


def _cabin_ring(rear: float, front: float, half: float, z: float) -> np.ndarray:
    middle = 0.45 * front + 0.55 * rear
    corner = 0.03
    left = [
        (front, half * 0.86),
        (front - corner - 0.02, half),
        (middle + 0.015, half),
        (middle - 0.015, half),
        (rear + corner + 0.02, half),
        (rear, half * 0.86),
    ]
    right = [(x, -y) for x, y in reversed(left)]
    ring = [(front, -half * 0.86), *left, *right[:-1]]
    return np.array([(x, y, z) for x, y in ring])


def _interior(shape: BodyShape, length: float, width: float, height: float) -> list[Mesh]:
    """Seats and dashboard: what is seen through the glass."""
    half = 0.36 * width
    back, front = shape.roof_rear * length, shape.cowl * length
    seat = 0.5 * (0.2 * back + 0.8 * shape.roof_front * length) + 0.02 * length
    material = Material.CABIN
    parts = [box((front - 0.16 * length, -half, 0.4 * height), (front - 0.06 * length, half, 0.62 * height), material)]
    for y in (-0.5 * half, 0.5 * half):
        parts.append(box((seat - 0.12, y - 0.22, 0.3 * height), (seat, y + 0.22, 0.72 * height), material))
        parts.append(box((seat - 0.10, y - 0.12, 0.74 * height), (seat - 0.02, y + 0.12, 0.85 * height), material))
    bench = 0.75 * back + 0.25 * seat
    parts.append(box((bench - 0.14, -half, 0.3 * height), (bench, half, 0.68 * height), material))
    return parts


def _wheels(stations: list[float], half: float, radius: float, thickness: float) -> list[Mesh]:
    wheels = []
    for x in stations:
        for side in (-1.0, 1.0):
            outer, inner = side * (half - 0.03), side * (half - 0.03 - thickness)
            wheels.append(tube((x, inner, radius), (x, outer, radius), radius, Material.TYRE, sides=12))
    return wheels


def _plate(x: float, z: float = 0.6) -> Mesh:
    return _pane([(x, y, z + dz) for y, dz in _rectangle(0.26, -0.055, 0.055)], Material.PLATE)


def _lamps(half_length: float, half: float, shape: BodyShape, height: float) -> list[Mesh]:
    lamps = []
    for side in (-1.0, 1.0):
        front = [
            (half_length - 0.05, side * half * y, height * z)
            for y, z in _quad(0.55, 0.80, shape.nose - 0.07, shape.nose)
        ]
        rear = [
            (-half_length - 0.004, side * half * y, height * z)
            for y, z in _quad(0.62, 0.80, shape.tail - 0.14, shape.tail)
        ]
        lamps += [_pane(front, Material.LAMP), _pane(rear, Material.LAMP)]
    return lamps


def _mirrors(shape: BodyShape, length: float, half: float, height: float, paint: Material) -> list[Mesh]:
    x, z = (shape.cowl - 0.07) * length, shape.belt * height
    return [
        box(
            (x - 0.06, min(side * half, side * (half + 0.15)), z - 0.02),
            (x + 0.06, max(side * half, side * (half + 0.15)), z + 0.13),
            paint,
        )
        for side in (-1.0, 1.0)
    ]


def _rectangle(half: float, low: float, high: float) -> list[tuple[float, float]]:
    return [(-half, low), (half, low), (half, high), (-half, high)]


def _quad(inner: float, outer: float, low: float, high: float) -> list[tuple[float, float]]:
    return [(inner, low), (outer, low), (outer, high), (inner, high)]


def _pane(corners: list[tuple[float, float, float]], material: Material) -> Mesh:
    return quads(np.array([corners]), material)


def _paint(rng: np.random.Generator) -> Material:
    return _PAINTS[rng.choice(len(_PAINTS), p=[share for _, share in _PAINTS])][0]


def _jitter(shape: BodyShape, rng: np.random.Generator) -> BodyShape:
    """The same kind of body by another maker."""
    names = ("roof_rear", "roof_front", "cowl", "belt", "nose", "tail", "bonnet")
    return replace(shape, **{name: getattr(shape, name) + float(rng.uniform(-0.015, 0.015)) for name in names})
