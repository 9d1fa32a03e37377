"""Virtual nodes beside the graph: something that hears of all nodes of a graph and tells them of each other."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from formerkit.mixers.packing import sequence_of_rows
from graphformers.layers.parts import reset
from graphformers.ops.batches import Reduction, graph_reduce, graph_sum

Activation = Literal["relu", "elu"] | None


class DeepSetsVirtualNode(nn.Module):
    """The virtual node of Cai et al. (2023) in the place of attention: layers of DeepSets (Zaheer et al., 2017).

    One layer is, for the nodes of a graph::

        y_i = norm(activation(alpha x_i + beta reduce_j x_j + b))

    Statistics of the norm are those of the nodes alone; in the authors' code padding has a share in them.

    Args:
        channels: C.
        reduction: Over the nodes of the graph.
        activation: ReLU, ELU or None.
        num_layers: Layers.
        batch_norm: Whether there is a norm.

    Shapes:
        x is packed [N, C] with ``cu_seqlens`` [G + 1], where each graph's nodes begin (PyTorch Geometric's ``ptr``);
        one graph if it is None. The output is [N, C].
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: Reduction = "mean",
        activation: Activation = "relu",
        num_layers: int = 1,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_DeepSets(channels, reduction, activation, batch_norm) for _ in range(num_layers))

    def reset_parameters(self) -> None:
        reset(*self.layers)

    def forward(self, x: Tensor, cu_seqlens: Tensor | None = None) -> Tensor:
        offsets = torch.tensor([0, len(x)], device=x.device) if cu_seqlens is None else cu_seqlens
        graph = sequence_of_rows(offsets)
        for layer in self.layers:
            x = layer(x, graph, len(offsets) - 1)
        return x


class _DeepSets(nn.Module):
    def __init__(self, channels: int, reduction: Reduction, activation: Activation, batch_norm: bool) -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "max", "min"):
            raise ValueError(f"reduction: expected 'mean', 'sum', 'max' or 'min', got {reduction!r}")
        self.reduction = reduction
        self.alpha = nn.Linear(channels, channels)
        self.beta = nn.Linear(channels, channels, bias=False)
        self.activation = _activation(activation)
        self.norm = nn.BatchNorm1d(channels) if batch_norm else nn.Identity()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier, biases nil."""
        nn.init.xavier_uniform_(self.alpha.weight)
        nn.init.xavier_uniform_(self.beta.weight)
        nn.init.zeros_(self.alpha.bias)
        reset(self.norm)

    def forward(self, x: Tensor, graph: Tensor, num_graphs: int) -> Tensor:
        shared = self.beta(graph_reduce(x, graph, num_graphs, self.reduction))
        return self.norm(self.activation(self.alpha(x) + shared.index_select(0, graph)))


def _activation(name: Activation) -> nn.Module:
    if name is None:
        return nn.Identity()
    if name not in ("relu", "elu"):
        raise ValueError(f"activation: expected 'relu', 'elu' or None, got {name!r}")
    return nn.ReLU() if name == "relu" else nn.ELU()


class EmbeddingVirtualNode(nn.Module):
    """The virtual node of OGB's examples (Gilmer et al., 2017; Hu et al., 2020): a vector for each graph.

    It starts as one embedding for all graphs, nil at first. Each layer of the network hears of it with its input, and
    each but the last has a network of its own that renews it::

        x    <- x + u                             # before the layer
        u    <- MLP(u + sum_j x_j) [+ u]          # after it

    The defaults are those of OGB's examples. GraphGPS pools the layer's output, through an MLP as wide as the nodes
    (``pool="output"``, ``hidden_channels=channels``); the climate model of Cai et al. (2023) has no norm, a residual,
    and a slope of 0.1.

    Args:
        channels: C.
        num_layers: Layers of the network that it serves.
        pool: Whether the layer's input (with u in it) or its output is summed over the nodes.
        hidden_channels: Of the MLP; 2 C if None.
        residual: Keep what u was.
        batch_norm: Norms in the MLP, over the graphs of the batch: in training they must be more than one.
        negative_slope: Of the ReLUs of the MLP.
        dropout: Behind the MLP.
    """

    def __init__(
        self,
        channels: int,
        num_layers: int,
        *,
        pool: Literal["input", "output"] = "input",
        hidden_channels: int | None = None,
        residual: bool = False,
        batch_norm: bool = True,
        negative_slope: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if pool not in ("input", "output"):
            raise ValueError(f"pool: expected 'input' or 'output', got {pool!r}")
        self.pool, self.residual, self.batch_norm = pool, residual, batch_norm
        self.embedding = nn.Parameter(torch.zeros(channels))
        hidden = 2 * channels if hidden_channels is None else hidden_channels
        self.mlps = nn.ModuleList(
            _two_layers(channels, hidden, batch_norm, negative_slope) for _ in range(num_layers - 1)
        )
        self.dropout = nn.Dropout(dropout)

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.embedding)
        for mlp in self.mlps:
            reset(*mlp.children())

    def start(self, num_graphs: int) -> Tensor:
        """[G, C], before the first layer."""
        return self.embedding.expand(num_graphs, -1)

    def tell(self, x: Tensor, u: Tensor, batch: Tensor) -> Tensor:
        """A layer's input: nodes x [N, C] with the u [G, C] of their graphs."""
        return x + u.index_select(0, batch)

    def renew(self, number: int, u: Tensor, before: Tensor, after: Tensor, batch: Tensor) -> Tensor:
        """u [G, C] behind layer ``number`` (from 0), whose input was ``before`` and output ``after`` [N, C].

        Unchanged behind the last layer.

        Raises:
            ValueError: In training, if there is a norm over the graphs and one graph alone.
        """
        if number >= len(self.mlps):
            return u
        if self.training and self.batch_norm and len(u) < 2:
            raise ValueError("batch_norm: a virtual node's norm is over graphs, and there is one graph: do without")
        pooled = graph_sum(before if self.pool == "input" else after, batch, len(u))
        new = self.dropout(self.mlps[number](pooled + u))
        return u + new if self.residual else new


def _two_layers(channels: int, hidden: int, batch_norm: bool, negative_slope: float) -> nn.Sequential:
    parts: list[nn.Module] = []
    for width, out in ((channels, hidden), (hidden, channels)):
        parts += [nn.Linear(width, out), *([nn.BatchNorm1d(out)] if batch_norm else []), nn.LeakyReLU(negative_slope)]
    return nn.Sequential(*parts)
