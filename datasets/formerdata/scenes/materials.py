"""What surfaces do to a laser pulse of 905 nm.

The numbers are chosen so that the histograms of reflectance and the share of missing returns resemble those of real
HDL-64E scans; ``benchmarks/scene_realism.py`` prints both side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class Material(IntEnum):
    """Kinds of surface."""

    ASPHALT = 0
    MARKING = 1
    PAVING = 2
    GRASS = 3
    PAINT_LIGHT = 4
    PAINT_MID = 5
    PAINT_DARK = 6
    GLASS = 7
    TYRE = 8
    PLATE = 9
    LAMP = 10
    TRIM = 11
    CABIN = 12
    CLOTH_LIGHT = 13
    CLOTH_DARK = 14
    SKIN = 15
    METAL = 16
    SIGN = 17
    BRICK = 18
    PLASTER = 19
    WOOD = 20
    LEAVES = 21
    HEDGE = 22
    MESH = 23
    SPOKES = 24


@dataclass(frozen=True)
class Surface:
    """How one material answers.

    Attributes:
        reflectance: Typical reflectance in KITTI's scale, 0 to 1.
        spread: Standard deviation between things of that material.
        grain: Standard deviation between points of one thing.
        opacity: Share of pulses that do not pass.
        gloss: Share of the answer that is lost at grazing incidence (0: as bright from every side).
        depth: Mean depth at which a pulse answers behind the surface, m (foliage).
        strength: Chance of a return at 10 m and perpendicular incidence.
    """

    reflectance: float
    spread: float = 0.05
    grain: float = 0.04
    opacity: float = 1.0
    gloss: float = 0.3
    depth: float = 0.0
    strength: float = 0.99


SURFACES: dict[Material, Surface] = {
    Material.ASPHALT: Surface(0.22, spread=0.06, grain=0.05, gloss=0.1),
    Material.MARKING: Surface(0.50, spread=0.08, grain=0.10, gloss=0.1),
    Material.PAVING: Surface(0.32, spread=0.06, grain=0.05, gloss=0.1),
    Material.GRASS: Surface(0.38, spread=0.05, grain=0.08, gloss=0.1, depth=0.03),
    Material.PAINT_LIGHT: Surface(0.35, spread=0.10, grain=0.06, gloss=0.7, strength=0.97),
    Material.PAINT_MID: Surface(0.22, spread=0.10, grain=0.06, gloss=0.7, strength=0.95),
    Material.PAINT_DARK: Surface(0.04, spread=0.03, grain=0.03, gloss=0.8, strength=0.80),
    Material.GLASS: Surface(0.05, spread=0.02, grain=0.04, opacity=0.25, gloss=0.9, strength=0.6),
    Material.TYRE: Surface(0.08, spread=0.04, grain=0.04, gloss=0.3, strength=0.93),
    Material.PLATE: Surface(0.95, spread=0.03, grain=0.08, gloss=0.1),
    Material.LAMP: Surface(0.65, spread=0.15, grain=0.20, gloss=0.3, strength=0.95),
    Material.TRIM: Surface(0.12, spread=0.06, grain=0.05, gloss=0.4, strength=0.94),
    Material.CABIN: Surface(0.18, spread=0.08, grain=0.06, gloss=0.3, strength=0.8),
    Material.CLOTH_LIGHT: Surface(0.40, spread=0.12, grain=0.08, gloss=0.2),
    Material.CLOTH_DARK: Surface(0.20, spread=0.10, grain=0.07, gloss=0.2),
    Material.SKIN: Surface(0.35, spread=0.05, grain=0.06, gloss=0.2),
    Material.METAL: Surface(0.22, spread=0.10, grain=0.08, gloss=0.5, strength=0.95),
    Material.SIGN: Surface(0.90, spread=0.08, grain=0.10, gloss=0.1),
    Material.BRICK: Surface(0.28, spread=0.07, grain=0.06, gloss=0.2),
    Material.PLASTER: Surface(0.40, spread=0.10, grain=0.05, gloss=0.2),
    Material.WOOD: Surface(0.30, spread=0.08, grain=0.06, gloss=0.2),
    Material.LEAVES: Surface(0.30, spread=0.06, grain=0.12, opacity=0.75, gloss=0.2, depth=0.30, strength=0.9),
    Material.HEDGE: Surface(0.32, spread=0.06, grain=0.12, gloss=0.2, depth=0.10, strength=0.95),
    Material.MESH: Surface(0.20, spread=0.06, grain=0.08, opacity=0.35, gloss=0.3),
    Material.SPOKES: Surface(0.25, spread=0.08, grain=0.10, opacity=0.30, gloss=0.3),
}


def table(field: str) -> np.ndarray:
    """One property of all materials, float64 ``[number of materials]``, indexed by :class:`Material`."""
    return np.array([getattr(SURFACES[material], field) for material in Material], dtype=np.float64)
