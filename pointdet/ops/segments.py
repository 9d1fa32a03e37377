"""Sums and maxima over groups of rows: points in a voxel, voxels that merge into one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Segments:
    """N rows in M groups.

    Attributes:
        index: [N] int64, the group of each row.
        order: [N] int64, rows sorted by group; rows of a group keep their order.
        starts: [M + 1] int64, where each group begins in ``order``.
    """

    index: Tensor
    order: Tensor
    starts: Tensor

    @property
    def num_segments(self) -> int:
        return self.starts.numel() - 1


def group_by_key(keys: Tensor) -> tuple[Tensor, Segments]:
    """Group rows with equal keys.

    Args:
        keys: [N] int64.

    Returns:
        The distinct keys [M], ascending, and the groups in that order.
    """
    ordered, order = keys.sort(stable=True)
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    begins = first.nonzero()[:, 0]
    index = torch.empty_like(order)
    index[order] = first.cumsum(0) - 1
    return ordered[begins], Segments(index, order, torch.cat([begins, begins.new_tensor([keys.numel()])]))


def segment_sum(x: Tensor, segments: Segments) -> Tensor:
    """Sum of the rows of each group: [N, C] to [M, C]."""
    if x.device.type == "cpu":
        return _SegmentSum.apply(x, segments.index, segments.order, segments.starts)
    return x.new_zeros(segments.num_segments, x.shape[1]).index_add(0, segments.index, x)


def segment_mean(x: Tensor, segments: Segments) -> Tensor:
    """Mean of the rows of each group: [N, C] to [M, C]."""
    return segment_sum(x, segments) / segments.starts.diff()[:, None].to(x.dtype)


def segment_max(x: Tensor, segments: Segments) -> Tensor:
    """Largest value in each group and channel: [N, C] to [M, C].

    The gradient goes to the first row that attains it (on a GPU it is shared among ties).
    """
    if x.device.type == "cpu":
        return _SegmentMax.apply(x, segments.order, segments.starts)
    index = segments.index[:, None].expand_as(x)
    return x.new_zeros(segments.num_segments, x.shape[1]).scatter_reduce(0, index, x, "amax", include_self=False)


def segment_expand(x: Tensor, segments: Segments) -> Tensor:
    """Give each row its group's value: [M, C] to [N, C]."""
    if x.device.type == "cpu":
        return _SegmentExpand.apply(x, segments.index, segments.order, segments.starts)
    return x[segments.index]


def _summed(x: Tensor, order: Tensor, starts: Tensor) -> Tensor:
    from formerkit.parallel import run_ranges
    from pointdet.ops import segment_kernels as kernels

    out_dtype = x.dtype
    x = x.detach().float().contiguous() if x.dtype == torch.bfloat16 else x.detach().contiguous()
    out = x.new_empty(starts.numel() - 1, x.shape[1])
    run_ranges(kernels.sums, out.shape[0], x.numpy(), order.numpy(), starts.numpy(), out.numpy(), min_rows=256)
    return out.to(out_dtype)


class _SegmentSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor, order: Tensor, starts: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        return _summed(x, order, starts)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        return g.index_select(0, *ctx.saved_tensors), None, None, None


class _SegmentExpand(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor, order: Tensor, starts: Tensor) -> Tensor:
        ctx.save_for_backward(order, starts)
        return x.index_select(0, index)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        return _summed(g, *ctx.saved_tensors), None, None, None


class _SegmentMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, starts: Tensor) -> Tensor:
        from formerkit.parallel import run_ranges
        from pointdet.ops import segment_kernels as kernels

        out_dtype, ctx.rows = x.dtype, x.shape[0]
        x = x.detach().float().contiguous() if x.dtype == torch.bfloat16 else x.detach().contiguous()
        out = x.new_empty(starts.numel() - 1, x.shape[1])
        winners = torch.empty(out.shape, dtype=torch.int32)
        arrays = (value.numpy() for value in (x, order, starts, out, winners))
        run_ranges(kernels.maxima, out.shape[0], *arrays, min_rows=256)
        ctx.save_for_backward(winners)
        return out.to(out_dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        (winners,) = ctx.saved_tensors
        # A row belongs to one group, so no place is written twice.
        gx = g.new_zeros(ctx.rows, g.shape[1]).scatter_(0, winners.long(), g)
        return gx, None, None
