"""Rotary position embedding (Su et al., 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from formerkit.mixers.layout import compute_dtype
from formerkit.mixers.packing import check_cu_seqlens, sequence_of_rows


def positions(cu_seqlens: Tensor, total: int) -> Tensor:
    """[T] int64: place of each packed row in its sequence."""
    return torch.arange(total, device=cu_seqlens.device) - cu_seqlens[:-1].long()[sequence_of_rows(cu_seqlens)]


def apply_rotary(x: Tensor, cu_seqlens: Tensor, base: float = 10000.0, period: int | None = None) -> Tensor:
    """Turn each pair (2 i, 2 i + 1) of the last axis by ``position * base^(-2 i / D)``.

    Args:
        x: [T, H, D], D even.
        cu_seqlens: [S + 1]; positions start anew in each sequence.
        base: Slowest wavelength over 2 pi.
        period: Count positions modulo this.

    Returns:
        In the shape of x.

    Raises:
        ValueError: If D is odd, or the offsets do not cover the rows.
    """
    if x.ndim != 3:
        raise ValueError(f"apply_rotary: expected x [T, H, D], got shape {tuple(x.shape)}")
    check_cu_seqlens(cu_seqlens, x.shape[0], x.device)
    return rotate_all((x,), cu_seqlens, base, period)[0]


def rotate_all(
    tensors: Sequence[Tensor],
    cu_seqlens: Tensor,
    base: float = 10000.0,
    period: int | None = None,
    start: Tensor | None = None,
) -> list[Tensor]:
    """:func:`apply_rotary` to tensors [T, H, D] of one width, whose angles are computed once.

    Positions of each sequence count from ``start`` [S] int64, if it is given.
    """
    x = tensors[0]
    if x.shape[-1] % 2:
        raise ValueError(f"apply_rotary: expected an even last axis, got {x.shape[-1]}")
    place = positions(cu_seqlens, x.shape[0])
    if start is not None:
        place = place + start[sequence_of_rows(cu_seqlens)]
    if period is not None:
        place = place % period
    wide = compute_dtype(x.dtype)
    rate = base ** (-torch.arange(0, x.shape[-1], 2, device=x.device, dtype=wide) / x.shape[-1])
    angle = place.to(wide)[:, None] * rate
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    return [_rotate(part, cos, sin) for part in tensors]


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    even, odd = x[..., 0::2].to(cos.dtype), x[..., 1::2].to(cos.dtype)
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2).to(x.dtype)
