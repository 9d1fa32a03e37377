"""Gated linear attention: the recurrence that retention, RWKV, mLSTM and Mamba-2 share (Yang et al., 2023, equation 3).

Over each sequence, per head, with state S [K, V] and decay ``a_t = exp(log_decay_t)``::

    S_t = a_t * S_{t-1} + k_t v_t^T                 # a_t scales the rows of S
    o_t = S_t^T q_t                                 # or S_{t-1}^T q_t, if exclusive

On a CPU a compiled scan keeps the state in the cache (:mod:`formerkit.kernels.linear_scan`); its gradients are three
more such scans, the decay's included, without a state for each token in memory. Elsewhere: chunks of matrix products.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from formerkit.kernels.orders import ADD_READ_DECAY, CHUNK, DECAY_ADD_READ, READ_DECAY_ADD
from formerkit.mixers.backends import use_kernels, use_library
from formerkit.mixers.chunked_linear_attention import chunked_linear_attention
from formerkit.mixers.gpu import fla_linear_attention
from formerkit.mixers.layout import compute_dtype, unit_rows
from formerkit.mixers.linear_scan import Runs, decay_gradients, scan
from formerkit.mixers.packing import check_shapes, flatten, token_ranges


def gated_linear_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor,
    *,
    cu_seqlens: Tensor | None = None,
    initial_state: Tensor | None = None,
    reverse: bool = False,
    exclusive: bool = False,
) -> tuple[Tensor, Tensor]:
    """Linear attention with a decay, over packed or equally long sequences.

    Args:
        q, k: [T, H, K] packed rows, or [B, L, H, K].
        v: [T, H, V] or [B, L, H, V].
        log_decay: As q, or broadcast to it: a last axis of 1 is one decay a head, a first axis of 1 (packed) or two of
            1 (equally long) one for all tokens. At most 0.
        cu_seqlens: [S + 1] offsets of the packed sequences; one sequence of T rows if None.
        initial_state: [S, H, K, V]; zeros if None.
        reverse: From the last token of a sequence to its first.
        exclusive: A token's output sees the state before the token.

    Returns:
        o, in the shape of v, and the final states [S, H, K, V].

    Raises:
        ValueError: On shapes, devices or offsets that do not agree, or a state that would grow.
    """
    packed = flatten("gated_linear_attention", cu_seqlens, {"log_decay": log_decay}, q=q, k=k, v=v)
    q, k, v, decay = packed.rows
    if not bool((decay <= 0).all()):
        raise ValueError(
            f"gated_linear_attention: expected log_decay of at most 0, got {float(decay.detach().max()):.4g}"
        )
    o, final = decayed_attention(q, k, v, decay, packed.cu_seqlens, initial_state, reverse=reverse, exclusive=exclusive)
    return packed.restore(o), final


def decayed_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor,
    cu_seqlens: Tensor,
    initial_state: Tensor | None = None,
    *,
    reverse: bool = False,
    exclusive: bool = False,
) -> tuple[Tensor, Tensor]:
    """:func:`gated_linear_attention` of packed rows, for callers who have checked offsets, dtypes and decay."""
    sequences = cu_seqlens.numel() - 1
    _check(q, k, v, log_decay, initial_state, sequences)
    if initial_state is None:
        initial_state = v.new_zeros(sequences, *q.shape[1:], v.shape[2])
    arguments = q, k, v, log_decay, cu_seqlens, initial_state, reverse, exclusive
    if use_kernels(q):
        return _compiled(*arguments)
    if use_library(q, "fla"):
        return fla_linear_attention(*arguments)
    return chunked_linear_attention(*arguments)


def gated_linear_attention_reference(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor,
    *,
    cu_seqlens: Tensor | None = None,
    initial_state: Tensor | None = None,
    reverse: bool = False,
    exclusive: bool = False,
) -> tuple[Tensor, Tensor]:
    """The recurrence as the formula reads, token by token; packed input only."""
    decay = log_decay.exp().expand(q.shape)
    rows: list[Tensor] = [v.new_zeros(0)] * q.shape[0]
    final = []
    for s, tokens in enumerate(token_ranges(cu_seqlens, q.shape[0], reverse)):
        state = v.new_zeros(*q.shape[1:], v.shape[-1]) if initial_state is None else initial_state[s]
        for t in tokens:
            before = state
            state = decay[t][..., None] * state + k[t][..., None] * v[t][:, None]
            rows[t] = torch.einsum("hkv,hk->hv", before if exclusive else state, q[t])
        final.append(state)
    o = torch.stack(rows) if rows else v.clone()
    return o, torch.stack(final) if final else v.new_zeros(0, *q.shape[1:], v.shape[-1])


def _check(q: Tensor, k: Tensor, v: Tensor, decay: Tensor, initial: Tensor | None, sequences: int) -> None:
    name, (t, h, width) = "gated_linear_attention", q.shape
    if k.shape != q.shape or v.shape[:2] != q.shape[:2]:
        raise ValueError(
            f"{name}: expected k of shape {tuple(q.shape)} and v [{t}, {h}, V] as q has it, "
            f"got {tuple(k.shape)} and {tuple(v.shape)}"
        )
    if any(size not in (1, full) for size, full in zip(decay.shape, q.shape, strict=True)):
        raise ValueError(f"{name}: expected log_decay to broadcast to {tuple(q.shape)}, got {tuple(decay.shape)}")
    if initial is not None:
        check_shapes(name, v.device, {"initial_state": (initial, (sequences, h, width, v.shape[2]))})


def _compiled(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, cu_seqlens: Tensor, initial: Tensor,
              reverse: bool, exclusive: bool) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Run the kernels, in float32 (float64 if the input is)."""
    dtype, out_dtype = compute_dtype(v.dtype), v.dtype
    q, k, v, log_decay, initial = (x.to(dtype) for x in (q, k, v, log_decay, initial))
    o, final = _Scan.apply(q, k, v, log_decay.exp(), initial, cu_seqlens, reverse, exclusive)
    return o.to(out_dtype), final.to(out_dtype)


