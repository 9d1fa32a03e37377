"""Pedestrians in walking and standing poses, people who sit, and cyclists on their bicycles."""

from __future__ import annotations

import numpy as np

from formerdata.scenes.materials import Material
from formerdata.scenes.mesh import Mesh, Model, box, ellipsoid, loft, merge, model, tube


def pedestrian(rng: np.random.Generator) -> Model:
    """A person on foot, looking towards +x, stretched to KITTI's heights (1.77 +- 0.13 m)."""
    height = float(np.clip(rng.normal(1.76, 0.11), 1.2, 2.0))
    if rng.random() < 0.04:  # a child
        height = rng.uniform(1.05, 1.4)
    walking = rng.random() < 0.75
    stride = rng.uniform(0.20, 0.52) if walking else rng.uniform(0.0, 0.08)
    bulk = float(np.clip(rng.normal(1.15, 0.14), 0.85, 1.5))
    trousers, jacket = _cloth(rng), _cloth(rng)
    phase = 1.0 if rng.random() < 0.5 else -1.0
    parts = [*_legs(stride * phase, bulk, trousers, rng), _torso(bulk, jacket), *_head()]
    parts += _arms(stride * phase, bulk, jacket, rng)
    if rng.random() < 0.25:
        parts.append(box((-0.30, -0.14, 1.05), (-0.10, 0.14, 1.45), _cloth(rng)))  # a rucksack
    if rng.random() < 0.15:
        side = phase * (0.26 * bulk + 0.08)
        parts.append(box((-0.18, side - 0.06, 0.45), (0.18, side + 0.06, 0.80), _cloth(rng)))  # a bag in the hand
    # Annotators leave a little room around a person.
    return model(_standing(merge(parts), height), margin=rng.uniform(0.0, 0.09))


def sitting_person(rng: np.random.Generator) -> Model:
    """A person on a chair, looking towards +x."""
    trousers, jacket = _cloth(rng), _cloth(rng)
    torso = _torso(1.0, jacket).moved(z=-0.42)
    parts = [torso, *(part.moved(z=-0.42) for part in _head())]
    for y in (-0.11, 0.11):
        knee = _by(rng.uniform(0.40, 0.52), 1.2 * y, 0.5)
        foot = _by(rng.uniform(0.40, 0.62), 1.3 * y, 0.06)
        parts.append(tube((0.0, y, 0.5), knee, 0.09, trousers))
        parts.append(tube(knee, foot, 0.07, trousers, end_radius=0.05))
        parts.append(box(foot + _by(-0.08, -0.05, -0.06), foot + _by(0.18, 0.05, 0.03), Material.CLOTH_DARK))
        shoulder, elbow = _by(0.02, 1.7 * y, 0.98), _by(0.08, 1.85 * y, 0.72)
        parts.append(tube(shoulder, elbow, 0.065, jacket))
        parts.append(tube(elbow, _by(0.35, 1.2 * y, 0.66), 0.055, jacket, end_radius=0.045))
    parts.append(box((-0.25, -0.24, 0.38), (0.24, 0.24, 0.43), Material.WOOD))
    parts.append(box((-0.32, -0.24, 0.43), (-0.25, 0.24, 0.95), Material.WOOD))
    parts += [
        tube((x, y, 0.0), (x, y, 0.4), 0.02, Material.METAL, sides=4) for x in (-0.22, 0.22) for y in (-0.22, 0.22)
    ]
    return model(_standing(merge(parts), rng.uniform(1.15, 1.37)), margin=0.01)


