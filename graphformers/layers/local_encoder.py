"""Message passing that encodes nodes before a sequence model reads them, in the whole graph or in each token's part."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from graphformers.layers.local import Conv, local_layer
from graphformers.layers.parts import Norm, freeze_edges, reset
from graphformers.ops import Adjacency

Scope = Literal["graph", "token"]


class LocalEncoder(nn.Module):
    """Layers of message passing.

    Args:
        channels: C. conv: Which kind. num_layers: How many, at least 1.
        edges: Whether edges have features, of C channels.
        keep_edges: Whether someone reads the edges of the last layer; otherwise it leaves them as they were.
        norm, dropout: Of the layers.

    Raises:
        ValueError: On no layers, or another kind.
    """

    def __init__(
        self,
        channels: int,
        conv: Conv,
        num_layers: int,
        *,
        edges: bool,
        keep_edges: bool = False,
        norm: Norm = "batch",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"local_layers: expected at least 1, or local=None, got {num_layers}")
        self.layers = nn.ModuleList(
            local_layer(conv, channels, edges=edges, norm=norm, dropout=dropout) for _ in range(num_layers)
        )
        self.keep_edges = keep_edges and edges
        if not self.keep_edges:
            freeze_edges(self.layers[-1])

    def reset_parameters(self) -> None:
        reset(*self.layers)

    def forward(self, h: Tensor, graph: Adjacency, e: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Nodes [N, C] and edges [E, C] to the same."""
        for number, layer in enumerate(self.layers, 1):
            h, e = layer(h, graph, e, update_edges=self.keep_edges or number < len(self.layers))
        return h, e
