"""Message passing with a virtual node (Cai et al., *On the Connection Between MPNN and Graph Transformer*, 2023).

Layers of message passing among neighbours, and one more node for each graph, which hears of all its nodes and is heard
by all. The paper has it in four forms, which are one argument here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from formerkit.mixers.packing import starts_of
from graphformers.encodings.encoders import PositionEncoder
from graphformers.layers.encoders import GraphEncoder
from graphformers.layers.gps import GPSLayer
from graphformers.layers.local import Conv, local_layer
from graphformers.layers.parts import Norm, freeze_edges, reset
from graphformers.layers.readout import Level, Pooling, Readout
from graphformers.layers.virtual_graph import VirtualGraph, VirtualNodeEmbedding, add_virtual_nodes, append_blank
from graphformers.layers.virtual_nodes import DeepSetsVirtualNode, EmbeddingVirtualNode
from graphformers.models.gps import gps_local
from graphformers.ops import Adjacency, adjacency
from graphformers.ops.batches import Reduction, check_sorted, graph_counts, graphs_of_nodes

Virtual = Literal["none", "augment", "pure", "deepsets", "embedding"]
SERVES: dict[str, tuple[Virtual, ...]] = {
    "faithful": ("augment", "pure"),
    "reduction": ("deepsets",),
    "virtual_layers": ("deepsets",),
    "pool": ("embedding",),
    "virtual_residual": ("embedding",),
    "virtual_norm": ("embedding",),
    "norm": ("none", "augment", "pure", "embedding"),
}
"""The forms of the virtual node that an option is for."""


class MPNNVirtualNode(nn.Module):
    """Node or graph predictions.

    Args:
        channels: C. out_channels: Of a prediction. num_layers: Layers.
        conv: Message passing among neighbours; GCN reads no edge features.
        virtual: The form of the virtual node:
            ``none``;
            ``augment``, a node of the graph with edges to and from all others, heard through the same layers (the
            paper's experiments on long-range data); ``pure``, the same without the graph's own edges (an ablation);
            ``deepsets``, in each layer, in the place that attention has in GraphGPS (its experiments on OGB);
            ``embedding``, a vector beside each graph, as in OGB's examples (its climate model).
        faithful: With ``augment`` and ``pure``, as the authors' code has it: the virtual node and its edges are rows of
            zeros before the encoders (so an atom and bonds of the first type), and the node counts in the mean of the
            graph. Otherwise they have embeddings of their own and the node is left out of it. Predictions of nodes are
            those of real nodes in either case; the authors' losses have virtual ones in them, with label 0.
        reduction, virtual_layers: Of ``deepsets``, see :class:`~graphformers.layers.DeepSetsVirtualNode`.
        pool, virtual_residual, virtual_norm: Of ``embedding``, see :class:`~graphformers.layers.EmbeddingVirtualNode`.
        in_channels, node_types, edge_channels, edge_types, pe_channels, pe_width, pe_encoder, pe_signs, pe_norm,
            wl_colours: As :class:`~graphformers.layers.encoders.GraphEncoder` has them.
        head_channels: Widths between the last layer's and ``out_channels``.
        readout: A prediction for each node or each graph. pooling: Of a graph's nodes.
        norm: Of the layers but those of ``deepsets``, which are GraphGPS's: batch or layer norm, or None; by default
            batch norm, but none of GINE, as in the paper's experiments.
        dropout: In the layers. in_dropout: Of the embedded nodes.

    Shapes:
        As in :class:`~graphformers.models.GraphTransformer`; batch [N] must be sorted with ``deepsets``.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        num_layers: int,
        *,
        conv: Conv = "gated_gcn",
        virtual: Virtual = "deepsets",
        faithful: bool = False,
        reduction: Reduction = "mean",
        virtual_layers: int = 1,
        pool: Literal["input", "output"] = "input",
        virtual_residual: bool = False,
        virtual_norm: bool = True,
        in_channels: int | None = None,
        node_types: int | Sequence[int] | None = None,
        edge_channels: int | None = None,
        edge_types: int | Sequence[int] | None = None,
        pe_channels: int = 0,
        pe_width: int | None = None,
        pe_encoder: PositionEncoder = "linear",
        pe_signs: bool = True,
        pe_norm: bool = False,
        wl_colours: int = 0,
        head_channels: Sequence[int] = (),
        readout: Level = "graph",
        pooling: Pooling = "mean",
        norm: Norm | Literal["default"] = "default",
        dropout: float = 0.0,
        in_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if virtual not in ("none", "augment", "pure", "deepsets", "embedding"):
            raise ValueError(f"virtual: expected 'none', 'augment', 'pure', 'deepsets' or 'embedding', got {virtual!r}")
        chosen = {
            "faithful": faithful, "reduction": reduction != "mean", "virtual_layers": virtual_layers != 1,
            "pool": pool != "input", "virtual_residual": virtual_residual, "virtual_norm": not virtual_norm,
            "norm": norm != "default",
        }  # fmt: skip
        for name, is_chosen in chosen.items():
            if is_chosen and virtual not in SERVES[name]:
                raise ValueError(
                    f"{name}: an option of virtual={' or '.join(SERVES[name])}, but virtual is {virtual!r}"
                )
        if num_layers < 1:
            raise ValueError(f"num_layers: expected at least 1, got {num_layers}")
        self.virtual, self.faithful = virtual, faithful
        if conv == "gcn":  # no use for edge features
            edge_channels = edge_types = None
        self.encoder = GraphEncoder(
            channels, in_channels=in_channels, node_types=node_types, edge_channels=edge_channels,
            edge_types=edge_types, pe_channels=pe_channels, pe_width=pe_width, pe_encoder=pe_encoder,
            pe_signs=pe_signs, pe_norm=pe_norm, wl_colours=wl_colours, in_dropout=in_dropout,
        )  # fmt: skip
        edges = self.encoder.edge_encoder is not None
        chosen_norm: Norm = norm if norm != "default" else None if conv == "gine" else "batch"

        def layer() -> nn.Module:
            if virtual != "deepsets":
                return local_layer(conv, channels, edges=edges, norm=chosen_norm, dropout=dropout)
            mixer = DeepSetsVirtualNode(channels, reduction=reduction, num_layers=virtual_layers)
            return GPSLayer(channels, gps_local(conv, channels, edges, dropout), mixer, dropout=dropout)

        self.layers = nn.ModuleList(layer() for _ in range(num_layers))
        freeze_edges(self.layers[-1])
        in_graph = virtual in ("augment", "pure") and not faithful
        self.virtual_embedding = VirtualNodeEmbedding(channels, channels if edges else None) if in_graph else None
        self.virtual_node = (
            EmbeddingVirtualNode(
                channels, num_layers, pool=pool, residual=virtual_residual, batch_norm=virtual_norm, dropout=dropout
            )
            if virtual == "embedding"
            else None
        )
        self.readout = Readout(channels, head_channels, out_channels, level=readout, pooling=pooling)

    def reset_parameters(self) -> None:
        reset(self.encoder, *self.layers, self.virtual_embedding, self.virtual_node, self.readout)

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
        """Predictions [N, out_channels] or [G, out_channels].

        Args:
            x, edge_attr, batch: See the class; one graph if batch is None. A model without edge features does not look
                at edge_attr.
            edge_index: [2, E].
            pe: [N, pe_channels], each node's place in its graph. eigenvalues: [G, pe_channels], of eigenvectors.
            wl: [N] Weisfeiler-Lehman colours.
            num_graphs: Graphs of the batch, if its last ones may be empty.

        Raises:
            ValueError: If an input the model was made for is missing, one it was not made for is given, batch is not
                as the class says, or edges name nodes that are not there.
        """
        batch, num_graphs = graphs_of_nodes(batch, num_graphs, len(x), x.device)
        if self.virtual in ("augment", "pure"):
            return self._in_graph(x, edge_index, edge_attr, batch, pe, eigenvalues, wl, num_graphs)
        h, e = self.encoder.nodes(x, pe, eigenvalues, batch, wl), self.encoder.edges(edge_attr)
        h = self._through_layers(h, adjacency(edge_index, len(h)), e, batch, num_graphs)
        return self.readout(h, batch, num_graphs)

    def _in_graph(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None, batch: Tensor, pe: Tensor | None,
                  eigenvalues: Tensor | None, wl: Tensor | None, num_graphs: int) -> Tensor:  # fmt: skip
        """The virtual node among the others."""
        graph = add_virtual_nodes(edge_index, batch, num_graphs, keep_edges=self.virtual == "augment")
        if self.encoder.edge_encoder is None:
            edge_attr = None
        # Looked at before virtual edges bring rows of their own.
        if edge_attr is not None and len(edge_attr) != edge_index.shape[1]:
            raise ValueError(f"edge_attr: expected {edge_index.shape[1]} rows, one an edge, got {len(edge_attr)}")
        if edge_attr is not None and self.virtual == "pure":
            edge_attr = edge_attr[:0]
        if self.virtual_embedding is None:
            h, e = self._encoded_zeros(x, edge_attr, pe, eigenvalues, wl, graph)
        else:
            h = self.encoder.nodes(x, pe, eigenvalues, batch, wl)
            h, e = self.virtual_embedding(h, self.encoder.edges(edge_attr), graph)
        h = self._through_layers(h, adjacency(graph.edge_index, len(h)), e, graph.batch, num_graphs)
        if self.faithful and self.readout.level == "graph":
            return self.readout(h, graph.batch, num_graphs)
        return self.readout(h[: graph.num_nodes], batch, num_graphs)

    def _encoded_zeros(
        self,
        x: Tensor,
        edge_attr: Tensor | None,
        pe: Tensor | None,
        eigenvalues: Tensor | None,
        wl: Tensor | None,
        graph: VirtualGraph,
    ) -> tuple[Tensor, Tensor | None]:
        count = len(graph.batch) - graph.num_nodes
        x = append_blank(x, self.encoder.node_encoder, count)
        if pe is not None:
            pe = nn.functional.pad(pe, (0, 0, 0, count))
        if wl is not None:
            wl = nn.functional.pad(wl, (0, count))
        if edge_attr is not None and self.encoder.edge_encoder is not None:
            edge_attr = append_blank(edge_attr, self.encoder.edge_encoder, 2 * graph.num_nodes)
        return self.encoder.nodes(x, pe, eigenvalues, graph.batch, wl), self.encoder.edges(edge_attr)

    def _through_layers(self, h: Tensor, graph: Adjacency, e: Tensor | None, batch: Tensor, num_graphs: int) -> Tensor:
        places: tuple[Tensor, ...] = ()
        if self.virtual == "deepsets":
            check_sorted(batch)
            places = (starts_of(graph_counts(batch, num_graphs)),)
        told = None if self.virtual_node is None else self.virtual_node.start(num_graphs)
        for number, layer in enumerate(self.layers):
            if self.virtual_node is not None and told is not None:
                h = self.virtual_node.tell(h, told, batch)
            # Nothing reads the last layer's edges.
            after, e = layer(h, graph, e, *places, update_edges=number + 1 < len(self.layers))
            if self.virtual_node is not None and told is not None:
                told = self.virtual_node.renew(number, told, h, after, batch)
            h = after
        return h
