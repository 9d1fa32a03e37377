"""Voxels laid out as a bird's-eye map, whole or without its empty cells."""

from __future__ import annotations

import torch
from torch import Tensor

from formerkit.mixers.backends import use_kernels
from pointdet.ops.sparse_map import SparseMap
from pointdet.ops.voxels import Voxels
from pointdet.ops.winograd import EDGE


def bev_map(voxels: Voxels) -> Tensor:
    """Dense bird's-eye map [B, C * Z, Y, X], channels last in memory: channel ``c * Z + z``, zero without a voxel."""
    grid, x = voxels.grid, voxels.features
    depth, height, width = grid.spatial_shape
    b, z, y, column = grid.coords.long().unbind(1)
    dense = x.new_zeros(grid.batch_size * height * width, x.shape[1], depth)
    dense[(b * height + y) * width + column, :, z] = x
    return dense.view(grid.batch_size, height, width, -1).permute(0, 3, 1, 2)


def sparse_bev_map(voxels: Voxels) -> SparseMap:
    """The map of :func:`bev_map`, without its empty cells."""
    grid, x = voxels.grid, voxels.features
    depth, height, width = grid.spatial_shape
    b, z, y, column = grid.coords.long().unbind(1)
    cells, row = torch.unique((b * height + y) * width + column, return_inverse=True)
    rows = x.new_zeros(len(cells), x.shape[1], depth)
    rows[row, :, z] = x
    where = torch.stack([cells // (height * width), cells // width % height, cells % width], dim=1)
    return SparseMap.of_rows(rows.flatten(1), where, (grid.batch_size, height, width))


def sparse_maps_serve(voxels: Voxels) -> bool:
    """Whether the 2D network may skip what is empty: outside training, on a CPU, on a map of whole tiles."""
    x, (_, height, width) = voxels.features, voxels.grid.spatial_shape
    exact = x.dtype in (torch.float32, torch.float64) and not torch.is_autocast_enabled("cpu")
    whole = height % EDGE == 0 and width % EDGE == 0
    return exact and not torch.is_grad_enabled() and use_kernels(x) and whole
