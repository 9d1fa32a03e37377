"""The layer of GraphGPS (Rampášek et al., *Recipe for a General, Powerful, Scalable Graph Transformer*, 2022).

Neighbours are heard on one branch, all nodes of the graph on another::

    h = norm(local(x, edges)) + norm(x + dropout(mixer(x)))
    y = norm(h + FFN(h))
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphformers.layers.parts import reset
from graphformers.ops import Adjacency
from graphformers.ops.adjacency import as_adjacency


class GPSLayer(nn.Module):
    """One layer of two branches.

    Nodes are packed, never padded: no graph's result, and no statistic of a norm, depends on padding.

    Args:
        channels: C, of nodes and edges.
        local: Called with (x, edge_index, edge_attr), returns nodes and edges, has its own residual and dropout:
            :class:`~graphformers.layers.GatedGCN`, :class:`~graphformers.layers.GINE`. None for no such branch.
        mixer: Called with (x [N, C], cu_seqlens [G + 1]): attention or any other mixer of :mod:`formerkit.mixers`, or
            :class:`~graphformers.layers.DeepSetsVirtualNode`. None for no such branch.
        dropout: Of the mixer's output and in the feed-forward.
    """

    def __init__(
        self, channels: int, local: nn.Module | None, mixer: nn.Module | None, *, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if local is None and mixer is None:
            raise ValueError("local, mixer: expected at least one of the two")
        self.local, self.mixer = local, mixer
        self.local_norm = None if local is None else nn.BatchNorm1d(channels)
        self.mixer_norm = None if mixer is None else nn.BatchNorm1d(channels)
        self.dropout = nn.Dropout(dropout)
        self.feed_forward = nn.Sequential(
            nn.Linear(channels, 2 * channels), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(2 * channels, channels), nn.Dropout(dropout),
        )  # fmt: skip
        self.norm = nn.BatchNorm1d(channels)

    def reset_parameters(self) -> None:
        reset(self.local, self.mixer, self.local_norm, self.mixer_norm, *self.feed_forward, self.norm)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor | Adjacency,
        edge_attr: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        *,
        update_edges: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """Nodes [N, C] and edges [E, C] to the same.

        Args:
            edge_index: [2, E], or the edges sorted before by :func:`graphformers.ops.adjacency`.
            cu_seqlens: [G + 1], where each graph's nodes begin (PyTorch Geometric's ``ptr``); one graph if None.
            update_edges: Return edges as they were if False.
        """
        branches = []
        if self.local is not None and self.local_norm is not None:
            graph = as_adjacency(edge_index, len(x))
            h, edge_attr = self.local(x, graph, edge_attr, update_edges=update_edges)
            branches.append(self.local_norm(h))
        if self.mixer is not None and self.mixer_norm is not None:
            offsets = torch.tensor([0, len(x)], device=x.device) if cu_seqlens is None else cu_seqlens
            branches.append(self.mixer_norm(x + self.dropout(self.mixer(x, offsets))))
        h = sum(branches[1:], branches[0])
        return self.norm(h + self.feed_forward(h)), edge_attr