def cyclist(rng: np.random.Generator) -> Model:
    """A rider on a bicycle, riding towards +x."""
    trousers, jacket = _cloth(rng), _cloth(rng)
    lean = rng.uniform(0.05, 0.45)
    hip = np.array([-0.18, 0.0, 0.98])
    shoulder = hip + 0.52 * np.array([np.sin(lean), 0.0, np.cos(lean)])
    parts = [bicycle(rng)]
    crank = rng.uniform(0, 2 * np.pi)
    for side in (-1.0, 1.0):
        pedal = np.array([0.0, side * 0.12, 0.3]) + 0.17 * np.array([np.cos(crank), 0.0, np.sin(crank)]) * side
        hip_joint = hip + _by(0.0, side * 0.10, -0.02)
        knee = 0.5 * (hip_joint + pedal) + _by(0.20, side * 0.03, 0.05)
        parts.append(tube(hip_joint, knee, 0.085, trousers, end_radius=0.06))
        parts.append(tube(knee, pedal, 0.06, trousers, end_radius=0.04))
        parts.append(box(pedal + _by(-0.08, -0.05, -0.04), pedal + _by(0.16, 0.05, 0.04), Material.CLOTH_DARK))
        hand = np.array([0.42, side * 0.24, 1.02])
        joint = shoulder + _by(0.0, side * 0.20, -0.05)
        elbow = 0.5 * (hand + joint) + _by(-0.05, side * 0.05, -0.08)
        parts.append(tube(joint, elbow, 0.055, jacket, end_radius=0.045))
        parts.append(tube(elbow, hand, 0.045, jacket, end_radius=0.035))
    parts.append(_trunk(hip, shoulder, float(rng.uniform(0.95, 1.25)), jacket))
    head = shoulder + _by(0.08, 0.0, 0.20)
    parts.append(tube(shoulder, head, 0.06, Material.SKIN))
    parts.append(ellipsoid(head, (0.11, 0.09, 0.13), Material.SKIN))
    if rng.random() < 0.3:
        parts.append(box((-0.62, -0.15, 0.72), (-0.35, 0.15, 1.0), _cloth(rng)))  # a basket
    return model(_standing(merge(parts), float(np.clip(rng.normal(1.73, 0.09), 1.45, 1.95))))


def bicycle(rng: np.random.Generator) -> Mesh:
    """A bicycle without a rider, pointing towards +x."""
    radius = rng.uniform(0.30, 0.345)
    base = rng.uniform(0.51, 0.60)
    metal = Material.METAL
    parts = []
    for x in (-base, base):
        angle = np.arange(12) * (2 * np.pi / 12)
        rim = np.stack([x + radius * np.cos(angle), np.zeros(12), radius + radius * np.sin(angle)], axis=-1)
        parts.append(_tyre(x, radius, metal))
        parts.append(loft(np.stack([rim + _by(0, d, 0) for d in (-0.002, 0.002)]), Material.SPOKES))
    bottom, seat, head = np.array([-0.05, 0, 0.30]), np.array([-0.2, 0, 0.85]), np.array([0.36, 0, 0.82])
    rear, front = np.array([-base, 0, radius]), np.array([base, 0, radius])
    for a, b in ((bottom, seat), (bottom, head), (seat, head), (rear, bottom), (rear, seat), (head, front)):
        parts.append(tube(a, b, 0.022, metal, sides=5))
    parts.append(tube((0.34, 0, 0.82), (0.32, 0, 1.02), 0.02, metal, sides=5))
    parts.append(tube((0.36, -0.27, 1.02), (0.36, 0.27, 1.02), 0.018, metal, sides=5))
    parts.append(box((-0.32, -0.08, 0.88), (-0.08, 0.08, 0.94), Material.TRIM))
    return merge(parts)


def _tyre(x: float, radius: float, material: Material) -> Mesh:
    """A thin ring in the plane y = 0 that stands on the ground at ``x``."""
    angle, thickness = np.linspace(0.0, 2 * np.pi, 13), 0.024
    section = np.array([[thickness, 0.0], [0.0, thickness], [-thickness, 0.0], [0.0, -thickness]])
    reach = radius + section[:, 0]
    y = np.broadcast_to(section[:, 1], (len(angle), len(section)))
    rings = np.stack([x + np.cos(angle)[:, None] * reach, y, radius + np.sin(angle)[:, None] * reach], axis=-1)
    return loft(rings, material, caps=False)


