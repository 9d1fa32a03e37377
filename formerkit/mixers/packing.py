"""Sequences packed one after another, and the offsets that separate them."""

from __future__ import annotations

import torch
from torch import Tensor


def check_cu_seqlens(cu_seqlens: Tensor, total: int) -> None:
    """Refuse offsets that do not cover ``total`` rows.

    Args:
        cu_seqlens: [S + 1] integers: first row of each sequence, then ``total``. Empty sequences are legal.
        total: Number of packed rows.

    Raises:
        ValueError: If the offsets do not start at 0, fall, or do not end at ``total``.
    """
    if cu_seqlens.ndim != 1 or cu_seqlens.numel() < 1 or cu_seqlens.dtype not in (torch.int32, torch.int64):
        raise ValueError(
            f"cu_seqlens: expected a vector of int32 or int64 with at least one entry, "
            f"got shape {tuple(cu_seqlens.shape)} and dtype {cu_seqlens.dtype}"
        )
    if int(cu_seqlens[0]) != 0 or int(cu_seqlens[-1]) != total:
        raise ValueError(
            f"cu_seqlens: expected to run from 0 to the {total} rows of the input, "
            f"got {int(cu_seqlens[0])} to {int(cu_seqlens[-1])}"
        )
    if bool((cu_seqlens[1:] < cu_seqlens[:-1]).any()):
        raise ValueError("cu_seqlens: expected offsets that never fall")


def uniform_cu_seqlens(batch: int, length: int, device: torch.device | str = "cpu") -> Tensor:
    """[batch + 1] int32 offsets of ``batch`` sequences of ``length`` rows."""
    return torch.arange(batch + 1, dtype=torch.int32, device=device) * length


def pack(x: Tensor, cu_seqlens: Tensor | None) -> tuple[Tensor, Tensor]:
    """Packed rows [T, C] and offsets of ``x``, which is [batch, length, C], or already packed with ``cu_seqlens``.

    Raises:
        ValueError: If the shape and ``cu_seqlens`` do not go together.
    """
    if cu_seqlens is None:
        if x.ndim != 3:
            raise ValueError(f"expected [batch, length, channels] without cu_seqlens, got shape {tuple(x.shape)}")
        return x.flatten(0, 1), uniform_cu_seqlens(x.shape[0], x.shape[1], x.device)
    if x.ndim != 2:
        raise ValueError(
            f"expected packed [total, channels] with cu_seqlens, got shape {tuple(x.shape)}: "
            "flatten batch and length first"
        )
    check_cu_seqlens(cu_seqlens, x.shape[0])
    return x, cu_seqlens
