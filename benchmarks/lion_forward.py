"""Where the time of one LION frame goes, and how Mamba's scan compares with a loop over tokens in Python.

    python -m benchmarks.lion_forward [--scan FILE] [--operator NAME] [--loop]

The published KITTI model (random weights) on one KITTI scan, cut to the point cloud range but not to the camera's view:
that gives about the voxels that the published figures speak of. Without ``--scan`` a made-up scan of 17,000 voxels on a
rough ground takes its place. ``--loop`` also runs the whole forward pass with the recurrence as a Python loop over
tokens (a minute or so); it is for Mamba alone.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path
from typing import Any, get_args
from unittest import mock

import numpy as np
import torch

from benchmarks.timing import machine
from formerkit.memory import keep_freed_memory
from formerkit.mixers.selective_scan import selective_scan_reference
from pointdet.models.lion import LION, Voxels
from pointdet.models.lion_blocks import Operator
from pointdet.ops.voxelize import voxelize


def made_up_scan(seed: int = 0) -> np.ndarray:
    """[P, 4] points on a rough ground and some walls."""
    g = np.random.default_rng(seed)
    radius, angle = 70 * g.random(60_000) ** 1.5, np.pi * (g.random(60_000) - 0.5)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    z = np.where(g.random(60_000) < 0.3, -1.7 + 2.5 * g.random(60_000), -1.7 + 0.05 * g.standard_normal(60_000))
    return np.stack([x, y, z, g.random(60_000)], axis=1).astype(np.float32)


def read_points(path: Path | None) -> torch.Tensor:
    """[P, 5] points with a sample index, inside the range."""
    points = made_up_scan() if path is None else np.fromfile(path, np.float32).reshape(-1, 4)
    rows = torch.from_numpy(points)
    return torch.cat([torch.zeros(len(rows), 1), rows], dim=1)


@torch.no_grad()
def one_frame(model: LION, points: torch.Tensor) -> dict[str, float]:
    """Seconds of each stage."""
    seconds: dict[str, float] = {}
    mark = [time.perf_counter()]

    def lap(name: str, _: Voxels | None = None) -> None:
        now = time.perf_counter()
        seconds[name] = seconds.get(name, 0.0) + now - mark[0]
        mark[0] = now

    cloud = voxelize(points, model.point_cloud_range, model.voxel_size, 1)
    lap("voxelise")
    voxels = model.voxel_encoder(cloud)
    lap("voxel encoder")

    def trace(name: str, voxels: Voxels) -> None:
        if name.startswith("blocks.") and name.count(".") == 1:
            return
        if ".merges" in name:
            lap("descriptors and merges in blocks")
        elif name.startswith("merges"):
            lap("descriptors, generation and merges along z")
        else:
            lap(f"RNN layers, {'last layer' if name == 'out' else 'block ' + name.split('.')[1]}")

    voxels = model.backbone(voxels, trace)
    features = model.map_features(voxels)
    lap("bird's-eye map and 2D backbone")
    model.head(features)
    lap("head")
    return seconds


def loop_over_tokens(*inputs: Any) -> torch.Tensor:
    """The selective scan's output, by the recurrence."""
    *tensors, cu_seqlens, reverse = inputs
    return selective_scan_reference(*tensors, cu_seqlens=cu_seqlens, reverse=reverse)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scan", type=Path)
    parser.add_argument("--operator", choices=get_args(Operator), default="mamba")
    parser.add_argument("--loop", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.loop and arguments.operator != "mamba":
        parser.error("--loop is for Mamba alone")
    keep_freed_memory()
    torch.manual_seed(0)
    model, points = LION(operator=arguments.operator).eval(), read_points(arguments.scan)
    voxels = len(voxelize(points, model.point_cloud_range, model.voxel_size, 1).grid)
    print(f"{machine()}\n{len(points)} points, {voxels} voxels")
    runs = [one_frame(model, points) for _ in range(arguments.runs + 1)][1:]
    median = {name: float(np.median([run[name] for run in runs])) for name in runs[0]}
    total = float(np.median([sum(run.values()) for run in runs]))
    for name, value in median.items():
        print(f"  {name:<45} {1e3 * value:8.1f} ms")
    print(f"  {'total':<45} {1e3 * total:8.1f} ms")
    print(f"  {'most memory of the process':<45} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MB")
    if arguments.loop:
        mixer = "formerkit.mixers.mamba"
        with (
            mock.patch(f"{mixer}.selective_scan_output", loop_over_tokens),
            mock.patch(f"{mixer}.serves", return_value=False),
        ):
            loop = one_frame(model, points)
        outside = sum(value for name, value in median.items() if not name.startswith("RNN"))
        print(f"\n  with a Python loop over tokens: {sum(loop.values()):.1f} s, {sum(loop.values()) / total:.1f} x")
        print(f"  RNN layers alone: {(sum(loop.values()) - outside) / (total - outside):.1f} x")


if __name__ == "__main__":
    main()
