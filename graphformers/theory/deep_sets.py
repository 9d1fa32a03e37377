"""DeepSets is message passing through a virtual node, layer by layer and exactly.

The equivariant layer of Zaheer et al. (2017), in the form of Segol and Lipman (2020), of a graph's nodes X [n, C] is

    sigma( X A + (1/n) 1 1^T X B + 1 c^T ),

and the mean is what a virtual node can gather. Cai et al. (2023) base Theorem 5.5 on it: as DeepSets approximates every
continuous equivariant map on a compact set, softmax attention among them, so does MPNN + VN, with width O(n^C).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from graphformers.ops.batches import graph_mean
from graphformers.theory.virtual_node import VirtualNodeLayer, VirtualNodeNetwork, checked_batch


class DeepSetsLayer(nn.Module):
    """``sigma(x_i A + mean_j(x_j) B + c)`` over the nodes of a graph.

    Args:
        in_channels: C.
        out_channels: C'.
        activation: sigma, entry by entry.
    """

    def __init__(
        self, in_channels: int, out_channels: int, activation: Callable[[Tensor], Tensor] = torch.relu
    ) -> None:
        super().__init__()
        self.own = nn.Linear(in_channels, out_channels)  # A and c
        self.mean = nn.Linear(in_channels, out_channels, bias=False)  # B
        self.activation = activation

    def reset_parameters(self) -> None:
        self.own.reset_parameters()
        self.mean.reset_parameters()

    def forward(self, x: Tensor, batch: Tensor | None = None, num_graphs: int | None = None) -> Tensor:
        """Nodes [N, C] to [N, C']; ``batch`` is [N], sorted, one graph if None."""
        batch, num_graphs = checked_batch(x, batch, num_graphs)
        return self.combine(x, graph_mean(x, batch, num_graphs)[batch])

    def combine(self, x: Tensor, mean: Tensor) -> Tensor:
        """[N, C'] from nodes and the means of their graphs, both [N, C]."""
        return self.activation(self.own(x) + self.mean(mean))


class GatherMean(VirtualNodeLayer):
    """The virtual node learns the mean of the nodes: [G, C]."""

    def __init__(self) -> None:
        super().__init__("mean")

    def message(self, x: Tensor, vn: Tensor) -> Tensor:
        return x


class ReadMean(VirtualNodeLayer):
    """The nodes combine their features with the mean, by the weights of a DeepSets layer."""

    def __init__(self, layer: DeepSetsLayer) -> None:
        super().__init__()
        self.layer = layer

    def update_nodes(self, x: Tensor, vn: Tensor) -> Tensor:
        return self.layer.combine(x, vn)


def deep_sets_network(layers: Iterable[DeepSetsLayer]) -> VirtualNodeNetwork:
    """The network that a stack of DeepSets layers is; it shares their parameters. Depth 2L, width that of the stack."""
    return VirtualNodeNetwork(step for layer in layers for step in (GatherMean(), ReadMean(layer)))
