"""LION's xLSTM block, after Vision-LSTM (Alkin et al., 2024)."""

from __future__ import annotations

from torch import Tensor, nn

from formerkit.mixers import MLSTM
from formerkit.mixers.mlstm import OffsetNorm
from pointdet.models.lion_blocks.drop_path import KeepSome


class XLSTMBlock(nn.Module):
    """An mLSTM layer from the first voxel to the last, then one from the last to the first; a norm before each."""

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__()
        self.passes = nn.ModuleList(
            KeepSome(nn.Sequential(OffsetNorm(channels), MLSTM(channels, reverse=reverse)), drop_path)
            for reverse in (False, True)
        )

    def forward(self, x: Tensor) -> Tensor:
        for step in self.passes:
            x = step(x)
        return x
