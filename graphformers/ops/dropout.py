"""Dropout together with what it follows, without a mask in memory.

On a CPU torch draws one number after another on one thread, and keeps a mask as large as its input: with LargeGT's
tokens that took more time than attention among them. Compiled, a number's fate is a hash of its place and a seed. The
seed is drawn from torch's global generator, as the mask of :class:`torch.nn.Dropout` is; the numbers are others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from formerkit.mixers.backends import use_kernels
from formerkit.parallel import arrays, run_ranges

MIN_ROWS = 1 << 15
"""Numbers that are worth a thread."""


def relu_dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """dropout(relu(x)), where each number is nil with probability ``p`` in training."""
    if training and _compiled(x, p):
        return _ReluDropout.apply(x, p)
    return F.dropout(x.relu(), p, training)


def residual_dropout(x: Tensor, y: Tensor, p: float, training: bool) -> Tensor:
    """dropout(x + dropout(y)), of one shape and dtype."""
    if training and _compiled(x, p) and x.dtype == y.dtype:
        return _ResidualDropout.apply(x, y, p)
    return F.dropout(x + F.dropout(y, p, training), p, training)


def added_dropout(x: Tensor, y: Tensor, p: float, training: bool) -> Tensor:
    """x + dropout(y), of one shape and dtype."""
    if training and _compiled(x, p) and x.dtype == y.dtype:
        return _AddedDropout.apply(x, y, p)
    return x + F.dropout(y, p, training)


def _compiled(x: Tensor, p: float) -> bool:
    return 0 < p < 1 and x.dtype in (torch.float32, torch.float64) and use_kernels(x)


def _chance(p: float, x: Tensor) -> tuple[np.uint32, Any]:
    """The bits below which a number is dropped, and what the others are multiplied with."""
    return np.uint32(min(round(p * 2**32), 2**32 - 1)), x.numpy().dtype.type(1 / (1 - p))


def _seeds(count: int) -> Tensor:
    return torch.randint(2**32, (count,))


class _ReluDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float) -> Tensor:
        from graphformers.ops import dropout_kernels as kernels

        x = x.detach().contiguous()
        out, seeds = torch.empty_like(x), _seeds(2).numpy().astype(np.uint32)
        flat = arrays(x.flatten(), out.view(-1))
        run_ranges(kernels.relu, x.numel(), flat[0], seeds, *_chance(p, x), flat[1], min_rows=MIN_ROWS)
        ctx.save_for_backward(out)
        ctx.scale = 1 / (1 - p)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gout: Tensor) -> tuple[Tensor, None]:
        (out,) = ctx.saved_tensors
        # What was dropped is nil, as what is below zero.
        return torch.ops.aten.threshold_backward(gout, out, 0).mul_(ctx.scale), None


def _of_two(ctx: Any, kernel: Any, seeds: int, x: Tensor, y: Tensor, p: float) -> Tensor:
    """The kernel's value of x and y; what its gradient needs is kept in ``ctx``."""
    x, y = x.detach().contiguous(), y.detach().contiguous()
    out, ctx.seeds, ctx.p = torch.empty_like(x), _seeds(seeds).numpy().astype(np.uint32), p
    flat = arrays(x.flatten(), y.flatten(), out.view(-1))
    run_ranges(kernel, x.numel(), flat[0], flat[1], ctx.seeds, *_chance(p, x), flat[2], min_rows=MIN_ROWS)
    return out


class _ResidualDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, p: float) -> Tensor:
        from graphformers.ops import dropout_kernels as kernels

        return _of_two(ctx, kernels.residual, 4, x, y, p)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gout: Tensor) -> tuple[Tensor, Tensor, None]:
        from graphformers.ops import dropout_kernels as kernels

        gout = gout.contiguous()
        gx, gy = torch.empty_like(gout), torch.empty_like(gout)
        flat = arrays(gout.flatten(), gx.view(-1), gy.view(-1))
        run_ranges(
            kernels.residual_gradients, gout.numel(), flat[0], ctx.seeds, *_chance(ctx.p, gout), *flat[1:],
            min_rows=MIN_ROWS,
        )  # fmt: skip
        return gx, gy, None


class _AddedDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, p: float) -> Tensor:
        from graphformers.ops import dropout_kernels as kernels

        return _of_two(ctx, kernels.added, 2, x, y, p)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gout: Tensor) -> tuple[Tensor, Tensor, None]:
        from graphformers.ops import dropout_kernels as kernels

        flat, gy = gout.contiguous().flatten(), torch.empty_like(gout, memory_format=torch.contiguous_format)
        run_ranges(
            kernels.added_gradient, gout.numel(), flat.numpy(), ctx.seeds, *_chance(ctx.p, gout), gy.view(-1).numpy(),
            min_rows=MIN_ROWS,
        )  # fmt: skip
        return gout, gy, None
