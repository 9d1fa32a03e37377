"""The shape of a street: its line, its cross-section, and the ground on either side of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from formerdata.scenes.ground import Ground
from formerdata.scenes.materials import Material
from formerdata.scenes.mesh import Mesh, sheet


@dataclass(frozen=True)
class Street:
    """An arc with a carriageway, a pavement on either side (perhaps of no width), and a verge beyond.

    Attributes:
        x, y: A point of its middle line in the LiDAR frame, m.
        yaw: Direction of the middle line there, rad.
        curvature: 1/m, positive to the left.
        half_width: Half the carriageway, m.
        pavement: Width of each pavement, m.
        kerb: Height of the kerb, m.
        rise: ``(right, left)`` slope of the verge, away from the street.
    """

    x: float
    y: float
    yaw: float
    curvature: float
    half_width: float
    pavement: float
    kerb: float
    rise: tuple[float, float]

    @property
    def edge(self) -> float:
        """Distance from the middle line at which the verge begins, m."""
        return self.half_width + self.pavement

    def place(self, along: float, across: float) -> tuple[float, float, float]:
        """x, y and the street's direction at ``along`` m down the street and ``across`` m left of its middle."""
        x, y, yaw = self.lines(np.array(along), np.array(across))
        return float(x), float(y), float(yaw)

    def lines(self, along: np.ndarray, across: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same for arrays."""
        turn = self.curvature * along
        # The chord of the arc: exact for a circle, and stable where the curvature vanishes.
        chord = along * np.sinc(turn / (2 * np.pi))
        x = chord * np.cos(turn / 2) - across * np.sin(turn)
        y = chord * np.sin(turn / 2) + across * np.cos(turn)
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return self.x + c * x - s * y, self.y + s * x + c * y, self.yaw + turn

    def lift(self, across: float) -> float:
        """Height of the street's cross-section above the lie of the land."""
        beyond = abs(across) - self.half_width
        if beyond <= 0:
            return 0.0
        slope = self.rise[int(across > 0)]
        return self.kerb + slope * max(0.0, abs(across) - self.edge)

    def crossing(self, along: float, half_width: float, rng: np.random.Generator) -> Street:
        """A side street that crosses this one at ``along``."""
        x, y, yaw = self.place(along, 0.0)
        turn = np.pi / 2 + rng.normal(0.0, 0.12)
        # Level verges: they meet those of this street, whatever their slope.
        return Street(x, y, yaw + turn, 0.0, half_width, self.pavement, self.kerb, (0.0, 0.0))


def roadside(street: Street, ground: Ground, gaps: list[tuple[float, float]], rng: np.random.Generator) -> list[Mesh]:
    """Kerbs, pavements and verges as surfaces, left out where ``gaps`` (from, to; m along) are."""
    along = np.arange(-72.0, 84.0, 2.0)
    meshes = []
    rough = rng.uniform(0.01, 0.05)
    verge = Material.GRASS if rng.random() < 0.6 else Material.PAVING
    for side in (-1.0, 1.0):
        for piece in _pieces(along, gaps):
            kerb = np.array([0.0, 0.02, max(street.pavement, 0.05)]) + street.half_width
            heights = np.array([-0.02, street.kerb, street.kerb])
            meshes.append(_ribbon(street, ground, piece, side * kerb, heights, Material.PAVING))
            out = np.array([0.0, 1.0, 2.0, 3.0, 4.5, 6.0, 8.0, 11.0, 15.0])
            heights = street.kerb + street.rise[int(side > 0)] * out - 0.01
            bumps = rng.normal(0.0, rough, (len(piece), len(out)))
            bumps[:, 0] = 0.0
            meshes.append(_ribbon(street, ground, piece, side * (street.edge + out), heights + bumps, verge))
    return meshes


def _pieces(along: np.ndarray, gaps: list[tuple[float, float]]) -> list[np.ndarray]:
    """Runs of ``along`` outside the gaps, two stations long at least."""
    free = np.ones(len(along), dtype=bool)
    for start, stop in gaps:
        free &= (along < start) | (along > stop)
    cuts = np.flatnonzero(np.diff(free.astype(int))) + 1
    return [
        run for run, keep in zip(np.split(along, cuts), np.split(free, cuts), strict=True) if keep[0] and len(run) > 1
    ]


def _ribbon(
    street: Street, ground: Ground, along: np.ndarray, across: np.ndarray, heights: np.ndarray, material: Material
) -> Mesh:
    x, y, _ = street.lines(along[:, None], across[None, :])
    return sheet(np.stack([x, y, ground.height(x, y) + heights], axis=-1), material)
