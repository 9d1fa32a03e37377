"""How tensors have to lie in memory for the compiled kernels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """What numbers of this dtype are computed in: float32, or wider if they are."""
    return torch.promote_types(dtype, torch.float32)


def lanes(dtype: torch.dtype) -> int:
    """Elements that fill a register of this machine."""
    from formerkit.kernels.simd import REGISTER_BITS

    return REGISTER_BITS // (8 * dtype.itemsize)


def panel(dtype: torch.dtype) -> int:
    """Channels of one wide vector of the kernels on this machine; the caller pads to a multiple of it."""
    from formerkit.kernels.simd import WIDE

    return WIDE * lanes(dtype)


def full_precision(x: Tensor) -> torch.autocast:
    """Context in which autocast leaves the operators on x's device alone: sums over a sequence need their digits."""
    return torch.autocast(x.device.type, enabled=False)


def unit_rows(x: Tensor) -> Tensor:
    """``x`` itself if the elements of its last axis are neighbours in memory, else a copy."""
    return x if x.stride(-1) == 1 or x.shape[-1] <= 1 or x.numel() == 0 else x.contiguous()


def pad_columns(x: Tensor, columns: int) -> Tensor:
    """``x`` with zeros behind its last axis until that has ``columns`` entries."""
    return F.pad(x, (0, columns - x.shape[-1])) if columns > x.shape[-1] else x


def whole_registers(x: Tensor) -> Tensor:
    """``x`` with zeros behind its last axis until that fills whole registers; contiguous."""
    return pad_columns(x, x.shape[-1] + -x.shape[-1] % lanes(x.dtype)).contiguous()
