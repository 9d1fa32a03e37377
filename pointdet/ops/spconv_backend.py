"""Submanifold convolution by spconv, for CUDA tensors.

A thin call of spconv's own layer with our weight: its algorithms and their choice stay its business. Not run on a GPU
by us; on a CPU, where spconv has one correct algorithm, a test holds it to our kernel.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from pointdet.ops.voxels import VoxelGrid


@lru_cache
def _layer(in_channels: int, out_channels: int, native: bool) -> Any:
    import spconv.pytorch as spconv
    from spconv.core import ConvAlgo

    algorithm = {"algo": ConvAlgo.Native} if native else {}
    # On the meta device: the weight of each call comes from outside.
    with torch.device("meta"):
        return spconv.SubMConv3d(in_channels, out_channels, 3, bias=False, indice_key="submanifold", **algorithm)


def spconv_submanifold_conv(x: Tensor, weight: Tensor, grid: VoxelGrid) -> Tensor:
    """The convolution of :func:`pointdet.ops.submanifold.submanifold_conv` by spconv."""
    import spconv.pytorch as spconv

    # spconv reads memory without asking for strides: anything but contiguous int32 is garbage to it.
    coords = grid.coords.int().contiguous()
    tensor = spconv.SparseConvTensor(x.contiguous(), coords, list(grid.spatial_shape), grid.batch_size)
    tensor.indice_dict = grid.cache.setdefault("spconv", {})
    layer = _layer(x.shape[1], weight.shape[0], native=x.device.type == "cpu")
    return torch.func.functional_call(layer, {"weight": weight}, (tensor,)).features
