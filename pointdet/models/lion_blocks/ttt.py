"""LION's TTT block."""

from __future__ import annotations

from torch import Tensor, nn

from formerkit.mixers import TTTLinear
from pointdet.models.lion_blocks.drop_path import DropPath


class TTTBlock(nn.Module):
    """TTT-Linear, from the first voxel to the last only, and a SwiGLU, both with an RMS norm before."""

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.RMSNorm(channels, eps=1e-6)
        self.mixer = TTTLinear(channels)
        self.norm2 = nn.RMSNorm(channels, eps=1e-6)
        self.gate = nn.Linear(channels, 2 * channels, bias=False)
        self.up = nn.Linear(channels, 2 * channels, bias=False)
        self.down = nn.Linear(2 * channels, channels, bias=False)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.mixer(self.norm1(x)))
        y = self.norm2(x)
        return x + self.down(nn.functional.silu(self.gate(y)) * self.up(y))
