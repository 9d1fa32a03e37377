"""Attention over the events of a node: the layer of DyG2Vec (Alomrani et al., 2022), Todyformer's local encoder.

For an edge from j to i of an event with encoding z (:mod:`~graphformers.layers.event_features`), per head::

    k = Wk [h_j | z],    v = Wv [h_j | z],    q_i = Wq h_i
    h_i' = act(h_i + concat over heads of sum over edges into i of softmax(q_i k / sqrt(D)) v)

over all events of i at hand. The matrices of ``[h_j | z]`` are split in two, so that h is multiplied once a node and z
once an edge. The activation is GELU and matrices have no norm before them: inferred.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from formerkit.mixers.heads import head_width
from graphformers.layers.parts import GlorotLinear, reset
from graphformers.layers.patches import Patches
from graphformers.ops import Adjacency, edge_attention, neighbour_sum


class TemporalAttention(nn.Module):
    """Copies of nodes [c, channels] to the same, within each patch.

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

    def forward(self, h: Tensor, patches: Patches, z: Tensor | None) -> Tensor:
        """h [c, channels], z [2W, event_channels] or None."""
        q, k, v, graph = self.query(h), self.key(h), self.value(h), patches.graph
        if self.event_key is not None and self.event_value is not None:
            assert z is not None
            heard = _to_edges(graph)
            k, v = (neighbour_sum(x, heard, e(z)) for x, e in ((k, self.event_key), (v, self.event_value)))
            graph = _from_edges(graph)
        q, k, v = (x.unflatten(1, (-1, self.width)) for x in (q, k, v))
        o, _ = edge_attention(q, k, v, graph)
        return F.gelu(h + F.dropout(o.flatten(1), self.dropout, self.training))


def _to_edges(graph: Adjacency) -> Adjacency:
    """From each copy to the edges that leave it: each edge is a node that hears one copy."""
    edges = graph.edges_in
    return Adjacency(
        torch.stack([graph.sources_in, edges]), graph.num_sources, len(edges),
        edges_in=edges, starts_in=_one_each(edges), sources_in=graph.sources_in,
        edges_out=graph.edges_out, starts_out=graph.starts_out, destinations_out=graph.edges_out,
        places_out=graph.edges_out,
    )  # fmt: skip


def _from_edges(graph: Adjacency) -> Adjacency:
    """From each edge to the copy it leads to."""
    edges, copies = graph.edges_in, graph.edge_index[1]
    return Adjacency(
        torch.stack([edges, copies]), len(edges), graph.num_destinations,
        edges_in=edges, starts_in=graph.starts_in, sources_in=edges,
        edges_out=edges, starts_out=_one_each(edges), destinations_out=copies, places_out=edges,
    )  # fmt: skip


def _one_each(edges: Tensor) -> Tensor:
    return torch.arange(len(edges) + 1, device=edges.device)
