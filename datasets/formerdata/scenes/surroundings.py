"""Houses, hedges, trees, poles and the small things of a street, none of which is labelled."""

from __future__ import annotations

import numpy as np

from formerdata.scenes.materials import Material
from formerdata.scenes.mesh import Mesh, box, ellipsoid, merge, tube


def house(rng: np.random.Generator) -> Mesh:
    """A house, its front along x."""
    half, deep, high = rng.uniform(4, 10), rng.uniform(4, 6), rng.uniform(4, 11)
    wall = Material.PLASTER if rng.random() < 0.6 else Material.BRICK
    return box((-half, -deep, -1.0), (half, deep, high), wall)


def hedge(rng: np.random.Generator) -> Mesh:
    """A clipped hedge along x."""
    half, deep, high = rng.uniform(2, 8), rng.uniform(0.3, 0.6), rng.uniform(0.7, 2.0)
    return box((-half, -deep, -0.3), (half, deep, high), Material.HEDGE)


def tree(rng: np.random.Generator) -> Mesh:
    """A trunk with a crown."""
    high, radius = rng.uniform(2.0, 4.5), rng.uniform(1.2, 3.0)
    trunk = rng.uniform(0.08, 0.28)
    crown = ellipsoid(
        (0, 0, high + 0.6 * radius), (radius, radius, radius), Material.LEAVES, bumps=rng.uniform(0.7, 1.2, (4, 8))
    )
    return merge([tube((0, 0, -0.3), (0, 0, high + 0.5), trunk, Material.WOOD, end_radius=0.7 * trunk), crown])


def bush(rng: np.random.Generator) -> Mesh:
    """A round shrub."""
    radius, high = rng.uniform(0.3, 1.0), rng.uniform(0.5, 1.8)
    return ellipsoid(
        (0, 0, 0.45 * high),
        (radius, radius * rng.uniform(0.7, 1.3), 0.55 * high),
        Material.HEDGE,
        bumps=rng.uniform(0.75, 1.2, (4, 8)),
    )


def pole(rng: np.random.Generator) -> Mesh:
    """A lamp post, or a traffic sign on its pole."""
    high, radius = rng.uniform(2.2, 7.0), rng.uniform(0.03, 0.12)
    parts = [tube((0, 0, -0.2), (0, 0, high), radius, Material.METAL)]
    if high < 3.5:
        half, low = rng.uniform(0.2, 0.4), high - rng.uniform(0.5, 0.9)
        parts.append(box((-0.06, -half, low), (-0.04, half, high), Material.SIGN))
    return merge(parts)


def bin_(rng: np.random.Generator) -> Mesh:
    """A waste bin, a cabinet or a crate."""
    half = rng.uniform(0.2, 0.6, 2)
    material = Material.TRIM if rng.random() < 0.6 else Material.METAL
    return box((-half[0], -half[1], 0.0), (half[0], half[1], rng.uniform(0.5, 1.4)), material)


def bollard(rng: np.random.Generator) -> Mesh:
    """A post at the kerb."""
    return tube((0, 0, -0.1), (0, 0, rng.uniform(0.5, 1.1)), rng.uniform(0.05, 0.15), Material.METAL)


def small_thing(rng: np.random.Generator) -> Mesh:
    """Any of the above that fits on a pavement."""
    makers = (tree, bush, pole, bin_, bollard)
    return makers[rng.choice(len(makers), p=[0.3, 0.25, 0.2, 0.12, 0.13])](rng)
