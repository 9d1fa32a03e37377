"""The graph transformer of Dwivedi and Bresson, *A Generalization of Transformer Networks to Graphs* (2021).

Nodes are embedded, their place in the graph is added (Laplacian eigenvectors, or a Weisfeiler-Lehman colour), layers of
attention over neighbours follow, and a small network reads the result off each node or off the mean of each graph.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from graphformers.encodings.encoders import PositionEncoder
from graphformers.layers.encoders import GraphEncoder, blank
from graphformers.layers.graph_transformer import GraphTransformerLayer
from graphformers.layers.parts import Norm, freeze_edges, reset
from graphformers.layers.readout import Level, Readout
from graphformers.ops import adjacency
from graphformers.ops.batches import complete_edges, graphs_of_nodes


class GraphTransformer(nn.Module):
    """Node or graph predictions.

    Args:
        in_channels: Features of a node; or, if ``node_types`` is given, left out.
        channels: C, width.
        out_channels: Predictions of a node or graph.
        num_layers: Layers.
        heads: H, a divisor of C.
        node_types: Nodes have one of so many types instead of features; or several types, of so many values each.
        edge_types: Edges likewise; None and no ``edge_channels`` for a model without edge features.
        edge_channels: Features of an edge.
        pe_channels: Values of a node's place, such as entries of Laplacian eigenvectors; 0 for none.
        pe_encoder: What makes channels of them. pe_signs: Whether their signs are arbitrary, as those of eigenvectors
            are: then they are flipped at random in training. pe_norm: Whether the linear encoder normalises them first.
            The paper does not; an eigenvector's entries are about 1 / sqrt(nodes of the graph), next to which an
            embedding is large, and on few graphs the difference is large too (``benchmarks.graph_learning``).
        wl_colours: Size of a table of Weisfeiler-Lehman colours; 0 for none.
        norm: Batch or layer norm, or None.
        dropout: In the layers. in_dropout: Of the embedded nodes.
        readout: A prediction for each node, or for the mean of each graph.
        full: Attention among all nodes of a graph instead of neighbours; edge features are then one and the same.

    Shapes:
        x is [N, in_channels], or [N] (or [N, 1]) integers below ``node_types``; edge_attr likewise for the E edges;
        batch [N], sorted, says which graph a node belongs to. The output is [N, out_channels] or [G, out_channels].
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        num_layers: int,
        heads: int,
        *,
        in_channels: int | None = None,
        node_types: int | Sequence[int] | None = None,
        edge_types: int | Sequence[int] | None = None,
        edge_channels: int | None = None,
        pe_channels: int = 0,
        pe_encoder: PositionEncoder = "linear",
        pe_signs: bool = True,
        pe_norm: bool = False,
        wl_colours: int = 0,
        norm: Norm = "batch",
        dropout: float = 0.0,
        in_dropout: float = 0.0,
        readout: Level = "node",
        full: bool = False,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"num_layers: expected at least 1, got {num_layers}")
        self.full = full
        self.encoder = GraphEncoder(
            channels, in_channels=in_channels, node_types=node_types, edge_channels=edge_channels,
            edge_types=edge_types, pe_channels=pe_channels, pe_encoder=pe_encoder, pe_signs=pe_signs,
            pe_norm=pe_norm, wl_colours=wl_colours, in_dropout=in_dropout,
        )  # fmt: skip
        edges = self.encoder.edge_encoder is not None
        self.layers = nn.ModuleList(
            GraphTransformerLayer(channels, heads, edges=edges, norm=norm, dropout=dropout) for _ in range(num_layers)
        )
        freeze_edges(self.layers[-1])
        self.readout = Readout(channels, (channels // 2, channels // 4), out_channels, level=readout)

    def reset_parameters(self) -> None:
        reset(self.encoder, *self.layers, self.readout)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
        *,
        pe: Tensor | None = None,
        eigenvalues: Tensor | None = None,
        wl: Tensor | None = None,
        num_graphs: int | None = None,
    ) -> Tensor:
        """Predictions.

        Args:
            x, edge_attr, batch: See the class; one graph if batch is None. A model without edge features does not look
                at edge_attr.
            edge_index: [2, E].
            pe: [N, pe_channels] values of each node's place. eigenvalues: [G, pe_channels], of eigenvectors.
            wl: [N] Weisfeiler-Lehman colours.
            num_graphs: Graphs of the batch, if its last ones may be empty.

        Raises:
            ValueError: If an input the model was made for is missing, one it was not made for is given, or edges name
                nodes that are not there.
        """
        batch, num_graphs = graphs_of_nodes(batch, num_graphs, len(x), x.device)
        h = self.encoder.nodes(x, pe, eigenvalues, batch, wl)
        if self.full:
            edge_index = complete_edges(batch, num_graphs)
            e = self._constant_edges(edge_index.shape[1], h)
        else:
            e = self.encoder.edges(edge_attr)
        graph = adjacency(edge_index, len(x))
        for number, layer in enumerate(self.layers, 1):
            h, e = layer(h, graph, e, update_edges=number < len(self.layers))
        return self.readout(h, batch, num_graphs)

    def _constant_edges(self, count: int, like: Tensor) -> Tensor | None:
        """Edges of the complete graph carry nothing: type 0, or zeros."""
        module = self.encoder.edge_encoder
        return None if module is None else self.encoder.edges(blank(module, count, like))
