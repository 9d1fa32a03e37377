"""Submanifold sparse convolution (Graham and van der Maaten, 2017): outputs only at the active voxels.

Back ends, chosen by the tensor's device: spconv on CUDA when it is installed, our compiled kernel on a CPU, else plain
torch. All give ``out[p] = sum_k W[k] x[p + k - 1]`` over the active neighbours.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from formerkit.backend import installed
from pointdet.ops import spconv_backend
from pointdet.ops.neighbors import NeighborMap
from pointdet.ops.voxels import VoxelGrid


def submanifold_conv(x: Tensor, weight: Tensor, grid: VoxelGrid) -> Tensor:
    """Submanifold convolution without bias.

    Args:
        x: [N, C_in] features of the active voxels, float32, float64 or bfloat16 (products in float32 then).
        weight: [C_out, 3, 3, 3, C_in], kernel axes (z, y, x), cross-correlation: spconv 2's layout.
        grid: The active voxels; keeps the index map for the next layer.

    Returns:
        [N, C_out].

    Raises:
        ValueError: On shapes that do not agree.
    """
    if x.ndim != 2 or x.shape[0] != len(grid) or tuple(weight.shape[1:]) != (3, 3, 3, x.shape[1]):
        raise ValueError(
            f"submanifold_conv: expected x [{len(grid)}, C_in] and weight [C_out, 3, 3, 3, C_in], "
            f"got {tuple(x.shape)} and {tuple(weight.shape)}"
        )
    if x.is_cuda and installed("spconv"):
        return spconv_backend.spconv_submanifold_conv(x, weight, grid)
    kernel = weight.flatten(1, 3).permute(1, 2, 0)  # [K, C_in, C_out]
    if x.device.type == "cpu":
        return _compiled(x, kernel, grid.neighbors())
    return submanifold_conv_reference(x, kernel, grid.neighbors())


def submanifold_conv_2d(x: Tensor, weight: Tensor, grid: VoxelGrid) -> Tensor:
    """Submanifold convolution with a 3 x 3 kernel among voxels of one height, without bias.

    spconv is not asked: on other devices than a CPU this is plain torch.

    Args:
        x: [N, C_in], as :func:`submanifold_conv`.
        weight: [C_out, 3, 3, C_in], kernel axes (y, x), cross-correlation: spconv 2's layout.
        grid: The active voxels; keeps the index map for the next layer.

    Returns:
        [N, C_out].

    Raises:
        ValueError: On shapes that do not agree.
    """
    if x.ndim != 2 or x.shape[0] != len(grid) or tuple(weight.shape[1:]) != (3, 3, x.shape[1]):
        raise ValueError(
            f"submanifold_conv_2d: expected x [{len(grid)}, C_in] and weight [C_out, 3, 3, C_in], "
            f"got {tuple(x.shape)} and {tuple(weight.shape)}"
        )
    convolve = _compiled if x.device.type == "cpu" else submanifold_conv_reference
    return convolve(x, weight.flatten(1, 2).permute(1, 2, 0), grid.flat_neighbors())


def submanifold_conv_reference(x: Tensor, kernel: Tensor, neighbors: NeighborMap) -> Tensor:
    """Gather, multiply, scatter, one offset at a time; ``kernel`` is [K, C_in, C_out]. For any device."""
    out = x.new_zeros(x.shape[0], kernel.shape[2])
    starts = neighbors.starts.tolist()
    for k in range(kernel.shape[0]):
        pairs = slice(starts[k], starts[k + 1])
        product = x[neighbors.inputs[pairs].long()] @ kernel[k]
        out = out.index_add(0, neighbors.outputs[pairs].long(), product)
    return out


def _compiled(x: Tensor, kernel: Tensor, neighbors: NeighborMap) -> Tensor:
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    out_dtype, c_in, c_out = x.dtype, kernel.shape[1], kernel.shape[2]
    x, kernel = x.to(dtype), kernel.to(dtype)
    # Whole registers on both sides: the gradient of the input swaps the two.
    if pad_in := -c_in % 16:
        x, kernel = F.pad(x, (0, pad_in)), F.pad(kernel, (0, 0, 0, pad_in))
    if pad_out := -c_out % 16:
        kernel = F.pad(kernel, (0, pad_out))
    out = _SubmanifoldConv.apply(x, kernel, neighbors.inputs, neighbors.outputs, neighbors.starts)
    return out[:, :c_out].to(out_dtype)


def _product(x: Tensor, kernel: Tensor, inputs: Tensor, outputs: Tensor, starts: Tensor) -> Tensor:
    from formerkit.kernels.simd import REGISTER_BITS
    from formerkit.parallel import run_ranges
    from pointdet.ops import submanifold_kernels as kernels

    out = x.new_zeros(x.shape[0], kernel.shape[2])
    vectors = kernels.panel_vectors(kernel.shape[2], REGISTER_BITS // (8 * x.element_size()))
    arrays = (value.contiguous().numpy() for value in (x, kernel, inputs, outputs, starts, out))
    run_ranges(kernels.product(vectors), x.shape[0], *arrays, min_rows=256)
    return out


class _SubmanifoldConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, inputs: Tensor, outputs: Tensor, starts: Tensor) -> Tensor:
        x, kernel = x.detach().contiguous(), kernel.detach()
        ctx.save_for_backward(x, kernel, inputs, outputs, starts)
        return _product(x, kernel, inputs, outputs, starts)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        from formerkit.kernels.simd import REGISTER_BITS
        from formerkit.kernels.tiles import ROWS
        from formerkit.parallel import run_ranges
        from pointdet.ops import submanifold_kernels as kernels

        x, kernel, inputs, outputs, starts = ctx.saved_tensors
        g = g.contiguous()
        gx = gw = None
        if ctx.needs_input_grad[0]:
            # A pair (i, o) of offset k is the pair (o, i) of the opposite offset: the same lists serve.
            gx = _product(g, kernel.flip(0).transpose(1, 2), inputs, outputs, starts)
        if ctx.needs_input_grad[1]:
            gw = torch.zeros_like(kernel, memory_format=torch.contiguous_format)
            vectors = kernels.panel_vectors(kernel.shape[2], REGISTER_BITS // (8 * x.element_size()))
            arrays = (value.numpy() for value in (x, g, inputs, outputs, starts, gw))
            run_ranges(kernels.weight_gradient(vectors), x.shape[1] // ROWS, *arrays)
        return gx, gw, None, None, None
