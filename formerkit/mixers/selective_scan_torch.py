"""The selective scan in plain torch, chunk by chunk: for devices that our kernels do not serve.

Inside a chunk all steps are combined by doubling (Hillis and Steele, 1986): after pass i a step holds the product of
the decays, and the sum of the inputs, of the 2**i steps up to it. Only products of decays occur, never quotients, so
nothing overflows. Between chunks the state is carried. At most [S, chunk, E, N] exists at a time, and the backward pass
computes each chunk again.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from formerkit.mixers.layout import compute_dtype, full_precision
from formerkit.mixers.packing import gather_rows, padded_rows

CHUNK = 64


def selective_scan_chunked(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    z: Tensor | None,
    cu_seqlens: Tensor,
    initial_state: Tensor,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """The arguments of :func:`formerkit.mixers.selective_scan`, all given; any device, float32 or wider inside."""
    with full_precision(u):
        return _by_chunks(u, delta, A, B, C, D, z, cu_seqlens, initial_state, reverse)


def _by_chunks(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor | None, cu_seqlens: Tensor,
    initial_state: Tensor, reverse: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    dtype = compute_dtype(u.dtype)
    rows, real = padded_rows(cu_seqlens, reverse)
    # Padding has no step (softplus of -inf is 0): it keeps the state and adds nothing.
    step, du, b, c = (gather_rows(x.to(dtype), rows) for x in (F.softplus(delta.to(dtype)), u, B, C))
    step = step * real[..., None]
    inputs = (step, du * step, b, c)
    state, outputs = initial_state.to(dtype), []
    for begin in range(0, rows.shape[1], CHUNK):
        piece = (x[:, begin : begin + CHUNK] for x in inputs)
        y, state = checkpoint(_chunk, state, A.to(dtype), *piece, use_reentrant=False)
        outputs.append(y)
    y = torch.zeros_like(u, dtype=dtype)
    if outputs:
        y = y.index_put((rows[real],), torch.cat(outputs, dim=1)[real])
    y = y + D.to(dtype) * u.to(dtype)
    if z is not None:
        y = y * F.silu(z.to(dtype))
    return y.to(u.dtype), state.to(u.dtype)


def _chunk(state: Tensor, A: Tensor, step: Tensor, du: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs [S, c, E] of one chunk and the state [S, E, N] after it."""
    decay = torch.exp(step[..., None] * A)
    total = du[..., None] * B[:, :, None]
    distance, length = 1, step.shape[1]
    while distance < length:
        earlier = F.pad(total, (0, 0, 0, 0, distance, 0))[:, :length]
        total = total + decay * earlier
        decay = decay * F.pad(decay, (0, 0, 0, 0, distance, 0), value=1.0)[:, :length]
        distance *= 2
    states = total + decay * state[:, None]
    return torch.einsum("sten,stn->ste", states, C), states[:, -1]