class _Scan(torch.autograd.Function):
    """The compiled scan; the decay is [T or 1, H or 1, K or 1] and no logarithm."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, decay: Tensor, initial: Tensor, cu_seqlens: Tensor,
                reverse: bool, exclusive: bool) -> tuple[Tensor, Tensor]:  # fmt: skip
        q, k, v, decay, initial = (unit_rows(x.detach()) for x in (q, k, v, decay, initial))
        runs = Runs(cu_seqlens, reverse)
        o, final, _ = scan(q, k, v, decay, initial, runs, READ_DECAY_ADD if exclusive else DECAY_ADD_READ)
        ctx.save_for_backward(q, k, v, decay, initial)
        ctx.runs, ctx.exclusive = runs, exclusive
        return o, final

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, go: Tensor, gfinal: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, decay, initial = ctx.saved_tensors
        runs, go = ctx.runs, unit_rows(go)
        order, turned = (READ_DECAY_ADD, READ_DECAY_ADD) if ctx.exclusive else (DECAY_ADD_READ, ADD_READ_DECAY)
        need_q, need_k, _, need_decay = ctx.needs_input_grad[:4]
        gq = gk = gdecay = None
        # The decay's gradient needs states beside their gradients, which costs most where few columns fill a register.
        few_keys = decay.shape[2] == 1 and 2 * q.shape[2] < v.shape[2]
        gv, ginitial, _ = scan(k, q, go, decay, gfinal, runs.turned(), turned)
        upright, gupright = initial.transpose(2, 3), gfinal.transpose(2, 3)
        if need_q or (need_decay and not few_keys):
            gq, _, kept = scan(go, v, k, decay, upright, runs, order, on_columns=True, keep=CHUNK * need_decay)
        if need_decay and not few_keys:
            gk, gdecay = decay_gradients(q, k, v, go, decay, gupright, kept, runs, ctx.exclusive)
        elif need_k:
            gk, _, _ = scan(v, go, q, decay, gupright, runs.turned(), turned, on_columns=True)
        if need_decay and few_keys:
            # A decay that is one for all does not tell keys from values: they change places.
            _, _, kept = scan(q, k, v, decay, initial, runs, order, keep=CHUNK)
            _, gdecay = decay_gradients(go, v, k, q, decay, gfinal, kept, runs, ctx.exclusive)
        gdecay = None if gdecay is None else gdecay.sum_to_size(decay.shape)
        return gq, gk, gv, gdecay, ginitial, None, None, None
