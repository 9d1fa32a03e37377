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
from graphformers.layers.reach import Hop
from graphformers.ops import edge_attention, event_attention
from graphformers.ops.dropout import added_dropout


class TemporalAttention(nn.Module):
    """Nodes [c, channels] to the same.

    Args:
        channels: d. heads: H, a divisor of d.
        event_channels: Of z; 0 without.
        dropout: Of what is heard.
        alike: All nodes have the same state. Then ``softmax(q k)`` says nothing, and the matrices that only it reads
            do not learn.
    """

    def __init__(
        self, channels: int, heads: int, event_channels: int, *, dropout: float = 0.0, alike: bool = False
    ) -> None:
        super().__init__()
        self.alike = alike
        self.width, self.dropout = head_width(channels, heads), dropout
        self.query, self.value = nn.Linear(channels, channels), nn.Linear(channels, channels)
        # A bias of keys would add the same to all scores of a query.
        self.key = GlorotLinear(channels, channels)
        self.event_key = GlorotLinear(event_channels, channels) if event_channels else None
        self.event_value = GlorotLinear(event_channels, channels) if event_channels else None

        if alike:
            # Processes that train together would wait for their gradients in vain.
            for layer in (self.key,) if event_channels else (self.key, self.query):
                layer.requires_grad_(False)

    def reset_parameters(self) -> None:
        reset(self.query, self.key, self.value, self.event_key, self.event_value)

    def forward(self, h: Tensor, hop: Hop, events: Encodings | None) -> Tensor:
        """h [s, channels] to [d, channels], and what the edges of the window tell, if anything.

        Nodes that are alike have one row of h for all, and each has an edge.

        Raises:
            ValueError: If encodings are missing, or given to a layer that has no use for them.
        """
        if (events is None) != (self.event_key is None):
            raise ValueError(f"events: expected {'none' if self.event_key is None else 'encodings of edges'}, "
                             "as the layer was made")  # fmt: skip
        if self.alike:
            heard = self._of_alike(h, hop, events)
            own = h.expand_as(heard)
        else:
            own = h if hop.own is None else h.index_select(0, hop.own)
            heard = self._of_others(h, own, hop, events)
        return F.gelu(added_dropout(own, heard, self.dropout, self.training))

    def _of_others(self, h: Tensor, own: Tensor, hop: Hop, events: Encodings | None) -> Tensor:
        q, k, v = (self._heads(layer(x)) for layer, x in ((self.query, own), (self.key, h), (self.value, h)))
        if events is None:
            return edge_attention(q, k, v, hop.graph)[0].flatten(1)
        to_key, to_value = self._matrices(events)
        qz = torch.einsum("nhd,hdz->nhz", q, to_key)
        o, seen = event_attention(q, qz, k, v, events.columns, hop.graph, rows=hop.edges)
        return (o + torch.einsum("nhz,hdz->nhd", seen, to_value)).flatten(1)

    def _of_alike(self, h: Tensor, hop: Hop, events: Encodings | None) -> Tensor:
        """What all edges share moves no weight, and the mean of equal values is that value."""
        count, value = hop.graph.num_destinations, self.value(h)
        if events is None:
            return value.expand(count, -1)
        to_key, to_value = self._matrices(events)
        qz = torch.einsum("nhd,hdz->nhz", self._heads(self.query(h)), to_key).expand(count, -1, -1)
        nothing = qz.new_empty(count, qz.shape[1], 0)
        other = qz.new_empty(hop.graph.num_sources, qz.shape[1], 0)
        _, seen = event_attention(
            nothing, qz, other, other, events.columns, hop.graph, rows=hop.edges, scale=self.width**-0.5
        )
        return torch.einsum("nhz,hdz->nhd", seen, to_value).flatten(1) + value

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (-1, self.width))

    def _matrices(self, events: Encodings) -> tuple[Tensor, Tensor]:
        """[H, D, Z] each, of what the events tell, for keys and for values."""
        assert self.event_key is not None
        assert self.event_value is not None
        key, value = (layer.weight @ events.matrix for layer in (self.event_key, self.event_value))
        return key.unflatten(0, (-1, self.width)), value.unflatten(0, (-1, self.width))
