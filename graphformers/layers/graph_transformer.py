"""The layer of the graph transformer of Dwivedi and Bresson (2021, equations 2 to 12).

Attention over neighbours, with a stream of edges beside the nodes' or without.
"""

from __future__ import annotations

from torch import Tensor, nn

from graphformers.layers.parts import Norm, norm_of, reset
from graphformers.ops import Adjacency, edge_attention
from graphformers.ops.adjacency import as_adjacency

CLAMP = 5.0
"""Scores are cut to [-5, 5], as in the authors' code: two weights differ by a factor of e^10 at most."""
EPS = 1e-6
"""Added to the sum of exponentials where there are edge features, again as in the code."""


class GraphTransformerLayer(nn.Module):
    """Attention and feed-forward, each with a residual and a norm after it.

    A node hears of its in-neighbours, and of itself only where there is an edge from it to itself. A node without edges
    gets zeros from the attention.

    Args:
        channels: C, of nodes and edges.
        heads: H, a divisor of C; channel c belongs to head c % H.
        edges: Whether edges have features, which gate the attention and go on themselves.
        norm: Batch norm over all nodes (or edges) at hand, layer norm, or None.
        dropout: In attention outputs and feed-forwards.
    """

    def __init__(
        self, channels: int, heads: int, *, edges: bool = False, norm: Norm = "batch", dropout: float = 0.0
    ) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"heads: {channels} channels are not a multiple of {heads} heads")
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(channels, channels, bias=False) for _ in range(3))
        self.nodes = _Stream(channels, norm, dropout)
        self.gate_proj = nn.Linear(channels, channels, bias=False) if edges else None
        self.edges = _Stream(channels, norm, dropout) if edges else None

    def reset_parameters(self) -> None:
        reset(self.q_proj, self.k_proj, self.v_proj, self.gate_proj, self.nodes, self.edges)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor | Adjacency,
        edge_attr: Tensor | None = None,
        *,
        update_edges: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """Nodes [N, C] and edges [E, C] to the same; edges come back as they were without ``update_edges``.

        ``edge_index`` is [2, E], or the edges sorted before by :func:`graphformers.ops.adjacency`.

        Raises:
            ValueError: If edge features are missing, or given to a layer that has no use for them.
        """
        if (edge_attr is None) == (self.gate_proj is not None):
            raise ValueError(
                f"edge_attr: expected {'none' if self.gate_proj is None else 'features of edges'}, "
                f"as the layer was made with edges={self.gate_proj is not None}"
            )
        graph = as_adjacency(edge_index, len(x))
        # Which channels make up a head is free: taken in turns, the compiled attention need not sort them.
        q, k, v = (project(x).unflatten(1, (-1, self.heads)) for project in (self.q_proj, self.k_proj, self.v_proj))
        if self.gate_proj is None or edge_attr is None or self.edges is None:
            heard, _ = edge_attention(q, k, v, graph, clamp=CLAMP, heads_last=True)
            return self.nodes(x, heard.flatten(1)), None
        gate = self.gate_proj(edge_attr).unflatten(1, (-1, self.heads))
        heard, products = edge_attention(q, k, v, graph, gate=gate, clamp=CLAMP, eps=EPS, heads_last=True)
        assert products is not None
        nodes = self.nodes(x, heard.flatten(1))
        return nodes, self.edges(edge_attr, products.flatten(1)) if update_edges else edge_attr


class _Stream(nn.Module):
    """What nodes and edges alike do with what the attention gave them."""

    def __init__(self, channels: int, norm: Norm, dropout: float) -> None:
        super().__init__()
        self.out_proj = nn.Linear(channels, channels)
        self.norm1, self.norm2 = (norm_of(norm, channels) for _ in range(2))
        self.feed_forward = nn.Sequential(
            nn.Linear(channels, 2 * channels), nn.ReLU(), nn.Dropout(dropout), nn.Linear(2 * channels, channels)
        )
        self.dropout = nn.Dropout(dropout)

    def reset_parameters(self) -> None:
        reset(self.out_proj, self.norm1, self.norm2, *self.feed_forward)

    def forward(self, x: Tensor, attended: Tensor) -> Tensor:
        x = self.norm1(x + self.out_proj(self.dropout(attended)))
        return self.norm2(x + self.feed_forward(x))
