"""Gated linear attention in plain torch, by chunks of matrix products: for devices that our kernels do not serve.

Inside a chunk the decay between two tokens is the exponential of a difference of running sums, never positive, so
nothing overflows; between chunks the state is carried. With one decay a head the pair decays are a [chunk, chunk]
matrix; with one a channel they are [chunk, chunk, K], so chunks are shorter. The backward pass computes chunks again.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from formerkit.mixers.layout import compute_dtype, full_precision
from formerkit.mixers.packing import gather_rows, padded_rows

CHUNK = {True: 64, False: 16}
"""Tokens a chunk, with one decay a head or one a channel."""
NOTHING = -1000.0
"""Logarithm of a decay that is zero in float64, and small enough to leave its neighbours in a sum their digits."""


def chunked_linear_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor,
    cu_seqlens: Tensor,
    initial_state: Tensor,
    reverse: bool,
    exclusive: bool,
) -> tuple[Tensor, Tensor]:
    """The arguments of :func:`formerkit.mixers.gated_linear_attention`, packed and all given; any device."""
    with full_precision(q):
        return _by_chunks(q, k, v, log_decay, cu_seqlens, initial_state, reverse, exclusive)


def _by_chunks(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, cu_seqlens: Tensor, initial_state: Tensor, reverse: bool,
    exclusive: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    dtype = compute_dtype(v.dtype)
    rows, real = padded_rows(cu_seqlens, reverse)
    mask = real[..., None, None].to(dtype)
    log_decay = log_decay.to(dtype).clamp(min=NOTHING).expand(q.shape[0], q.shape[1], log_decay.shape[2])
    # Padding neither decays the state nor adds to it.
    q_, k_, v_, decay = (gather_rows(x.to(dtype), rows) for x in (q, k, v, log_decay))
    inputs = (q_, k_ * mask, v_, decay * mask)
    chunk = CHUNK[log_decay.shape[2] == 1]
    state, outputs = initial_state.to(dtype), []
    for begin in range(0, rows.shape[1], chunk):
        piece = (x[:, begin : begin + chunk] for x in inputs)
        o, state = checkpoint(_chunk, state, *piece, exclusive, use_reentrant=False)
        outputs.append(o)
    o = torch.zeros_like(v, dtype=dtype)
    if outputs:
        o = o.index_put((rows[real],), torch.cat(outputs, dim=1)[real])
    return o.to(v.dtype), state.to(v.dtype)


def _chunk(state: Tensor, q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, exclusive: bool) -> tuple[Tensor, Tensor]:
    """Outputs [S, c, H, V] of one chunk and the state [S, H, K, V] after it."""
    # In float64: two long sums may differ by little.
    to_here = log_decay.double().cumsum(1)
    seen = F.pad(to_here, (0, 0, 0, 0, 1, 0))[:, :-1] if exclusive else to_here
    steps = torch.arange(q.shape[1], device=q.device)
    earlier = steps[:, None] > steps if exclusive else steps[:, None] >= steps
    # A masked pair has a positive exponent, which must not reach the exponential.
    between = (seen[:, :, None] - to_here[:, None]).masked_fill(~earlier[..., None, None], -torch.inf).exp().to(q.dtype)
    if log_decay.shape[3] == 1:
        scores = torch.einsum("sihk,sjhk->sijh", q, k) * between[..., 0]
    else:
        scores = torch.einsum("sihk,sjhk,sijhk->sijh", q, k, between)
    o = torch.einsum("sijh,sjhv->sihv", scores, v) + torch.einsum("sihk,shkv->sihv", q * seen.exp().to(q.dtype), state)
    whole = to_here[:, -1:]
    added = torch.einsum("sjhk,sjhv->shkv", k * (whole - to_here).exp().to(q.dtype), v)
    return o, whole[:, 0, :, :, None].exp().to(q.dtype) * state + added
