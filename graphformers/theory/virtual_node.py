"""Message passing through a virtual node and nothing else: the networks of the theorems of Cai et al. (2023).

A virtual node is linked to all nodes of its graph. Edges between nodes are left out, so a layer is

    x_vn' = update_virtual(x_vn, aggregate_j message(x_j, x_vn))
    x_i'  = update_nodes(x_i, x_vn)

"On the Connection Between MPNN and Graph Transformer", ICML 2023, the simplified heterogeneous MPNN + VN layer. Both
lines read the state before the layer, so news from one node reaches another after two layers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from graphformers.ops.batches import check_sorted, graph_mean, graphs_of_nodes

Aggregation = Literal["sum", "mean", "softmax"]


class VirtualNodeLayer(nn.Module):
    """One layer; a subclass overrides the maps it needs.

    As it stands, it leaves the nodes alone and empties the virtual node.

    Args:
        aggregation: Of the messages of a graph's nodes: their sum, their mean, or the mean weighted by the softmax of
            :meth:`score`.
    """

    def __init__(self, aggregation: Aggregation = "sum") -> None:
        super().__init__()
        if aggregation not in ("sum", "mean", "softmax"):
            raise ValueError(f"aggregation: expected 'sum', 'mean' or 'softmax', got {aggregation!r}")
        self.aggregation = aggregation

    def message(self, x: Tensor, vn: Tensor) -> Tensor:
        """[N, M] from nodes [N, C] and the virtual nodes of their graphs [N, S]."""
        return x[:, :0]

    def score(self, x: Tensor, vn: Tensor) -> Tensor:
        """[N] from nodes [N, C] and the virtual nodes of their graphs [N, S]; for softmax alone."""
        raise NotImplementedError

    def update_virtual(self, vn: Tensor, heard: Tensor) -> Tensor:
        """[G, S'] from virtual nodes [G, S] and what they heard [G, M]."""
        return heard

    def update_nodes(self, x: Tensor, vn: Tensor) -> Tensor:
        """[N, C'] from nodes [N, C] and the virtual nodes of their graphs [N, S]."""
        return x

    def forward(self, x: Tensor, vn: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Nodes [N, C'] and virtual nodes [G, S'] from [N, C] and [G, S]; ``batch`` is [N], the graph of each node."""
        seen = vn[batch]
        message = self.message(x, seen)
        if self.aggregation == "mean":
            heard = graph_mean(message, batch, len(vn))
        else:
            if self.aggregation == "softmax":
                message = graph_softmax(self.score(x, seen), batch, len(vn))[:, None] * message
            heard = message.new_zeros(len(vn), message.shape[1]).index_add(0, batch, message)
        return self.update_nodes(x, seen), self.update_virtual(vn, heard)


class VirtualNodeNetwork(nn.Module):
    """Layers one after another; virtual nodes begin empty, as [G, 0]."""

    def __init__(self, layers: Iterable[VirtualNodeLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, batch: Tensor | None = None, num_graphs: int | None = None) -> Tensor:
        """Nodes [N, C'] from nodes [N, C].

        Args:
            x: [N, C].
            batch: [N] int64, the graph of each node, sorted; one graph if None.
            num_graphs: Graphs, if the last ones may be empty.

        Raises:
            ValueError: If batch is not [N], not sorted, or names a graph that is not there.
        """
        batch, num_graphs = checked_batch(x, batch, num_graphs)
        vn = x.new_zeros(num_graphs, 0)
        for layer in self.layers:
            x, vn = layer(x, vn, batch)
        return x


@dataclass(frozen=True)
class NetworkSize:
    """Layers, and the most numbers that a node, a virtual node or a message has at any of them."""

    depth: int
    width: int


def network_size(network: VirtualNodeNetwork, x: Tensor, batch: Tensor | None = None) -> NetworkSize:
    """Depth and width of a network, seen while it runs on nodes [N, C]."""
    batch, num_graphs = checked_batch(x, batch, None)
    vn = x.new_zeros(num_graphs, 0)
    width = x.shape[1]
    for layer in network.layers:
        assert isinstance(layer, VirtualNodeLayer)
        message = layer.message(x, vn[batch])
        x, vn = layer(x, vn, batch)
        width = max(width, x.shape[1], vn.shape[1], message.shape[1])
    return NetworkSize(len(network.layers), width)


def graph_softmax(score: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
    """[N] weights that sum to one over each graph, from scores [N]."""
    largest = score.new_full((num_graphs,), -torch.inf).scatter_reduce(0, batch, score.detach(), "amax")
    weight = torch.exp(score - largest[batch])
    return weight / weight.new_zeros(num_graphs).index_add(0, batch, weight)[batch]


def checked_batch(x: Tensor, batch: Tensor | None, num_graphs: int | None) -> tuple[Tensor, int]:
    """Batch [N] and the number of graphs, with the defaults filled in.

    Raises:
        ValueError: If batch is not [N], not sorted, or names a graph that is not there; if x is not [N, C].
    """
    if x.ndim != 2:
        raise ValueError(f"x: expected [N, C], got {list(x.shape)}")
    batch, num_graphs = graphs_of_nodes(batch, num_graphs, len(x), x.device)
    check_sorted(batch)
    return batch, num_graphs
