"""Stochastic depth."""

from __future__ import annotations

import torch
from torch import Tensor, nn


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


class KeepSome(nn.Module):
    """Stochastic depth that computes a branch for a fixed number of random groups and leaves the others as they are.

    Args:
        branch: Maps [groups, ...] to the same.
        probability: Share of groups that are left out; at least one is kept.
    """

    def __init__(self, branch: nn.Module, probability: float) -> None:
        super().__init__()
        self.branch, self.probability = branch, probability

    def forward(self, x: Tensor) -> Tensor:
        """``x`` plus the branch, scaled in training so that the mean stays."""
        total = x.shape[0]
        if not self.training or self.probability == 0.0 or total == 0:
            return x + self.branch(x)
        keep = max(int(total * (1 - self.probability)), 1)
        chosen = torch.randperm(total, device=x.device)[:keep]
        return x.index_add(0, chosen, self.branch(x[chosen]), alpha=total / keep)
