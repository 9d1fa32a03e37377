"""LION's RetNet block."""

from __future__ import annotations

from torch import Tensor, nn

from formerkit.mixers import Retention
from pointdet.models.lion_blocks.drop_path import DropPath

HEAD_WIDTH = 32
CHUNK = 64
"""Voxels that see each other both ways."""


class RetNetBlock(nn.Module):
    """Retention and a feed-forward, both with a norm before; no gate, no norm of heads, no rotation."""

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__()
        heads = max(channels // HEAD_WIDTH, 1)
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.mixer = Retention(channels, heads, gate=False, norm=False, rotary=False, symmetric_chunk=CHUNK)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.up = nn.Linear(channels, 4 * channels)
        self.down = nn.Linear(4 * channels, channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.mixer(self.norm1(x)))
        return x + self.drop_path(self.down(nn.functional.gelu(self.up(self.norm2(x)))))
