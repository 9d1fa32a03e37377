"""A model like GraphMixer.

Cong et al., *Do We Really Need Complicated Model Architectures for Temporal Networks?* (2023).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from formerdata.temporal import EventStream
from torch import Tensor, nn

from formerkit.io import require
from graphformers.temporal.node_state_scorer import NodeStateScorer, event_features


class GraphMixerLike(NodeStateScorer):
    """An MLP-mixer over the K last events of each node, and the mean of its neighbours' features; PyTorch Geometric's
    ``LinkEncoder`` and ``NodeEncoder``.

    Unlike the original, a node is encoded as of the last known event and not of the time that is asked for, so that
    all candidates of a batch share it; the decoder is told how long ago each node's last event was. And the neighbours
    whose features are averaged are those of the K last events.

    Args:
        channels: D, widths.
        edge_channels: Features of an event.
        node_channels: Features of a node.
        num_recent: K, at least 2.
        time_channels: Of a time's encoding.
        time_window: Neighbours' features count for so long, in ``time_unit``.
        time_unit: What times are measured in. GraphMixer's fixed frequencies reach from 1 to sqrt(time_channels) to the
            power of -sqrt(time_channels), that is 1e-10 at 100 channels: seconds are fine.
        dropout: In the mixer.
    """

    def __init__(
        self,
        channels: int = 100,
        *,
        edge_channels: int = 0,
        node_channels: int = 0,
        num_recent: int = 20,
        time_channels: int = 100,
        time_window: float = math.inf,
        time_unit: float = 1.0,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(channels, num_recent, time_unit)
        if num_recent < 2:
            raise ValueError(f"num_recent: expected at least 2, got {num_recent}")
        parts: Any = require("torch_geometric.nn.models.graph_mixer", "graph", purpose="GraphMixerLike")
        self.edge_channels, self.node_channels = edge_channels, node_channels
        self.link_encoder = parts.LinkEncoder(
            num_recent, edge_channels, channels, channels, time_channels, is_sorted=True, dropout=dropout
        )
        self.node_encoder = parts.NodeEncoder(time_window)
        self.head = nn.Linear(channels + node_channels, channels)

    def encode(self, events: EventStream, end: int, nodes: Tensor) -> Tensor:
        around, edges, which = self.recent.around(events, nodes)
        times = -self.ages(events, end, which)
        places = torch.searchsorted(nodes, around[edges[1]])
        features = event_features(events, which, self.edge_channels)
        into = torch.stack([edges[0], places])
        parts = [self.link_encoder(into, features, times, times.new_zeros(len(nodes)))]
        if self.node_channels:
            x = self._node_features(events)[around]
            mean = self.node_encoder(x, edges, times, times.new_zeros(len(around)))
            parts.append(mean[torch.searchsorted(around, nodes)])
        states: Tensor = self.head(torch.cat(parts, 1))
        return states

    def _node_features(self, events: EventStream) -> Tensor:
        if events.x is None or events.x.shape[1] != self.node_channels:
            have = 0 if events.x is None else events.x.shape[1]
            raise ValueError(f"node_channels: the model was made for {self.node_channels}, nodes have {have} features")
        return events.x
