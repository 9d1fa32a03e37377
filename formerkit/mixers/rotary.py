"""Rotary position embedding (Su et al., 2021)."""

from __future__ import annotations

import torch
from torch import Tensor


def positions(cu_seqlens: Tensor, total: int) -> Tensor:
    """[T] int64: place of each packed row in its sequence."""
    lengths = (cu_seqlens[1:] - cu_seqlens[:-1]).long()
    begin = torch.repeat_interleave(cu_seqlens[:-1].long(), lengths)
    return torch.arange(total, device=cu_seqlens.device) - begin


def apply_rotary(x: Tensor, cu_seqlens: Tensor, base: float = 10000.0, period: int | None = None) -> Tensor:
    """Turn each pair (2 i, 2 i + 1) of the last axis by ``position * base^(-2 i / D)``.

    Args:
        x: [T, H, D], D even.
        cu_seqlens: [S + 1]; positions start anew in each sequence.
        base: Slowest wavelength over 2 pi.
        period: Count positions modulo this.

    Returns:
        [T, H, D].

    Raises:
        ValueError: If D is odd.
    """
    if x.shape[-1] % 2:
        raise ValueError(f"apply_rotary: expected an even last axis, got {x.shape[-1]}")
    place = positions(cu_seqlens, x.shape[0])
    if period is not None:
        place = place % period
    wide = torch.promote_types(x.dtype, torch.float32)
    rate = base ** (-torch.arange(0, x.shape[-1], 2, device=x.device, dtype=wide) / x.shape[-1])
    angle = place.to(wide)[:, None] * rate
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    even, odd = x[..., 0::2].to(wide), x[..., 1::2].to(wide)
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2).to(x.dtype)