def _by(x: float, y: float, z: float) -> np.ndarray:
    """A shift, m."""
    return np.array([x, y, z])


def _standing(mesh: Mesh, height: float) -> Mesh:
    """Scaled as a whole to ``height``, feet on the ground, centred."""
    low, high = mesh.low, mesh.high
    middle = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    return Mesh((mesh.corners - middle) * (height / (high[2] - low[2])), mesh.materials)


def _legs(stride: float, bulk: float, cloth: Material, rng: np.random.Generator) -> list[Mesh]:
    parts = []
    for side, swing in ((-0.1, stride), (0.1, -stride)):
        hip = np.array([0.0, side, 0.88])
        foot = np.array([0.75 * swing, side * 1.1, 0.08])
        # The rear leg is bent at the knee.
        knee = 0.5 * (hip + foot) + _by(0.06 if swing < 0 else 0.02, 0.0, 0.0)
        parts.append(tube(hip, knee, 0.105 * bulk, cloth, end_radius=0.08 * bulk))
        parts.append(tube(knee, foot, 0.08 * bulk, cloth, end_radius=0.06))
        parts.append(box(foot + _by(-0.08, -0.045, -0.08), foot + _by(0.19, 0.045, 0.02), Material.CLOTH_DARK))
    return parts


def _trunk(hip: np.ndarray, shoulder: np.ndarray, bulk: float, cloth: Material) -> Mesh:
    """Hips, waist, chest and shoulders as flattened rings."""
    angle = np.arange(10) * (2 * np.pi / 10)
    rings = []
    for share, deep, wide in (
        (-0.12, 0.125, 0.185),
        (0.15, 0.13, 0.185),
        (0.55, 0.135, 0.21),
        (0.9, 0.12, 0.23),
        (1.0, 0.07, 0.14),
    ):
        centre = hip + share * (shoulder - hip)
        ring = np.stack([np.cos(angle) * deep * bulk, np.sin(angle) * wide * bulk, np.zeros(10)], axis=-1)
        rings.append(centre + ring)
    return loft(np.stack(rings), cloth)


def _torso(bulk: float, cloth: Material) -> Mesh:
    return _trunk(np.array([0.0, 0.0, 0.92]), np.array([0.02, 0.0, 1.46]), bulk, cloth)


def _head() -> list[Mesh]:
    return [
        tube((0.02, 0.0, 1.43), (0.03, 0.0, 1.56), 0.06, Material.SKIN),
        ellipsoid((0.04, 0.0, 1.64), (0.105, 0.085, 0.13), Material.SKIN),
    ]


def _arms(stride: float, bulk: float, cloth: Material, rng: np.random.Generator) -> list[Mesh]:
    parts = []
    for side, swing in ((-1.0, -stride), (1.0, stride)):
        shoulder = np.array([0.02, side * 0.20 * bulk, 1.40])
        swing = swing * rng.uniform(0.4, 0.9)
        elbow = shoulder + _by(0.5 * swing, side * rng.uniform(-0.01, 0.05), -0.29)
        raised = rng.random() < 0.2  # a telephone, a pushchair, a lead
        hand = elbow + (
            _by(0.22, -0.05 * side, rng.uniform(0.0, 0.15)) if raised else _by(0.5 * swing + 0.05, 0.0, -0.25)
        )
        parts.append(tube(shoulder, elbow, 0.068 * bulk, cloth, end_radius=0.055))
        parts.append(tube(elbow, hand, 0.055, cloth, end_radius=0.045))
        parts.append(ellipsoid(hand, (0.05, 0.04, 0.06), Material.SKIN, sides=5, stacks=3))
    return parts


def _cloth(rng: np.random.Generator) -> Material:
    return Material.CLOTH_LIGHT if rng.random() < 0.45 else Material.CLOTH_DARK
