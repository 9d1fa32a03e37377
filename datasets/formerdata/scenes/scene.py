"""One scene from its seed: world, rays, points, labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from formerdata.scenes.camera import Rig, make_rig
from formerdata.scenes.caster import Hits, cast
from formerdata.scenes.ground import plane_of
from formerdata.scenes.labels import Evidence, label_line
from formerdata.scenes.layout import World, build_world
from formerdata.scenes.lidar import Echoes, Rays, measure, scan_rays
from formerdata.scenes.materials import table
from formerdata.scenes.mesh import Mesh, merge
from formerdata.scenes.settings import SceneSettings
from formerkit.seeds import generator


@dataclass(frozen=True)
class Scene:
    """A finished scene.

    Attributes:
        points: ``[P, 4]`` float32 rows (x, y, z, reflectance).
        owners: ``[P]`` int64, the index in ``world.actors`` of the actor that a point lies on, or -1.
        world: What was there.
        evidence: How well each actor was seen.
        rig: Calibration.
        label: Text of the label file.
        plane: ``[4]`` float64, road plane in the rectified camera frame (normal up, so b < 0).
    """

    points: np.ndarray
    owners: np.ndarray
    world: World
    evidence: list[Evidence]
    rig: Rig
    label: str
    plane: np.ndarray


def make_scene(seed: int, number: int, settings: SceneSettings) -> Scene:
    """Scene ``number`` of the series ``seed``: a pure function of its arguments."""
    rng = generator(seed, "scene", number)
    rig = make_rig(rng)
    world = build_world(rng, settings)
    rays = scan_rays(rng)
    mesh, owners, tone = _assemble(world, rng)
    hits = cast(
        rays,
        mesh.corners,
        table("opacity")[mesh.materials],
        owners,
        num_owners=len(world.actors),
        chance=rng.random(rays.directions.shape[:2]),
        max_range=settings.sensor.max_range,
    )
    echoes = _echoes(rays, hits, mesh, tone)
    points, seen = measure(rays, echoes, settings.sensor, rng)
    point_owners = owners[hits.triangle.ravel()[echoes.rays[seen]]].astype(np.int64)
    evidence = _evidence(hits, owners, point_owners, len(world.actors))
    lines = [label_line(a, e, rig, settings.label_range) for a, e in zip(world.actors, evidence, strict=True)]
    # KITTI's files list DontCare regions last.
    lines.sort(key=lambda line: line is not None and line.startswith("DontCare"))
    return Scene(points, point_owners, world, evidence, rig, "".join(filter(None, lines)), _rect_plane(world, rig))


def _assemble(world: World, rng: np.random.Generator) -> tuple[Mesh, np.ndarray, np.ndarray]:
    """All triangles in the LiDAR frame, the actor and the relative brightness of each."""
    things = [actor.mesh.moved(*actor.place, actor.yaw) for actor in world.actors] + world.scenery
    lengths = [len(thing) for thing in things]
    mesh = merge(things)
    index = np.repeat(np.arange(len(things)), lengths)
    owners = np.where(index < len(world.actors), index, -1).astype(np.int32)
    # One draw a thing and material: two cars of one paint differ, the doors of one car do not.
    spread = table("spread")
    tones = np.exp(rng.normal(size=(len(things), len(spread))) * spread)
    return mesh, owners, tones[index, mesh.materials]


def _echoes(rays: Rays, hits: Hits, mesh: Mesh, tone: np.ndarray) -> Echoes:
    ray = np.flatnonzero(hits.triangle.ravel() >= 0)
    triangle = hits.triangle.ravel()[ray]
    a, b, c = (mesh.corners[:, i] for i in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    incidence = np.abs(np.einsum("ij,ij->i", normal[triangle], rays.directions.reshape(-1, 3)[ray]))
    return Echoes(ray, hits.distance.ravel()[ray], mesh.materials[triangle], tone[triangle], incidence)


def _evidence(hits: Hits, owners: np.ndarray, point_owners: np.ndarray, count: int) -> list[Evidence]:
    hit_owner = owners[hits.triangle[hits.triangle >= 0]]
    visible = np.bincount(hit_owner[hit_owner >= 0], minlength=count)
    points = np.bincount(point_owners[point_owners >= 0], minlength=count)
    return [
        Evidence(int(points[i]), float(visible[i] / hits.own_rays[i]) if hits.own_rays[i] else 0.0)
        for i in range(count)
    ]


def _rect_plane(world: World, rig: Rig) -> np.ndarray:
    """The road plane in the rectified camera frame."""
    plane = plane_of(world.ground)
    on_plane = -plane[3] * plane[:3]
    ends = rig.lidar_to_rect(np.stack([on_plane, on_plane + plane[:3]]))
    normal = ends[1] - ends[0]
    return np.append(normal, -normal @ ends[0])
