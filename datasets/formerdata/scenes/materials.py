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
        reflectance: Typical reflectance in KITTI's scale, 0 to 1, seen square on.
        spread: Relative deviation between things of that material.
        grain: Standard deviation between points of one thing.
        gloss: The answer goes with the cosine of the angle of incidence to this power (0: matt, like a retroreflector).
        opacity: Share of pulses that do not pass.
        depth: Mean depth at which a pulse answers behind the surface, m (foliage, grass).
        veil: What is lost of the answer on the way to the surface (things behind glass).
    """

    reflectance: float
    spread: float = 0.25
    grain: float = 0.05
    gloss: float = 0.3
    opacity: float = 1.0
    depth: float = 0.0
    veil: float = 0.0


SURFACES: dict[Material, Surface] = {
    Material.ASPHALT: Surface(0.31, grain=0.04, gloss=0.04),
    Material.MARKING: Surface(0.55, grain=0.10, gloss=0.04),
    Material.PAVING: Surface(0.36, grain=0.06, gloss=0.04),
    Material.GRASS: Surface(0.40, grain=0.08, gloss=0.04, depth=0.015),
    Material.PAINT_LIGHT: Surface(0.48, grain=0.05, gloss=1.0),
    Material.PAINT_MID: Surface(0.26, spread=0.4, grain=0.05, gloss=1.1),
    Material.PAINT_DARK: Surface(0.025, spread=0.6, grain=0.02, gloss=1.1),
    Material.GLASS: Surface(0.003, spread=0.6, grain=0.01, gloss=1.0, opacity=0.65),
    Material.TYRE: Surface(0.08, grain=0.04, gloss=0.4),
    Material.PLATE: Surface(0.98, spread=0.03, grain=0.06, gloss=0.0),
    Material.LAMP: Surface(0.80, grain=0.25, gloss=0.3),
    Material.TRIM: Surface(0.10, spread=0.5, grain=0.05, gloss=0.5),
    Material.CABIN: Surface(0.10, spread=0.5, grain=0.05, gloss=0.5, veil=0.75),
    Material.CLOTH_LIGHT: Surface(0.55, grain=0.10, gloss=0.3, depth=0.02),
    Material.CLOTH_DARK: Surface(0.36, spread=0.4, grain=0.09, gloss=0.3, depth=0.02),
    Material.SKIN: Surface(0.48, grain=0.06, gloss=0.3),
    Material.METAL: Surface(0.28, spread=0.5, grain=0.08, gloss=0.5),
    Material.SIGN: Surface(0.90, spread=0.1, grain=0.10, gloss=0.1),
    Material.BRICK: Surface(0.36, grain=0.06, gloss=0.25),
    Material.PLASTER: Surface(0.46, grain=0.05, gloss=0.25),
    Material.WOOD: Surface(0.36, grain=0.06, gloss=0.3),
    Material.LEAVES: Surface(0.32, spread=0.4, grain=0.14, gloss=0.2, opacity=0.75, depth=0.30),
    Material.HEDGE: Surface(0.40, spread=0.3, grain=0.13, gloss=0.2, depth=0.12),
    Material.MESH: Surface(0.28, grain=0.08, gloss=0.3, opacity=0.35),
    Material.SPOKES: Surface(0.25, grain=0.10, gloss=0.3, opacity=0.30),
}


def table(field: str) -> np.ndarray:
    """One property of all materials, float64 ``[number of materials]``, indexed by :class:`Material`."""
    return np.array([getattr(SURFACES[material], field) for material in Material], dtype=np.float64)
