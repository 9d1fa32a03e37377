"""The blocks that LION runs over groups of voxels, one for each linear RNN.

A block maps [groups, G, C] to the same shape, its residual inside; what surrounds it does not know which it is.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from formerkit.mixers import Mamba

Operator = Literal["mamba"]


class DropPath(nn.Module):
    """Stochastic depth (Huang et al., 2016): in training, drop the residual branch of a random share of groups."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """[groups, ...]; the kept ones are scaled so that the mean stays."""
        if not self.training or self.probability == 0.0:
            return x
        keep = 1.0 - self.probability
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        return x * (torch.rand(shape, device=x.device) < keep).to(x.dtype) / keep


class MambaBlock(nn.Module):
    """``x + drop_path(norm(mamba(x)))``: norm after the mixer, none before, and no feed-forward."""

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__()
        self.mixer = Mamba(channels, bidirectional=True)
        self.norm = nn.LayerNorm(channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop_path(self.norm(self.mixer(x)))


def operator_block(operator: Operator, channels: int, drop_path: float, layer_id: int, num_layers: int) -> nn.Module:
    """The block of an operator.

    Args:
        operator: Which linear RNN.
        channels: C.
        drop_path: Probability of dropping the residual branch.
        layer_id, num_layers: Place in the backbone; some operators start differently by depth.

    Raises:
        ValueError: If the operator is unknown.
    """
    if operator == "mamba":
        return MambaBlock(channels, drop_path)
    raise ValueError(f"operator: unknown {operator!r}, expected one of {', '.join(get_args(Operator))}")
