"""LION's Mamba block."""

from __future__ import annotations

from torch import Tensor, nn

from formerkit.mixers import Mamba
from pointdet.models.lion_blocks.drop_path import DropPath


class MambaBlock(nn.Module):
    """``x + drop_path(norm(mamba(x)))``: norm after the mixer, none before, and no feed-forward."""

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__()
        self.mixer = Mamba(channels, bidirectional=True)
        self.norm = nn.LayerNorm(channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop_path(self.norm(self.mixer(x)))
