"""Sequence mixers behind one call: ``y = mixer(x, cu_seqlens=None)``."""

from formerkit.mixers.causal_conv import causal_conv_silu
from formerkit.mixers.mamba import Mamba
from formerkit.mixers.selective_scan import selective_scan

__all__ = ["Mamba", "causal_conv_silu", "selective_scan"]
