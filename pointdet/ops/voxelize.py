"""Dynamic voxelisation: every point counts, no voxel or point caps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pointdet.ops.segments import Segments
from pointdet.ops.voxels import VoxelGrid, merge_coords


@dataclass(frozen=True)
class VoxelizedPoints:
    """Points of a batch inside the grid.

    Attributes:
        points: [P, 1 + C] the points that fell inside: sample index, x, y, z, further features.
        cells: [P, 3] int32 voxel indices (x, y, z) of each point.
        grid: The occupied voxels, ascending by (b, x, y, z).
        segments: Which voxel each point is in.
    """

    points: Tensor
    cells: Tensor
    grid: VoxelGrid
    segments: Segments


def grid_shape(
    point_cloud_range: tuple[float, float, float, float, float, float], voxel_size: tuple[float, float, float]
) -> tuple[int, int, int]:
    """(X, Y, Z) voxels in the range.

    Raises:
        ValueError: If the range is not a whole number of voxels, or a voxel has no size.
    """
    shape = []
    for axis in range(3):
        if not voxel_size[axis] > 0:
            raise ValueError(f"voxel_size: expected lengths above 0, got {voxel_size}")
        cells = (point_cloud_range[axis + 3] - point_cloud_range[axis]) / voxel_size[axis]
        if round(cells) < 1 or abs(cells - round(cells)) > 1e-3:
            raise ValueError(
                f"point_cloud_range and voxel_size: axis {'xyz'[axis]} has {cells:.4f} voxels, expected a whole number"
            )
        shape.append(round(cells))
    return shape[0], shape[1], shape[2]


def voxelize(
    points: Tensor,
    point_cloud_range: tuple[float, float, float, float, float, float],
    voxel_size: tuple[float, float, float],
    batch_size: int,
) -> VoxelizedPoints:
    """Assign points to voxels.

    Args:
        points: [P, 1 + C] float32: sample index, x, y, z (m), further features.
        point_cloud_range: (x, y, z) of the lower corner, then of the upper one, m.
        voxel_size: (x, y, z), m.
        batch_size: Number of samples.
    """
    shape = grid_shape(point_cloud_range, voxel_size)
    lower, size = points.new_tensor(point_cloud_range[:3]), points.new_tensor(voxel_size)
    # A true division in float32: KITTI's points are whole millimetres and often lie on a voxel's face.
    cells = torch.floor((points[:, 1:4] - lower) / size).int()
    inside = ((cells >= 0) & (cells < cells.new_tensor(shape))).all(dim=1)
    points, cells = points[inside], cells[inside]
    coords = torch.cat([points[:, :1].int(), cells.flip(1)], dim=1)
    grid, segments = merge_coords(coords, (shape[2], shape[1], shape[0]), batch_size)
    return VoxelizedPoints(points, cells, grid, segments)
