"""Residual box code of SECOND (Yan et al., 2018): a box relative to its anchor."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def limit_period(value: Tensor, offset: float, period: float) -> Tensor:
    """``value`` moved by whole periods into ``[-offset * period, (1 - offset) * period)``."""
    return value - torch.floor(value / period + offset) * period


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Code of ``boxes`` [..., 7] relative to ``anchors`` [..., 7].

    Centres relative to the anchor's diagonal (its height in z), logarithms of the size ratios, difference of headings.
    """
    diagonal = anchors[..., 3:5].square().sum(-1, keepdim=True).sqrt()
    return torch.cat(
        [
            (boxes[..., :2] - anchors[..., :2]) / diagonal,
            (boxes[..., 2:3] - anchors[..., 2:3]) / anchors[..., 5:6],
            torch.log(boxes[..., 3:6].clamp(min=1e-5) / anchors[..., 3:6].clamp(min=1e-5)),
            boxes[..., 6:] - anchors[..., 6:],
        ],
        dim=-1,
    )


def decode(codes: Tensor, anchors: Tensor) -> Tensor:
    """The inverse of :func:`encode`."""
    diagonal = anchors[..., 3:5].square().sum(-1, keepdim=True).sqrt()
    return torch.cat(
        [
            codes[..., :2] * diagonal + anchors[..., :2],
            codes[..., 2:3] * anchors[..., 5:6] + anchors[..., 2:3],
            torch.exp(codes[..., 3:6]) * anchors[..., 3:6],
            codes[..., 6:] + anchors[..., 6:],
        ],
        dim=-1,
    )


DIRECTION_OFFSET = 0.78539
"""A quarter of pi as the reference writes it: where the two direction bins meet."""


def direction_bin(headings: Tensor) -> Tensor:
    """Which half-turn a heading lies in: 0 or 1, int64."""
    turned = limit_period(headings - DIRECTION_OFFSET, 0.0, 2 * math.pi)
    return torch.floor(turned / math.pi).long().clamp_(0, 1)


def with_direction(headings: Tensor, bins: Tensor) -> Tensor:
    """Headings known up to half a turn, turned into the half-turn of their bin."""
    return (
        limit_period(headings - DIRECTION_OFFSET, 0.0, math.pi) + DIRECTION_OFFSET + math.pi * bins.to(headings.dtype)
    )
