"""Range images of one scanner by casting its rays at a world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from formerdata.scenes.caster import cast
from formerdata.scenes.lidar import Rays
from formerdata.scenes.materials import table
from formerdata.scenes.mesh import Mesh
from formerdata.waymo.scanners import Scanner, echo, pixel_rays

_APART = 0.5  # m between two returns of one pulse that the scanner can tell apart


@dataclass(frozen=True)
class Surfaces:
    """What is to be seen.

    Attributes:
        mesh: In the site's frame, but for the last ``body`` triangles, which are the car's own, in the vehicle's frame.
        owners: [T] int32 number of the actor that a triangle belongs to, -1 for none.
        tone: [T] float64, relative brightness.
        body: Number of the car's own triangles.
    """

    mesh: Mesh
    owners: np.ndarray
    tone: np.ndarray
    body: int


@dataclass(frozen=True)
class Taken:
    """What a scanner took.

    Attributes:
        images: Two range images [H, W, 4] float32; the second None if not asked for.
        points: For each image the echoes' x, y, z [N, 3] float64 in the site, in the image's order.
    """

    images: tuple[np.ndarray, np.ndarray | None]
    points: list[np.ndarray]


def scan(
    scanner: Scanner,
    sectors: Sequence[np.ndarray],
    places: Sequence[np.ndarray],
    surfaces: Surfaces,
    rng: np.random.Generator,
    *,
    second: bool,
) -> Taken:
    """One turn.

    Args:
        sectors: Columns of the image that are taken at one time.
        places: [4, 4] site from vehicle, for each of them.
        surfaces: What is to be seen.
        second: Make a second image, of what is behind things that let a part of the pulse pass.
    """
    shape = (scanner.height, scanner.width)
    images = [np.full((*shape, 4), -1.0, dtype=np.float32) for _ in range(1 + second)]
    points = [np.zeros((*shape, 3)) for _ in images]
    extrinsic = scanner.calibration().extrinsic
    for columns, site_from_vehicle in zip(sectors, places, strict=True):
        site_from_scanner = site_from_vehicle @ extrinsic
        mesh = _seen_from(surfaces, site_from_scanner, extrinsic)
        rays, order = pixel_rays(scanner, columns)
        nearest = None
        for image, found in zip(images, points, strict=True):
            distance, triangle = _nearest(scanner, rays, mesh, surfaces.owners, rng)
            if nearest is not None:
                triangle[~(distance > nearest + _APART)] = -1
            part = _pixels(scanner, rays, distance, triangle, mesh, surfaces, rng)
            nearest = np.where(triangle >= 0, distance, np.inf) if nearest is None else nearest
            image[:, columns[order]] = part
            along = rays.directions * part[..., :1].astype(np.float64)
            found[:, columns[order]] = along @ site_from_scanner[:3, :3].T + site_from_scanner[:3, 3]
    held = [found[image[..., 0] > 0] for image, found in zip(images, points, strict=True)]
    return Taken((images[0], images[1] if second else None), held)


def _seen_from(surfaces: Surfaces, site_from_scanner: np.ndarray, extrinsic: np.ndarray) -> Mesh:
    """The surfaces in the scanner's frame."""
    corners = surfaces.mesh.corners
    cut = len(corners) - surfaces.body
    moved = np.empty_like(corners)
    for rows, pose in ((slice(0, cut), site_from_scanner), (slice(cut, None), extrinsic)):
        moved[rows] = (corners[rows] - pose[:3, 3]) @ pose[:3, :3]
    return Mesh(moved, surfaces.mesh.materials)


def _nearest(
    scanner: Scanner, rays: Rays, mesh: Mesh, owners: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Distance and triangle of what each pulse meets; another draw of what lets it pass gives another answer."""
    hits = cast(
        rays,
        mesh.corners,
        table("opacity")[mesh.materials],
        owners,
        num_owners=int(owners.max(initial=-1)) + 1,
        chance=rng.random(rays.directions.shape[:2]),
        max_range=scanner.max_range,
        block_ends=(scanner.height,),
    )
    return hits.distance, hits.triangle


def _pixels(
    scanner: Scanner,
    rays: Rays,
    distance: np.ndarray,
    triangle: np.ndarray,
    mesh: Mesh,
    surfaces: Surfaces,
    rng: np.random.Generator,
) -> np.ndarray:
    """[H, columns, 4] float32 of an image, columns in the order of the rays."""
    made = np.full((*triangle.shape, 4), -1.0, dtype=np.float32)
    # The car's own body hides what is behind it, but is cut out of the images.
    rows, columns = np.nonzero((triangle >= 0) & (triangle < len(mesh) - surfaces.body))
    hit = triangle[rows, columns]
    a, b, c = (mesh.corners[hit, i] for i in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    incidence = np.abs(np.einsum("ij,ij->i", normal, rays.directions[rows, columns]))
    answer = echo(scanner, distance[rows, columns], mesh.materials[hit], surfaces.tone[hit], incidence, rng)
    seen = answer[:, 0] > 0
    made[rows[seen], columns[seen], :3] = answer[seen]
    return made
