"""LION's RWKV-6 block, after Vision-RWKV (Duan et al., 2024)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from formerkit.mixers import RWKV6
from pointdet.models.lion_blocks.drop_path import DropPath

HEADS = 4
LAYER_SCALE = 1e-5


class ChannelMix(nn.Module):
    """RWKV's feed-forward, squared and gated, of a voxel and the one before it in its group.

    Args:
        channels: C.
        layer_id, num_layers: Place in the model; deeper layers begin by looking less at the voxel before.
    """

    def __init__(self, channels: int, layer_id: int, num_layers: int) -> None:
        super().__init__()
        self.spatial_mix_k, self.spatial_mix_r = (
            nn.Parameter((torch.arange(channels) / channels).pow(1 - layer_id / num_layers)[None, None])
            for _ in range(2)
        )
        self.key = nn.Linear(channels, 4 * channels, bias=False)
        self.receptance = nn.Linear(channels, channels, bias=False)
        self.value = nn.Linear(4 * channels, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[groups, G, C] to the same."""
        step = nn.functional.pad(x, (0, 0, 1, 0))[:, :-1] - x
        # Not the usual mix of a voxel and the one before it: the other part is the step between them.
        k, r = (x * mix + step * (1 - mix) for mix in (self.spatial_mix_k, self.spatial_mix_r))
        return torch.sigmoid(self.receptance(r)) * self.value(torch.relu(self.key(k)).square())


class RWKVBlock(nn.Module):
    """Time mixing in both directions and channel mixing, both with a norm before and a learned scale after.

    Args:
        channels: C.
        drop_path: Probability of dropping a residual branch.
        layer_id, num_layers: Place in the backbone; the first layer has a norm more.
    """

    def __init__(self, channels: int, drop_path: float, layer_id: int, num_layers: int) -> None:
        super().__init__()
        self.norm0 = nn.LayerNorm(channels) if layer_id == 0 else None
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.mixer = RWKV6(channels, HEADS, bidirectional=True, layer_id=layer_id, num_layers=num_layers)
        self.ffn = ChannelMix(channels, layer_id, num_layers)
        self.scale1, self.scale2 = (nn.Parameter(torch.full((channels,), LAYER_SCALE)) for _ in range(2))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        if self.norm0 is not None:
            x = self.norm0(x)
        x = x + self.drop_path(self.scale1 * self.mixer(self.norm1(x)))
        return x + self.drop_path(self.scale2 * self.ffn(self.norm2(x)))
