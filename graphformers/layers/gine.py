"""The graph isomorphism layer with edges, GINE (Hu et al., *Strategies for Pre-training Graph Neural Networks*, 2020).

    x_i' = MLP((1 + eps) x_i + sum_j relu(x_j + e_ij))

with an MLP of two layers, and ReLU, dropout and residual behind it, as the long-range graph benchmark has it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphformers.layers.parts import Norm, join, linear, norm_of, reset
from graphformers.ops import Adjacency, neighbour_sum
from graphformers.ops.adjacency import as_adjacency


class GINE(nn.Module):
    """One layer.

    Args:
        in_channels: Of a node; -1 to learn it from the first input.
        out_channels: Of a node afterwards, and within the MLP.
        edge_dim: Channels of an edge, brought to those of a node by a linear map (-1 to learn them); None if edges
            have as many already, or no features.
        eps: Weight of the node itself, less one. train_eps: Whether it is learned.
        activation: ReLU behind the MLP.
        residual: Add what came in.
        norm: Before that ReLU: batch norm over all nodes at hand, layer norm, or None.
        mlp_norm: Likewise between the MLP's first layer and its ReLU, where OGB's GIN has a batch norm.
        dropout: Before the residual.
    """

    eps: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        edge_dim: int | None = None,
        *,
        eps: float = 0.0,
        train_eps: bool = False,
        activation: bool = True,
        residual: bool = True,
        norm: Norm = None,
        mlp_norm: Norm = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if residual and in_channels not in (-1, out_channels):
            raise ValueError(f"in_channels: a residual needs {out_channels} channels, got {in_channels}")
        if edge_dim is not None and in_channels == -1:
            raise ValueError("edge_dim: expected None where in_channels is to be learned from the first input")
        self.initial_eps, self.activation, self.residual = eps, activation, residual
        if train_eps:
            self.eps = nn.Parameter(torch.tensor([float(eps)]))
        else:
            self.register_buffer("eps", torch.tensor([float(eps)]))
        self.edge_proj = None if edge_dim is None else linear(edge_dim, in_channels)
        between = () if mlp_norm is None else (norm_of(mlp_norm, out_channels),)
        self.mlp = nn.Sequential(
            linear(in_channels, out_channels), *between, nn.ReLU(), nn.Linear(out_channels, out_channels)
        )
        self.norm = norm_of(norm, out_channels)
        self.dropout = nn.Dropout(dropout)

    def reset_parameters(self) -> None:
        reset(self.edge_proj, *self.mlp, self.norm)
        nn.init.constant_(self.eps, self.initial_eps)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor | Adjacency,
        edge_attr: Tensor | None = None,
        *,
        update_edges: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """Nodes [N, in] to [N, out]; edges [E, edge_dim or in] come back as they were.

        Args:
            edge_index: [2, E], or the edges sorted before by :func:`graphformers.ops.adjacency`.
            update_edges: Without meaning here; layers with a stream of edges are called alike.

        Raises:
            ValueError: On shapes that do not agree.
        """
        edges = edge_attr if self.edge_proj is None or edge_attr is None else self.edge_proj(edge_attr)
        # Under autocast linear maps give another type than embeddings and sums.
        edges = None if edges is None else edges.to(x.dtype)
        heard = neighbour_sum(x, as_adjacency(edge_index, len(x)), edges, relu=True)
        new = self.norm(self.mlp((1 + self.eps) * x + heard))
        new = self.dropout(new.relu() if self.activation else new)
        return join(x if self.residual else None, new), edge_attr
