"""The residual gated graph convolution of Bresson and Laurent (2018), with a stream of edges.

As Dwivedi et al. have it (*Benchmarking Graph Neural Networks*, 2020, equations 11 to 13). For an edge from j to i::

    e_ij' = D x_i + E x_j + C e_ij
    x_i'  = A x_i + sum_j sigmoid(e_ij') * B x_j / (sum_j sigmoid(e_ij') + 1e-6)

and then norm, ReLU, dropout and residual, of nodes and of edges.
"""

from __future__ import annotations

from torch import Tensor, nn

from graphformers.layers.parts import Norm, join, linear, norm_of, reset
from graphformers.ops import Adjacency, gated_aggregation
from graphformers.ops.adjacency import as_adjacency

EPS = 1e-6
"""Added to the sum of open gates, as in the authors' code."""


class GatedGCN(nn.Module):
    """One layer.

    A node hears of its in-neighbours; one without edges keeps A x_i alone.

    Args:
        in_channels: Of a node; -1 to learn it from the first input.
        out_channels: Of a node and of an edge.
        edge_dim: Channels of an edge, -1 to learn it from the first input; None for gates of nodes alone.
        residual: Add what came in, to nodes and edges; channels must then stay as they are.
        norm: Batch norm over all nodes (or edges) at hand, layer norm, or None.
        dropout: Of nodes and edges, before the residual.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        edge_dim: int | None = None,
        *,
        residual: bool = True,
        norm: Norm = "batch",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name, width in (("in_channels", in_channels), ("edge_dim", edge_dim)):
            if residual and width not in (None, -1, out_channels):
                raise ValueError(f"{name}: a residual needs {out_channels} channels, got {width}")
        self.residual = residual
        self.self_proj, self.value_proj, self.receiver_proj, self.sender_proj = (
            linear(in_channels, out_channels) for _ in range(4)
        )
        self.edge_proj = None if edge_dim is None else linear(edge_dim, out_channels)
        self.norm = norm_of(norm, out_channels)
        self.edge_norm = None if edge_dim is None else norm_of(norm, out_channels)
        self.dropout = nn.Dropout(dropout)

    def reset_parameters(self) -> None:
        reset(self.self_proj, self.value_proj, self.receiver_proj, self.sender_proj, self.edge_proj)
        reset(self.norm, self.edge_norm)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor | Adjacency,
        edge_attr: Tensor | None = None,
        *,
        update_edges: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """Nodes [N, in] and edges [E, edge_dim] to [N, out] and [E, out].

        Args:
            edge_index: [2, E], or the edges sorted before by :func:`graphformers.ops.adjacency`.
            update_edges: Return edges as they were if False: a last layer's edges are nobody's input.

        Raises:
            ValueError: If edge features are missing, or given to a layer that has no use for them.
        """
        if (edge_attr is None) != (self.edge_proj is None):
            raise ValueError(
                f"edge_attr: expected {'none' if self.edge_proj is None else 'features of edges'}, "
                "as the layer was made with edge_dim"
                f"{'=None' if self.edge_proj is None else f'={self.edge_proj.in_features}'}"
            )
        graph = as_adjacency(edge_index, len(x))
        edges = None if self.edge_proj is None or edge_attr is None else self.edge_proj(edge_attr)
        heard, gates = gated_aggregation(
            self.value_proj(x), self.receiver_proj(x), self.sender_proj(x), edges, graph, eps=EPS
        )
        nodes = self._finished(self.norm, self.self_proj(x) + heard, x)
        if edge_attr is None or self.edge_norm is None:
            return nodes, None
        return nodes, self._finished(self.edge_norm, gates, edge_attr) if update_edges else edge_attr

    def _finished(self, norm: nn.Module, new: Tensor, old: Tensor) -> Tensor:
        return join(old if self.residual else None, self.dropout(norm(new).relu()))
