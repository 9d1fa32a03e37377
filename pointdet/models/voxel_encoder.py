"""Dynamic voxel feature encoder (Zhou et al., 2020, as LION uses it): two point-wise layers, each pooled by voxel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pointdet.ops.segments import segment_expand, segment_max, segment_mean
from pointdet.ops.voxelize import VoxelizedPoints
from pointdet.ops.voxels import Voxels

Triple = tuple[float, float, float]


class DynamicVoxelEncoder(nn.Module):
    """Points of each voxel to one feature vector.

    A point's input is its own features, its offset from the mean of its voxel's points, and its offset from the
    voxel's centre. Each layer is linear, batch norm, ReLU, then the maximum over the voxel; all layers but the last
    hand on the point's features beside its voxel's.

    Args:
        point_features: Features of a point: x, y, z and what else the sensor gives (KITTI: 4).
        channels: Width of each layer's output.
        voxel_size: (x, y, z), m.
        lower: (x, y, z) of the range's lower corner, m.
    """

    def __init__(self, point_features: int, channels: tuple[int, ...], voxel_size: Triple, lower: Triple) -> None:
        super().__init__()
        self.voxel_size, self.lower = voxel_size, lower
        self.layers = nn.ModuleList()
        width = point_features + 6
        for i, out in enumerate(channels):
            hidden = out if i == len(channels) - 1 else out // 2
            self.layers.append(PointLayer(width, hidden))
            width = 2 * hidden

    def forward(self, cloud: VoxelizedPoints) -> Voxels:
        """Voxel features [N, channels[-1]] on ``cloud.grid``."""
        features, segments = cloud.points[:, 1:], cloud.segments
        xyz = features[:, :3]
        size, lower = xyz.new_tensor(self.voxel_size), xyz.new_tensor(self.lower)
        centre = cloud.cells.to(xyz.dtype) * size + size / 2 + lower
        mean = segment_expand(segment_mean(xyz, segments), segments)
        x = torch.cat([features, xyz - mean, xyz - centre], dim=1)
        pooled = x
        for i, layer in enumerate(self.layers):
            x = layer(x)
            pooled = segment_max(x, segments)
            if i < len(self.layers) - 1:
                x = torch.cat([x, segment_expand(pooled, segments)], dim=1)
        return Voxels(pooled, cloud.grid)


class PointLayer(nn.Module):
    """Linear, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels, bias=False)
        self.norm = nn.BatchNorm1d(out_channels, eps=1e-3, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """[P, in_channels] to [P, out_channels]."""
        return torch.relu(self.norm(self.linear(x)))
