"""The usual PyTorch Geometric models for nodes and for graphs, as its own examples build them."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn

from formerkit.io import require
from graphformers.layers.encoders import encoded, node_encoder
from graphformers.tasks import GraphTask, TokenTask

PURPOSE = "the peer"


class NodeGCN(nn.Module):
    """GCN for nodes with features; dropout of the features and between layers, as in the examples on Planetoid."""

    def __init__(self, task: GraphTask, channels: int, num_layers: int, dropout: float, norm: str | None) -> None:
        super().__init__()
        models = require("torch_geometric.nn.models", "graph", purpose=PURPOSE)
        self.dropout = nn.Dropout(dropout)
        features = task.model_arguments["in_channels"]
        self.network = models.GCN(features, channels, num_layers, task.outputs, dropout=dropout, norm=norm)

    def forward(self, x: Tensor, edge_index: Tensor, *_: Any, **__: Any) -> Tensor:
        return self.network(self.dropout(x), edge_index)


class GraphSAGE(nn.Module):
    """GraphSAGE for the nodes of one graph, with its edges as a sparse matrix: several times faster than as a list."""

    def __init__(self, task: GraphTask, channels: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        utils = require("torch_geometric.utils", "graph", purpose=PURPOSE)
        nodes = task.graphs.num_nodes
        self.neighbours = utils.to_torch_csr_tensor(task.graphs.edge_index.flip(0), size=(nodes, nodes))
        models = require("torch_geometric.nn.models", "graph", purpose=PURPOSE)
        features = task.model_arguments["in_channels"]
        self.network = models.GraphSAGE(features, channels, num_layers, task.outputs, dropout=dropout)

    def forward(self, x: Tensor, edge_index: Tensor, *_: Any, **__: Any) -> Tensor:
        return self.network(x, self.neighbours)


class FeatureMLP(nn.Module):
    """A perceptron on a node's own features, the first of its tokens."""

    def __init__(self, task: TokenTask, channels: int, dropout: float) -> None:
        super().__init__()
        models = require("torch_geometric.nn.models", "graph", purpose=PURPOSE)
        features = task.model_arguments["in_channels"]
        self.network = models.MLP([features, channels, channels, task.outputs], dropout=dropout)

    def forward(self, tokens: Tensor, *, pe: Tensor | None) -> Tensor:
        return self.network(tokens[:, 0, 0])


class GraphGIN(nn.Module):
    """GIN for graphs of typed nodes: batch norm in its MLPs, and an MLP on a pooled graph, as in the example on MUTAG.

    GIN has no place for edges; with ``edges`` it is GINE, which adds embedded bonds to what neighbours send.
    """

    def __init__(
        self, task: GraphTask, channels: int, num_layers: int, *, pooling: Literal["add", "mean"], dropout: float,
        edges: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        geometric = require("torch_geometric.nn", "graph", purpose=PURPOSE)
        given = task.model_arguments
        self.nodes = node_encoder(None, given["node_types"], channels)
        self.edges = node_encoder(None, given["edge_types"], channels) if edges else None
        conv = geometric.GINEConv if edges else geometric.GINConv
        self.layers = nn.ModuleList(
            conv(geometric.MLP([channels, channels, channels], norm="batch_norm")) for _ in range(num_layers)
        )
        self.pool = geometric.global_add_pool if pooling == "add" else geometric.global_mean_pool
        self.head = geometric.MLP([channels, channels, task.outputs], norm=None, dropout=dropout)

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None, batch: Tensor, *, num_graphs: int, **_: Any
    ) -> Tensor:
        h = encoded(self.nodes, x, "x")
        edges = () if self.edges is None or edge_attr is None else (encoded(self.edges, edge_attr, "edge_attr"),)
        for layer in self.layers:
            h = layer(h, edge_index, *edges).relu()
        return self.head(self.pool(h, batch, num_graphs))
