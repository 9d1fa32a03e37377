"""How many channels the compiled kernels work on at once."""

from __future__ import annotations

import torch


def panel(dtype: torch.dtype) -> int:
    """Channels of one vector of the kernels on this machine; the caller pads to a multiple of it."""
    from formerkit.kernels.simd import REGISTER_BITS, WIDE

    return WIDE * REGISTER_BITS // (8 * dtype.itemsize)
