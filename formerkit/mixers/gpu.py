"""Calls of CUDA libraries in our operators' terms. Thin, and never run on a GPU by this project's authors.

Each library is imported when it is called, so that none is needed to import us.
"""

from __future__ import annotations

from torch import Tensor

from formerkit.mixers.packing import flip_rows, lengths_of


def equal_length(cu_seqlens: Tensor) -> int | None:
    """The length of all sequences, or None if they differ or there are none."""
    lengths = lengths_of(cu_seqlens).unique().tolist()
    return int(lengths[0]) if len(lengths) == 1 and lengths[0] > 0 else None


def fla_linear_attention(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, cu_seqlens: Tensor, initial_state: Tensor,
                         reverse: bool, exclusive: bool) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Packed gated linear attention by flash-linear-attention (``fla``)."""
    from fla.ops.gla import chunk_gla
    from fla.ops.rwkv6 import chunk_rwkv6
    from fla.ops.simple_gla import chunk_simple_gla

    one_a_head = log_decay.shape[2] == 1
    log_decay = log_decay.expand(*q.shape[:2], log_decay.shape[2])
    tensors = [flip_rows(x, cu_seqlens) if reverse else x for x in (q, k, v, log_decay)]
    q, k, v, log_decay = (x[None].contiguous() for x in tensors)
    call = {"scale": 1.0, "initial_state": initial_state, "output_final_state": True, "cu_seqlens": cu_seqlens.long()}
    if exclusive:
        # RWKV-6 reads the state before a token; what it adds for the token itself is turned off.
        bonus = q.new_zeros(q.shape[2:])
        o, final = chunk_rwkv6(q, k, v, log_decay.expand_as(k).contiguous(), bonus, **call)
    elif one_a_head:
        o, final = chunk_simple_gla(q, k, v, g=log_decay[..., 0], **call)
    else:
        o, final = chunk_gla(q, k, v, g=log_decay, **call)
    o = o[0]
    return flip_rows(o, cu_seqlens) if reverse else o, final.to(v.dtype)


def mamba_ssm_scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor | None,
                   cu_seqlens: Tensor, length: int, reverse: bool) -> Tensor:  # fmt: skip
    """Packed selective scan of sequences of one length by ``mamba_ssm``; the output alone."""
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

    def channels_first(x: Tensor) -> Tensor:
        x = flip_rows(x, cu_seqlens) if reverse else x
        return x.unflatten(0, (-1, length)).transpose(1, 2).contiguous()

    rows = [channels_first(x) for x in (u, delta, B, C)]
    gate = None if z is None else channels_first(z)
    y = selective_scan_fn(
        rows[0], rows[1], A.float(), rows[2], rows[3], D=D.float(), z=gate, delta_softplus=True
    )  # fmt: skip
    y = y.transpose(1, 2).flatten(0, 1)
    return flip_rows(y, cu_seqlens) if reverse else y


def causal_conv1d_silu(
    x: Tensor, weight: Tensor, bias: Tensor, cu_seqlens: Tensor, length: int, reverse: bool
) -> Tensor:
    """Packed causal convolution with SiLU of sequences of one length by ``causal_conv1d``."""
    from causal_conv1d import causal_conv1d_fn

    x = flip_rows(x, cu_seqlens) if reverse else x
    y = causal_conv1d_fn(x.unflatten(0, (-1, length)).transpose(1, 2), weight, bias, activation="silu")
    y = y.transpose(1, 2).flatten(0, 1)
    return flip_rows(y, cu_seqlens) if reverse else y
