"""Losses of the heads."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def sigmoid_focal_loss(logits: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Focal loss (Lin et al., 2017), element by element: logits and 0/1 targets of one shape."""
    probability = torch.sigmoid(logits)
    miss = targets * (1 - probability) + (1 - targets) * probability
    weight = (targets * alpha + (1 - targets) * (1 - alpha)) * miss.pow(gamma)
    return weight * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def smooth_l1(difference: Tensor, beta: float = 1.0 / 9.0) -> Tensor:
    """Huber's loss divided by ``beta``, element by element."""
    size = difference.abs()
    return torch.where(size < beta, 0.5 * size.square() / beta, size - 0.5 * beta)


def box_code_difference(codes: Tensor, targets: Tensor) -> Tensor:
    """Differences of box codes [P, 7]; for the heading the sine of the difference, which half a turn leaves small."""
    rest = codes[:, :6] - targets[:, :6]
    turn = torch.sin(codes[:, 6:]) * torch.cos(targets[:, 6:]) - torch.cos(codes[:, 6:]) * torch.sin(targets[:, 6:])
    return torch.cat([rest, turn], dim=1)


def heatmap_focal_loss(logits: Tensor, heatmap: Tensor) -> Tensor:
    """CornerNet's focal loss, over the number of centres in the batch.

    Cells near a centre cost less, by the fourth power of how far their target is from 1.

    Args:
        logits: Of any shape, of all cells and classes. heatmap: The same shape, 1 at centres.
    """
    p = logits.sigmoid().clamp(1e-4, 1 - 1e-4)
    centre = heatmap == 1
    at_centres = torch.where(centre, p.log() * (1 - p).square(), 0.0)
    elsewhere = torch.where(centre, 0.0, (1 - p).log() * p.square() * (1 - heatmap) ** 4)
    return -(at_centres + elsewhere).sum() / centre.sum().clamp(min=1)
