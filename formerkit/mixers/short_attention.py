"""Softmax attention over many short sequences, compiled.

``scaled_dot_product_attention`` takes microseconds to begin a sequence's head, and rows have to be gathered by length
before; where a sequence has a few rows, that is most of the time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from formerkit.mixers.layout import compute_dtype, whole_registers
from formerkit.mixers.packing import starts_of
from formerkit.parallel import arrays, run_ranges


def short_attention(
    q: Tensor, k: Tensor, v: Tensor, cu_seqlens: Tensor, causal: bool, scale: float, rows: Tensor | None = None
) -> Tensor:
    """``softmax(scale q k^T) v`` in each sequence, on a CPU.

    Args:
        q: [T, H, D], or [N, H, D] with ``rows``. k: [T, H, D]. v: [T, H, V].
        cu_seqlens: [S + 1], as in :func:`~formerkit.mixers.attention`, which checks all of it.
        causal: No pair (i, j) with j > i.
        rows: [N] int64, rising: the row of each query.
    """
    wide = compute_dtype(v.dtype)
    starts = cu_seqlens.long()
    if rows is None:
        rows, asked = torch.arange(len(q)), starts
    else:
        asked = torch.searchsorted(rows, starts)
    o = _ShortAttention.apply(*(whole_registers(x.to(wide)) for x in (q, k, v)), starts, asked, rows, causal, scale)
    return o[..., : v.shape[2]].to(v.dtype)


class _ShortAttention(torch.autograd.Function):
    """On rows whose heads fill whole registers."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, starts: Tensor, asked: Tensor, rows: Tensor, causal: bool,
                scale: float) -> Tensor:  # fmt: skip
        from formerkit.kernels import short_attention as kernels

        heads, pairs = q.shape[1], starts_of(starts.diff() * asked.diff())
        weights = q.new_empty(int(pairs[-1]) if any(ctx.needs_input_grad) else 0, heads)
        out = v.new_empty(len(q), *v.shape[1:])
        run_ranges(
            kernels.forward, len(starts) - 1,
            *arrays(starts, pairs, asked, rows, *(x.detach().flatten(1) for x in (q, k, v))), heads, scale, causal,
            *arrays(weights, out.flatten(1)), min_rows=32,
        )  # fmt: skip
        ctx.save_for_backward(q, k, v, starts, pairs, asked, rows, weights, out)
        ctx.causal, ctx.scale = causal, scale
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gout: Tensor) -> tuple[Tensor | None, ...]:
        from formerkit.kernels import short_attention as kernels

        q, k, v, starts, pairs, asked, rows, weights, out = ctx.saved_tensors
        gout, grads = gout.contiguous(), [torch.empty_like(x) for x in (q, k, v)]
        run_ranges(
            kernels.gradients, len(starts) - 1,
            *arrays(starts, pairs, asked, rows, *(x.flatten(1) for x in (q, k, v))), q.shape[1], ctx.scale, ctx.causal,
            *arrays(weights, *(x.flatten(1) for x in (out, gout, *grads))), min_rows=32,
        )  # fmt: skip
        return *grads, None, None, None, None, None
