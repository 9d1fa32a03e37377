"""Sparse voxel tensors: a grid of active voxels, and features on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pointdet.ops.neighbors import NeighborMap, neighbor_map
from pointdet.ops.segments import Segments, group_by_key
from pointdet.ops.windows import Axis, GroupedOrder, grouped_order, window_rank


class VoxelGrid:
    """Active voxels of a batch, with the index maps that layers on them share.

    Args:
        coords: [N, 4] int32 (b, z, y, x), each voxel once; rows of a sample stand together, samples ascend.
        spatial_shape: (Z, Y, X), voxels.
        batch_size: Number of samples; some may have no voxel.
    """

    def __init__(self, coords: Tensor, spatial_shape: tuple[int, int, int], batch_size: int) -> None:
        self.coords = coords
        self.spatial_shape = spatial_shape
        self.batch_size = batch_size
        self.counts: list[int] = torch.bincount(coords[:, 0].long(), minlength=batch_size).tolist()
        self._neighbors: NeighborMap | None = None
        self._flat_neighbors: NeighborMap | None = None
        self._orders: dict[tuple, GroupedOrder] = {}
        self.cache: dict[str, Any] = {}
        """What a back end wants to keep with the grid."""

    def __len__(self) -> int:
        return self.coords.shape[0]

    def neighbors(self) -> NeighborMap:
        """The index map of a 3 x 3 x 3 submanifold convolution, built once."""
        if self._neighbors is None:
            self._neighbors = neighbor_map(self.coords, self.spatial_shape)
        return self._neighbors

    def flat_neighbors(self) -> NeighborMap:
        """The index map of a 3 x 3 submanifold convolution among voxels of one height, built once."""
        if self._flat_neighbors is None:
            self._flat_neighbors = neighbor_map(self.coords, self.spatial_shape, flat=True)
        return self._flat_neighbors

    def order(self, window: tuple[int, int, int], group_size: int, *, shift: bool, axis: Axis) -> GroupedOrder:
        """The voxels as groups in window order (see :mod:`pointdet.ops.windows`), built once a setting."""
        key = (window, group_size, shift, axis)
        if key not in self._orders:
            rank = window_rank(self.coords, self.spatial_shape, window, shift=shift, axis=axis)
            self._orders[key] = grouped_order(rank, self.counts, group_size)
        return self._orders[key]


@dataclass(frozen=True)
class Voxels:
    """Features [N, C] on the voxels of ``grid``."""

    features: Tensor
    grid: VoxelGrid

    def with_features(self, features: Tensor) -> Voxels:
        """Other features on the same voxels."""
        return replace(self, features=features)


def voxel_keys(coords: Tensor, spatial_shape: tuple[int, int, int]) -> Tensor:
    """Linear keys [N] int64 that ascend by (b, x, y, z), the row order of the reference."""
    depth, height, width = spatial_shape
    b, z, y, x = coords.long().unbind(1)
    return ((b * width + x) * height + y) * depth + z


def coords_of_keys(keys: Tensor, spatial_shape: tuple[int, int, int]) -> Tensor:
    """The inverse of :func:`voxel_keys`: [N, 4] int32 (b, z, y, x)."""
    depth, height, width = spatial_shape
    z, keys = keys % depth, keys // depth
    y, keys = keys % height, keys // height
    return torch.stack([keys // width, z, y, keys % width], dim=1).int()


def merge_coords(coords: Tensor, spatial_shape: tuple[int, int, int], batch_size: int) -> tuple[VoxelGrid, Segments]:
    """The distinct voxels of ``coords`` [N, 4] in the order of :func:`voxel_keys`, and which rows fell on each."""
    keys, segments = group_by_key(voxel_keys(coords, spatial_shape))
    return VoxelGrid(coords_of_keys(keys, spatial_shape), spatial_shape, batch_size), segments
