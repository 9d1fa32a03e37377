"""Edges and their reverses, each once."""

from __future__ import annotations

import torch
from torch import Tensor


def both_ways(row: Tensor, column: Tensor, edge: Tensor, nodes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Edges [e] and their reverses, sorted by destination, then source; of several between two nodes the first is kept.

    A reverse has the ``edge`` of the edge it is made of, unless it was there itself.
    """
    keys = torch.cat([column * nodes + row, row * nodes + column])
    ordered, order = torch.sort(keys, stable=True)
    fresh = torch.ones_like(ordered, dtype=torch.bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    kept = ordered[fresh]
    return kept % nodes, kept // nodes, torch.cat([edge, edge])[order[fresh]]
