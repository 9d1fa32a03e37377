"""Triangle meshes from a few shapes: boxes, tubes, ellipsoids and lofts.

Every thing in a scene is a mesh, so that one ray caster serves all of them. A mesh is built in its own frame (x
forward, y left, z up, origin on the ground below its middle) and moved to its place with :meth:`Mesh.moved`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from formerdata.scenes.materials import Material


@dataclass(frozen=True)
class Mesh:
    """A triangle soup.

    Attributes:
        corners: ``[T, 3, 3]`` float64, the three corners of each triangle, m.
        materials: ``[T]`` int16, a :class:`~formerdata.scenes.materials.Material` each.
    """

    corners: np.ndarray
    materials: np.ndarray

    def __len__(self) -> int:
        return len(self.corners)

    @property
    def low(self) -> np.ndarray:
        """``[3]`` smallest coordinates."""
        return self.corners.reshape(-1, 3).min(0)

    @property
    def high(self) -> np.ndarray:
        """``[3]`` largest coordinates."""
        return self.corners.reshape(-1, 3).max(0)

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0, yaw: float = 0.0) -> Mesh:
        """The mesh turned by ``yaw`` about its z axis (counter-clockwise, rad), then shifted."""
        c, s = np.cos(yaw), np.sin(yaw)
        turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        return replace(self, corners=self.corners @ turn + np.array([x, y, z]))

    def fitted(self, length: float, width: float, height: float) -> Mesh:
        """The mesh stretched so that it fills ``[-l/2, l/2] x [-w/2, w/2] x [0, h]`` exactly."""
        low, high = self.low, self.high
        size = np.array([length, width, height])
        shift = np.array([0.5, 0.5, 0.0])
        return replace(self, corners=((self.corners - low) / (high - low) - shift) * size)


@dataclass(frozen=True)
class Model:
    """A mesh and the size of the box that is drawn around it: length, width, height, m.

    The box stands on the origin; small parts (mirrors) may stick out of it.
    """

    mesh: Mesh
    size: tuple[float, float, float]


def model(mesh: Mesh, *, margin: float = 0.0) -> Model:
    """A mesh that is centred on its origin, with the box around its extent and ``margin`` m more on every side."""
    length, width, _ = (float(v) for v in mesh.high - mesh.low)
    return Model(mesh, (length + 2 * margin, width + 2 * margin, float(mesh.high[2])))


def merge(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh of all ``meshes``."""
    return Mesh(np.concatenate([m.corners for m in meshes]), np.concatenate([m.materials for m in meshes]))


def _mesh(corners: np.ndarray, material: Material) -> Mesh:
    return Mesh(np.ascontiguousarray(corners, dtype=np.float64), np.full(len(corners), int(material), dtype=np.int16))


def quads(corners: np.ndarray, material: Material) -> Mesh:
    """Two triangles for each of the quadrilaterals ``corners`` ``[Q, 4, 3]`` (in turn around the edge)."""
    corners = np.asarray(corners, dtype=np.float64).reshape(-1, 4, 3)
    return _mesh(corners[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3, 3), material)


def sheet(grid: np.ndarray, material: Material) -> Mesh:
    """A surface through the points ``grid`` ``[rows, columns, 3]``."""
    grid = np.asarray(grid, dtype=np.float64)
    cells = np.stack([grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]], axis=2)
    return quads(cells.reshape(-1, 4, 3), material)


def loft(sections: np.ndarray, material: Material, *, caps: bool = True) -> Mesh:
    """A skin over closed cross-sections ``[stations, points, 3]``, with fans over both ends."""
    sections = np.asarray(sections, dtype=np.float64)
    stations, points, _ = sections.shape
    rows = sections.reshape(-1, 3)
    if caps:
        rows = np.concatenate([rows, sections[[0, -1]].mean(1)])
    return _mesh(rows[_skin(stations, points, caps)], material)


@lru_cache(maxsize=256)
def _skin(stations: int, points: int, caps: bool) -> np.ndarray:
    """``[T, 3]`` rows of a loft's triangles; a scene has hundreds of lofts of a few shapes."""
    row = np.arange(stations * points).reshape(stations, points)
    after = np.roll(row, -1, axis=1)
    # Two triangles for each cell between neighbouring stations and points.
    a, b, c, d = row[:-1], row[1:], after[1:], after[:-1]
    faces = [np.stack([a, b, c], axis=2), np.stack([a, c, d], axis=2)]
    if caps:
        centres = np.repeat(row.size + np.arange(2), points).reshape(2, points)
        faces.append(np.stack([centres, row[[0, -1]], after[[0, -1]]], axis=2))
    return np.concatenate([face.reshape(-1, 3) for face in faces])


def box(low: ArrayLike, high: ArrayLike, material: Material) -> Mesh:
    """An axis-aligned box between two opposite corners."""
    (x0, y0, z0), (x1, y1, z1) = np.asarray(low), np.asarray(high)
    rings = [[[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]] for z in (z0, z1)]
    return merge([loft(np.array(rings), material, caps=False), quads(np.array(rings), material)])


def tube(
    start: ArrayLike,
    end: ArrayLike,
    radius: float,
    material: Material,
    *,
    end_radius: float | None = None,
    sides: int = 8,
    flatten: float = 1.0,
) -> Mesh:
    """A (tapered) cylinder from ``start`` to ``end``.

    Args:
        radius: Radius at ``start``, m.
        end_radius: Radius at ``end`` (default: the same).
        flatten: Factor on the radius in the direction that is most nearly x: below 1 for flat torsos.
    """
    start, end = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    axis = (end - start) / np.linalg.norm(end - start)
    # Gram-Schmidt on the world axis that is least parallel, x by preference.
    helper = np.array([1.0, 0.0, 0.0]) if abs(axis[0]) < 0.9 else np.array([0.0, 0.0, 1.0])
    first = helper - axis * (helper @ axis)
    first /= np.linalg.norm(first)
    second = np.cross(axis, first)
    angle = np.arange(sides) * (2 * np.pi / sides)
    ring = np.cos(angle)[:, None] * first * flatten + np.sin(angle)[:, None] * second
    last = radius if end_radius is None else end_radius
    return loft(np.stack([start + radius * ring, end + last * ring]), material)


def ellipsoid(
    centre: ArrayLike,
    radii: ArrayLike,
    material: Material,
    *,
    sides: int = 8,
    stacks: int = 5,
    bumps: np.ndarray | None = None,
) -> Mesh:
    """An ellipsoid with axes along x, y and z.

    Args:
        bumps: ``[stacks - 1, sides]`` factors on the radius, for crowns and bushes.
    """
    polar = np.arange(1, stacks) * (np.pi / stacks)
    angle = np.arange(sides) * (2 * np.pi / sides)
    unit = np.stack(
        [
            np.sin(polar)[:, None] * np.cos(angle),
            np.sin(polar)[:, None] * np.sin(angle),
            np.broadcast_to(np.cos(polar)[:, None], (stacks - 1, sides)),
        ],
        axis=-1,
    )
    if bumps is not None:
        unit = unit * bumps[..., None]
    poles = np.stack([np.tile([0.0, 0.0, z], (sides, 1)) for z in (1.0, -1.0)])
    rings = np.concatenate([poles[:1], unit, poles[1:]])
    return loft(np.asarray(centre) + rings * np.asarray(radii), material, caps=False)
