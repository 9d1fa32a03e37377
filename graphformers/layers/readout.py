"""What a network says in the end, of each node or of each graph."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from graphformers.layers.parts import reset
from graphformers.ops.batches import graph_mean, graph_sum

Level = Literal["node", "graph"]
Pooling = Literal["mean", "sum"]


class Readout(nn.Module):
    """Linear layers with ReLU between them, of nodes, or of graphs whose nodes were taken together.

    Args:
        in_channels: Of a node. hidden_channels: Of each layer but the last. out_channels: Of a prediction.
        level: Predictions of nodes or of graphs.
        pooling: Of the nodes of a graph.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: Sequence[int],
        out_channels: int,
        *,
        level: Level = "graph",
        pooling: Pooling = "mean",
    ) -> None:
        super().__init__()
        if level not in ("node", "graph"):
            raise ValueError(f"readout: expected 'node' or 'graph', got {level!r}")
        if pooling not in ("mean", "sum"):
            raise ValueError(f"pooling: expected 'mean' or 'sum', got {pooling!r}")
        self.level, self.pooling = level, pooling
        self.layers = nn.ModuleList(
            nn.Linear(width, out) for width, out in pairwise((in_channels, *hidden_channels, out_channels))
        )

    def reset_parameters(self) -> None:
        reset(*self.layers)

    def forward(self, x: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        """[N, in] to [N, out], or to [G, out]; ``batch`` [N] in any order."""
        if self.level == "graph":
            x = (graph_mean if self.pooling == "mean" else graph_sum)(x, batch, num_graphs)
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)
