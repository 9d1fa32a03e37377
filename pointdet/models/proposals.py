"""Where TransFusion (Bai et al., CVPR 2022, section 3.2) looks for objects: the highest peaks of the heatmap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Proposals:
    """The best peaks of each sample, best first.

    Attributes:
        cell: [B, P] int64, ``row * W + column`` in the map that was given. label: [B, P] int64, 0-based class.
        score: [B, P], chance in that cell; 0 for those that fill up the number, of a cell that is no peak.
    """

    cell: Tensor
    label: Tensor
    score: Tensor


def peaks(chances: Tensor, every_cell: Sequence[int] = ()) -> Tensor:
    """Which cells are the largest of the 3 x 3 around them: [B, K, H, W] bool.

    Cells on the border are none, as in the reference, whose maxima there are left at 0.

    Args:
        chances: [B, K, H, W], above 0.
        every_cell: Classes of small objects, that may stand in neighbouring cells: all of their cells count.
    """
    found = chances == F.max_pool2d(chances, 3, stride=1, padding=1)
    inner = torch.zeros_like(found)
    inner[..., 1:-1, 1:-1] = found[..., 1:-1, 1:-1]
    inner[:, list(every_cell)] = True
    return inner


def best_proposals(logits: Tensor, count: int, every_cell: Sequence[int] = ()) -> Proposals:
    """The ``count`` best peaks over all classes (all cells of all classes, if there are fewer); without gradient.

    Args:
        logits: [B, K, H, W]. every_cell: As in :func:`peaks`.
    """
    chances = logits.detach().sigmoid()
    chances = chances * peaks(chances, every_cell)
    cells = chances.shape[2] * chances.shape[3]
    flat = chances.flatten(1)
    score, place = flat.topk(min(count, flat.shape[1]))
    return Proposals(place % cells, place // cells, score)
