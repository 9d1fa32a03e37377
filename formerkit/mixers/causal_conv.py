"""Depthwise causal convolution followed by SiLU, over packed sequences."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from formerkit.mixers import gpu
from formerkit.mixers.backends import use_kernels, use_library
from formerkit.mixers.layout import compute_dtype, full_precision, panel, unit_rows
from formerkit.mixers.packing import check_cu_seqlens, uniform_cu_seqlens


def causal_conv_silu(
    x: Tensor, weight: Tensor, bias: Tensor, *, cu_seqlens: Tensor | None = None, reverse: bool = False
) -> Tensor:
    """``silu(bias + sum_k weight[:, k] x[t - K + 1 + k])``, rows before a sequence's first counting as zero.

    Args:
        x: [T, E] packed rows.
        weight: [E, K]; index K - 1 multiplies the current row.
        bias: [E].
        cu_seqlens: [S + 1] offsets of the sequences; one sequence of T rows if None.
        reverse: Look at later rows instead of earlier ones.

    Returns:
        [T, E].
    """
    if cu_seqlens is None:
        cu_seqlens = uniform_cu_seqlens(1, x.shape[0], x.device)
    else:
        check_cu_seqlens(cu_seqlens, x.shape[0], x.device)
    if x.ndim != 2 or weight.ndim != 2 or weight.shape[0] != x.shape[1] or bias.shape != weight.shape[:1]:
        raise ValueError(
            "causal_conv_silu: expected x [T, E], weight [E, K] and bias [E], "
            f"got {tuple(x.shape)}, {tuple(weight.shape)}, {tuple(bias.shape)}"
        )
    if weight.device != x.device or bias.device != x.device:
        raise ValueError(
            f"causal_conv_silu: expected weight and bias on {x.device}, got {weight.device}, {bias.device}"
        )
    if use_kernels(x):
        return _compiled(x, weight, bias, cu_seqlens, reverse)
    if use_library(x, "causal_conv1d") and 2 <= weight.shape[1] <= 4:
        length = gpu.equal_length(cu_seqlens)
        if length is not None:
            return gpu.causal_conv1d_silu(x, weight, bias, cu_seqlens, length, reverse)
    with full_precision(x):
        wide = [value.to(compute_dtype(x.dtype)) for value in (x, weight, bias)]
        return causal_conv_silu_reference(*wide, cu_seqlens=cu_seqlens, reverse=reverse).to(x.dtype)


def causal_conv_silu_reference(
    x: Tensor, weight: Tensor, bias: Tensor, *, cu_seqlens: Tensor | None = None, reverse: bool = False
) -> Tensor:
    """The same by torch's convolution, one sequence at a time."""
    offsets = [0, x.shape[0]] if cu_seqlens is None else cu_seqlens.tolist()
    taps, out = weight.shape[1], []
    for begin, end in pairwise(offsets):
        piece = x[begin:end].flip(0) if reverse else x[begin:end]
        padded = F.pad(piece.t()[None], (taps - 1, 0))
        y = F.conv1d(padded, weight[:, None], bias, groups=weight.shape[0])[0].t() if end > begin else piece
        out.append(y.flip(0) if reverse else y)
    return F.silu(torch.cat(out)) if out else x.clone()


def _compiled(x: Tensor, weight: Tensor, bias: Tensor, cu_seqlens: Tensor, reverse: bool) -> Tensor:
    dtype = compute_dtype(x.dtype)
    channels, out_dtype = x.shape[1], x.dtype
    tensors = [x.to(dtype), weight.t().to(dtype), bias.to(dtype)]
    if padding := -channels % panel(dtype):
        tensors = [F.pad(value, (0, padding)) for value in tensors]
    return _CausalConvSilu.apply(*tensors, cu_seqlens, reverse)[:, :channels].to(out_dtype)


class _CausalConvSilu(torch.autograd.Function):
    """The compiled convolution; ``weight`` is [K, E]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, cu_seqlens: Tensor, reverse: bool) -> Tensor:
        from formerkit.kernels import causal_conv as kernels
        from formerkit.parallel import run_ranges

        x = unit_rows(x.detach())
        weight, bias = weight.detach().contiguous(), bias.detach().contiguous()
        offsets = cu_seqlens.to("cpu", torch.int64).numpy()
        y = x.new_empty(x.shape)
        run_ranges(
            kernels.forward, len(offsets) - 1, x.numpy(), weight.numpy(), bias.numpy(), offsets, reverse, y.numpy()
        )
        ctx.save_for_backward(x, weight, bias)
        ctx.offsets, ctx.reverse = offsets, reverse
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gy: Tensor) -> tuple[Tensor | None, ...]:
        from formerkit.kernels import causal_conv as kernels
        from formerkit.parallel import run_ranges

        x, weight, bias = ctx.saved_tensors
        sequences = len(ctx.offsets) - 1
        gx = x.new_empty(x.shape)
        gweight, gbias = x.new_empty(sequences, *weight.shape), x.new_empty(sequences, *bias.shape)
        gy = unit_rows(gy)
        run_ranges(
            kernels.backward, sequences, x.numpy(), weight.numpy(), bias.numpy(), ctx.offsets, ctx.reverse,
            gy.numpy(), gx.numpy(), gweight.numpy(), gbias.numpy(),
        )  # fmt: skip
        return gx, gweight.sum(0), gbias.sum(0), None, None
