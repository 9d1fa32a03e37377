"""What a sparse head says of each active voxel: a 3 x 3 submanifold convolution on the ground plane, then a 1 x 1 one.

Weights are kept in spconv 2's layout, [out, ky, kx, in], as the published checkpoints have them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointdet.ops.submanifold import submanifold_conv_2d
from pointdet.ops.voxels import Voxels


class SparseConv2d(nn.Module):
    """Weights of a submanifold convolution [out, size, size, in] on the ground plane, size 1 or 3.

    Shapes:
        [N, in] features of the voxels to [N, out].
    """

    def __init__(self, in_channels: int, out_channels: int, size: int, *, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, size, size, in_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Normal by fan-in for ReLU (He et al., 2015); biases zero."""
        nn.init.normal_(self.weight, std=(2 / self.weight[0].numel()) ** 0.5)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, voxels: Voxels) -> Tensor:
        if self.weight.shape[1] == 1:
            return F.linear(voxels.features, self.weight.flatten(1), self.bias)
        out = submanifold_conv_2d(voxels.features, self.weight, voxels.grid)
        return out if self.bias is None else out + self.bias


class SparseConvNormReLU(nn.Module):
    """``relu(norm(conv(x)))`` of the voxels, 3 x 3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = SparseConv2d(channels, channels, 3, bias=False)
        self.norm = nn.BatchNorm1d(channels, eps=1e-3, momentum=0.01)

    def forward(self, voxels: Voxels) -> Tensor:
        return torch.relu(self.norm(self.conv(voxels)))


class SparseBranch(nn.Module):
    """A hidden convolution and the last one.

    Shapes:
        Voxels with features [N, channels] to [N, size].
    """

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.hidden = SparseConvNormReLU(channels)
        self.out = SparseConv2d(channels, size, 1, bias=True)

    def forward(self, voxels: Voxels) -> Tensor:
        return self.out(voxels.with_features(self.hidden(voxels)))
