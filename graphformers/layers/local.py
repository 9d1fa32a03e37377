"""Message-passing layers by their names, for models that leave the choice to their caller."""

from __future__ import annotations

from typing import Literal

from graphformers.layers.gated_gcn import GatedGCN
from graphformers.layers.gcn import GCN
from graphformers.layers.gine import GINE
from graphformers.layers.parts import Norm

Conv = Literal["gated_gcn", "gine", "gcn"]


def local_layer(
    conv: Conv, channels: int, *, edges: bool, norm: Norm, dropout: float, activation: bool = True
) -> GatedGCN | GINE | GCN:
    """A layer of C channels with a residual.

    Args:
        conv: Which one.
        edges: Whether edges have features, of C channels.
        norm: Of nodes, and of the edges that a layer renews. dropout: Behind it.
        activation: ReLU behind GINE's MLP and behind GCN; GatedGCN has one in any case.

    Raises:
        ValueError: If there is none of that name.
    """
    if conv == "gated_gcn":
        return GatedGCN(channels, channels, channels if edges else None, norm=norm, dropout=dropout)
    if conv == "gine":
        return GINE(channels, channels, norm=norm, activation=activation, dropout=dropout)
    if conv == "gcn":
        return GCN(channels, channels, norm=norm, activation=activation, dropout=dropout)
    raise ValueError(f"conv: expected 'gated_gcn', 'gine' or 'gcn', got {conv!r}")
