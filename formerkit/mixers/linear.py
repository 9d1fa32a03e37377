"""Linear layers over packed rows, by a kernel of our own where torch's library is slow."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LANES = 16
"""Columns are padded to a multiple of the widest register."""


class Linear(nn.Linear):
    """``torch.nn.Linear``, faster on a CPU in float32 for many rows and few columns."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.T + bias``.

    Args:
        x: [T, K]. weight: [N, K]. bias: [N].

    Returns:
        [T, N]; its rows may be padded in memory.
    """
    plain = x.device.type != "cpu" or x.dtype != torch.float32 or weight.dtype != torch.float32 or x.ndim != 2
    if plain or torch.is_autocast_enabled("cpu") or weight.numel() > 1 << 17:
        return F.linear(x, weight, bias)
    n = weight.shape[0]
    w = weight.t()
    if pad_n := -n % _LANES:
        w = F.pad(w, (0, pad_n))
    if bias is None:
        bias = x.new_zeros(w.shape[1])
    elif pad_n:
        bias = F.pad(bias, (0, pad_n))
    y = _Linear.apply(x, w, bias)
    return y[:, :n] if pad_n else y


def _product(x: Tensor, w: Tensor, bias: Tensor) -> Tensor:
    from formerkit.kernels import linear as kernels
    from formerkit.kernels.simd import LANES
    from formerkit.parallel import run_ranges

    y = x.new_empty(x.shape[0], w.shape[1])
    kernel = kernels.product(*kernels.tile_shape(w.shape[1], LANES))
    # Waking a thread takes as long as some ten million multiplications.
    min_rows = 1 + (10 << 20) // w.numel()
    run_ranges(kernel, x.shape[0], x.numpy(), w.numpy(), bias.numpy(), y.numpy(), min_rows=min_rows)
    return y


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, bias: Tensor) -> Tensor:
        x = x.detach() if x.stride(-1) == 1 else x.detach().contiguous()
        w = w.detach().contiguous()
        ctx.save_for_backward(x, w)
        return _product(x, w, bias.detach().contiguous())

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        from formerkit.kernels import linear as kernels
        from formerkit.kernels.simd import LANES
        from formerkit.kernels.tiles import ROWS
        from formerkit.parallel import run_ranges

        x, w = ctx.saved_tensors
        g = g if g.stride(-1) == 1 else g.contiguous()
        k = w.shape[0]
        pad = -k % _LANES
        turned = F.pad(w, (0, 0, 0, pad)).t().contiguous()
        gx = _product(g, turned, g.new_zeros(k + pad))[:, :k]
        # Rows of x that are no multiple of a tile: computed with zeros beside them.
        rows = x if k % ROWS == 0 else F.pad(x, (0, -k % ROWS))
        gw = g.new_zeros(rows.shape[1], w.shape[1])
        kernel = kernels.outer(kernels.tile_shape(w.shape[1], LANES)[1])
        run_ranges(kernel, rows.shape[1] // ROWS, rows.numpy(), g.numpy(), gw.numpy())
        return gx, gw[:k], g.sum(0) if ctx.needs_input_grad[2] else None
