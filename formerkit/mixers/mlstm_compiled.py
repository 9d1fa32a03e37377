"""mLSTM by compiled kernels: one pass over the tokens, and three scans for all gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from formerkit.kernels.orders import ADD_READ_DECAY, DECAY_ADD_READ
from formerkit.mixers.layout import lanes, pad_columns
from formerkit.mixers.linear_scan import Runs, panels_of, scan
from formerkit.parallel import arrays, run_ranges

ANCHOR = 256
"""Tokens over which the forget gate's gradient may be summed before it is computed anew: rounding adds up over them."""


def mlstm_compiled(
    q: Tensor, k: Tensor, v: Tensor, i: Tensor, log_f: Tensor, C: Tensor, n: Tensor, m: Tensor, empty: float,
    cu_seqlens: Tensor, reverse: bool, eps: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """The matrix memory over packed sequences.

    Args:
        q, k: [T, H, K]. v: [T, H, V]. i, log_f: [T, H]. All float32, or all float64.
        C: [S, H, K, V]. n: [S, H, K]. m: [S, H]. The memory before.
        empty: m of a memory that has seen nothing.
        cu_seqlens: [S + 1].
        reverse: Direction.
        eps: Added to the divisor.

    Returns:
        h [T, H, V], and C, n, m after each sequence; m without a gradient.
    """
    width, columns = k.shape[2], v.shape[2]
    registers, panels = panels_of(columns, v.dtype)
    more_k, more_v = -width % lanes(k.dtype), panels * registers * lanes(v.dtype) - columns
    q, k, n = (pad_columns(x, width + more_k) for x in (q, k, n))
    v, C = pad_columns(v, columns + more_v), F.pad(C, (0, more_v, 0, more_k)) if more_k or more_v else C
    h, C, n, m = _MLSTM.apply(q, k, v, i, log_f, C, n, m, width**-0.5, empty, cu_seqlens, reverse, eps)
    return h[..., :columns], C[:, :, :width, :columns], n[..., :width], m


class _MLSTM(torch.autograd.Function):
    """Rows of keys fill whole registers, those of values whole panels."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, i: Tensor, log_f: Tensor, C: Tensor, n: Tensor, m: Tensor,
                scale: float, empty: float, cu_seqlens: Tensor, reverse: bool, eps: float
                ) -> tuple[Tensor, ...]:  # fmt: skip
        from formerkit.kernels import mlstm as kernels

        q, k, v, i, log_f, C, n, m = (x.detach().contiguous() for x in (q, k, v, i, log_f, C, n, m))
        runs = Runs(cu_seqlens, reverse)
        offsets, tasks = runs.offsets(), m.numel()
        before, after, m_final = torch.empty_like(i), torch.empty_like(i), torch.empty_like(m)
        run_ranges(
            kernels.stabilise, tasks, *arrays(log_f, i), offsets, reverse, empty, *arrays(m, before, after, m_final)
        )
        decay, weight = (log_f + (before - after)).exp_(), (i - after).exp_().mul_(scale)
        least = after.neg_().exp_()  # of the divisor, in the memory's scale
        h, read, C_final, n_final = (torch.empty_like(x) for x in (v, i, C, n))
        registers, panels = panels_of(v.shape[2], v.dtype)
        run_ranges(
            kernels.attend, tasks * panels, (0,) * registers,
            *arrays(q, k, v, weight, decay, least), eps, offsets, reverse, *arrays(C, n, h, read, C_final, n_final),
        )  # fmt: skip
        ctx.save_for_backward(q, k, v, h, decay, weight, read, least, C, n, C_final, n_final)
        ctx.runs, ctx.eps = runs, eps
        ctx.mark_non_differentiable(m_final)
        return h, C_final, n_final, m_final

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gh: Tensor, gC: Tensor, gn: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        from formerkit.kernels import mlstm as kernels

        q, k, v, h, decay, weight, read, least, C, n, C_final, n_final = ctx.saved_tensors
        key = k * weight[..., None]
        (tokens, heads, columns), runs, turned = v.shape, ctx.runs, ctx.runs.turned()
        # The normaliser is the memory of a value that is one: a last column of v, of its gradient, and of C.
        gout, ones = (v.new_empty(tokens, heads, columns + 1) for _ in range(2))
        ones[..., :columns], ones[..., columns] = v, 1.0
        run_ranges(kernels.undivide, tokens, *arrays(gh.contiguous(), h, read, least), ctx.eps, gout.numpy())
        decays, gmemory = decay[..., None], _with_normaliser(gC, gn)
        gq, _, memories = scan(gout, ones, key, decays, _with_normaliser(C, n), runs, DECAY_ADD_READ, keep=ANCHOR)
        gkey, gstart, gradients = scan(ones, gout, q, decays, gmemory, turned, ADD_READ_DECAY, keep=ANCHOR)
        gv, _, _ = scan(key, q, gout[..., :columns], decays, gC, turned, ADD_READ_DECAY)
        gkey, gi, glog_f = gkey.contiguous(), torch.empty_like(decay), torch.empty_like(decay)
        after = (gC * C_final).sum((2, 3)) + (gn * n_final).sum(2)
        run_ranges(
            kernels.gate_gradients, after.numel(), *arrays(q, gq.contiguous(), key, gkey, weight, decay),
            runs.offsets(), runs.reverse, after.numpy(), ANCHOR, runs.chunk_offsets(ANCHOR),
            *arrays(torch.linalg.vecdot(memories.flatten(2), gradients.flatten(2)), gi, glog_f),
        )  # fmt: skip
        gC0, gn0 = gstart[:, :, :-1].transpose(2, 3), gstart[:, :, -1]
        return gq, gkey, gv, gi, glog_f, gC0, gn0, None, None, None, None, None, None


def _with_normaliser(C: Tensor, n: Tensor) -> Tensor:
    """[S, H, K, V] and [S, H, K] to [S, H, V + 1, K]."""
    return torch.cat([C.transpose(2, 3), n[:, :, None]], dim=2)
