"""Sparse voxel operations: voxelisation, submanifold convolution, window order, sums over groups."""

from pointdet.ops.backends import Backend, backends
from pointdet.ops.segments import Segments, group_by_key, segment_expand, segment_max, segment_mean, segment_sum
from pointdet.ops.submanifold import submanifold_conv
from pointdet.ops.voxelize import VoxelizedPoints, voxelize
from pointdet.ops.voxels import VoxelGrid, Voxels, merge_coords

__all__ = [
    "Backend",
    "Segments",
    "VoxelGrid",
    "VoxelizedPoints",
    "Voxels",
    "backends",
    "group_by_key",
    "merge_coords",
    "segment_expand",
    "segment_max",
    "segment_mean",
    "segment_sum",
    "submanifold_conv",
    "voxelize",
]
