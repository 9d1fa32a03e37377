"""Attention over the events of a node: the layer of DyG2Vec (Alomrani et al., 2022), Todyformer's local encoder.

For an edge from j to i of an event with encoding z (:mod:`~graphformers.layers.event_features`), per head::

    k = Wk [h_j | z],    v = Wv [h_j | z],    q_i = Wq h_i
    h_i' = act(h_i + concat over heads of sum over edges into i of softmax(q_i k / sqrt(D)) v)

over all events of i at hand. The matrices of ``[h_j | z]`` are split in two, so that h is multiplied once a node, and
so is z (:func:`~graphformers.ops.event_attention`). GELU as the activation, and no norm before: inferred.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from formerkit.mixers.heads import head_width
from graphformers.layers.event_features import Encodings
from graphformers.layers.parts import GlorotLinear, reset
from graphformers.ops import Adjacency, edge_attention, event_attention
from graphformers.ops.dropout import added_dropout


class TemporalAttention(nn.Module):
    """Nodes [c, channels] to the same.

    Args:
        channels: d. heads: H, a divisor of d.
        event_channels: Of z; 0 without.
        dropout: Of what is heard.
    """

    def __init__(self, channels: int, heads: int, event_channels: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.width, self.dropout = head_width(channels, heads), dropout
        self.query, self.value = nn.Linear(channels, channels), nn.Linear(channels, channels)
        # A bias of keys would add the same to all scores of a query.
        self.key = GlorotLinear(channels, channels)
        self.event_key = GlorotLinear(event_channels, channels) if event_channels else None
        self.event_value = GlorotLinear(event_channels, channels) if event_channels else None

    def reset_parameters(self) -> None:
        reset(self.query, self.key, self.value, self.event_key, self.event_value)

    def forward(self, h: Tensor, graph: Adjacency, events: Encodings | None) -> Tensor:
        """h [c, channels], and what the edges of the graph tell, if anything.

        Raises:
            ValueError: If encodings are missing, or given to a layer that has no use for them.
        """
        if (events is None) != (self.event_key is None):
            raise ValueError(f"events: expected {'none' if self.event_key is None else 'encodings of edges'}, "
                             "as the layer was made")  # fmt: skip
        q, k, v = (layer(h).unflatten(1, (-1, self.width)) for layer in (self.query, self.key, self.value))
        if events is None:
            o, _ = edge_attention(q, k, v, graph)
        else:
            assert self.event_key is not None
            assert self.event_value is not None
            to_key, to_value = (
                (layer.weight @ events.matrix).unflatten(0, (-1, self.width))
                for layer in (self.event_key, self.event_value)
            )
            o, seen = event_attention(q, torch.einsum("nhd,hdz->nhz", q, to_key), k, v, events.columns, graph)
            o = o + torch.einsum("nhz,hdz->nhd", seen, to_value)
        return F.gelu(added_dropout(h, o.flatten(1), self.dropout, self.training))
