"""The graph convolution of Kipf and Welling (*Semi-Supervised Classification with Graph Convolutional Networks*, 2017).

    x_i' = sum over j in N(i) and i itself of W x_j / sqrt(d_i d_j) + b,    d_i = |N(i)| + 1

and then norm, ReLU, dropout and residual. Edges from a node to itself count as the one that is there in any case.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphformers.layers.parts import Norm, glorot_linear, join, norm_of, reset
from graphformers.ops import Adjacency, neighbour_sum
from graphformers.ops.adjacency import as_adjacency


class GCN(nn.Module):
    """One layer; W begins as in the paper, uniform after Glorot and Bengio.

    Args:
        in_channels: Of a node; -1 to learn it from the first input.
        out_channels: Of a node afterwards.
        activation: ReLU.
        residual: Add what came in.
        norm: Before the ReLU: batch norm over all nodes at hand, layer norm, or None. With one there is no bias b.
        dropout: Before the residual.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        activation: bool = True,
        residual: bool = True,
        norm: Norm = "batch",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if residual and in_channels not in (-1, out_channels):
            raise ValueError(f"in_channels: a residual needs {out_channels} channels, got {in_channels}")
        self.activation, self.residual = activation, residual
        self.linear = glorot_linear(in_channels, out_channels)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if norm is None else None
        self.norm = norm_of(norm, out_channels)
        self.dropout = nn.Dropout(dropout)

    def reset_parameters(self) -> None:
        reset(self.linear, self.norm)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor | Adjacency,
        edge_attr: Tensor | None = None,
        *,
        update_edges: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """Nodes [N, in] to [N, out]; edges are not read, and come back as they were.

        Args:
            edge_index: [2, E], or the edges sorted before by :func:`graphformers.ops.adjacency`.
            update_edges: Without meaning here; layers with a stream of edges are called alike.
        """
        graph = as_adjacency(edge_index, len(x))
        source, destination = graph.edge_index
        loops = torch.bincount(source[source == destination], minlength=len(x))
        neighbours = graph.starts_in.diff() - loops
        scale = (neighbours + 1).to(x.dtype).rsqrt()[:, None]
        h = self.linear(x) * scale
        # One loop instead of those that are there.
        new = (neighbour_sum(h, graph) + h * (1 - loops)[:, None]) * scale
        new = self.norm(new if self.bias is None else new + self.bias)
        return join(x if self.residual else None, self.dropout(new.relu() if self.activation else new)), edge_attr
