"""How fast built-in scenes are made, and how fast the rays are cast.

    python -m benchmarks.scene_generation

The ray caster on about 130,000 rays, 30 boxes and a ground; Open3D's ``RaycastingScene`` (extra ``viz``) on the same
rays and triangles is measured in the same run if it is installed. Then whole scenes, written to a temporary folder by
one and by two processes: how long the processes take to start, and the rate from then on.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from formerdata.scenes import SceneSettings, generate
from formerdata.scenes.caster import cast
from formerdata.scenes.ground import ground_mesh, make_ground
from formerdata.scenes.lidar import UPPER_BEAMS, Rays, scan_rays
from formerdata.scenes.materials import Material
from formerdata.scenes.mesh import Mesh, box, merge
from formerdata.scenes.scene import make_scene

from benchmarks.timing import machine, medians, print_table
from formerkit.io import FormerkitError, require

FEW, MANY = 20, 120
"""Scenes of two folders: the difference of their times is free of what the processes take to start."""


def boxes_on_a_ground(boxes: int = 30) -> Mesh:
    """A rolling ground with boxes of a car's size."""
    rng = np.random.default_rng(0)
    car = box((-2, -0.8, 0), (2, 0.8, 1.5), Material.METAL)
    places = rng.uniform([-40, -40, 0], [40, 40, 6], (boxes, 3))
    return merge([ground_mesh(make_ground(rng)), *(car.moved(x, y, -1.73, yaw) for x, y, yaw in places)])


def time_caster() -> None:
    """Milliseconds for one scan of a simple scene."""
    rays, mesh = scan_rays(np.random.default_rng(1)), boxes_on_a_ground()
    shape = rays.directions.shape[:2]
    opacity, owners, chance = np.ones(len(mesh)), np.full(len(mesh), -1, np.int32), np.zeros(shape)

    def ours() -> None:
        cast(rays, mesh.corners, opacity, owners, num_owners=0, chance=chance, max_range=80.0)

    calls: dict[str, Callable[[], object]] = {"formerdata.scenes.caster": ours}
    try:
        calls["open3d RaycastingScene"] = open3d_caster(rays, mesh)
    except FormerkitError as error:
        print(f"without Open3D: {error}")
    title = f"{shape[0] * shape[1]:,} rays, {len(mesh):,} triangles (30 boxes and a ground)"
    print_table(title, medians(calls), "formerdata.scenes.caster")


def open3d_caster(rays: Rays, mesh: Mesh):  # type: ignore[no-untyped-def]
    """A function that casts the same rays with Open3D."""
    o3d = require("open3d", "viz", purpose="the comparison with Open3D")
    scene = o3d.t.geometry.RaycastingScene()
    corners = mesh.corners.reshape(-1, 3).astype(np.float32)
    scene.add_triangles(
        o3d.core.Tensor(corners), o3d.core.Tensor(np.arange(len(corners), dtype=np.uint32).reshape(-1, 3))
    )
    origins = np.zeros_like(rays.directions, dtype=np.float32)
    origins[:UPPER_BEAMS, :, 2], origins[UPPER_BEAMS:, :, 2] = rays.origins
    packed = o3d.core.Tensor(np.concatenate([origins, rays.directions.astype(np.float32)], axis=-1).reshape(-1, 6))
    return lambda: scene.cast_rays(packed)


def time_scenes() -> None:
    """Scenes a second, in memory and as folders."""
    make_scene(0, 0, SceneSettings())  # compiles
    start = time.perf_counter()
    for number in range(10):
        make_scene(1, number, SceneSettings())
    print(f"\nscenes in memory, 1 process: {10 / (time.perf_counter() - start):.1f} a second")
    for workers in (1, 2):
        few, many = (seconds_of_folder(scenes, workers) for scenes in (FEW, MANY))
        a_scene = (many - few) / (MANY - FEW)
        print(
            f"folders, {workers} process(es): {1 / a_scene:.1f} scenes a second after {few - FEW * a_scene:.1f} s of "
            f"start; {MANY} scenes in {many:.1f} s, {MANY / many:.1f} a second"
        )


def seconds_of_folder(scenes: int, workers: int) -> float:
    """How long a folder of so many scenes takes, all in all."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        generate(Path(folder) / "x", num_train=scenes, num_val=0, seed=0, num_workers=workers, progress=False)
        return time.perf_counter() - start


def main() -> None:
    print(machine())
    time_caster()
    time_scenes()


if __name__ == "__main__":
    main()
