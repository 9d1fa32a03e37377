"""GraphGPS: message passing and attention side by side (Rampášek et al., 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from formerkit.mixers import Attention, LinearAttention
from formerkit.mixers.packing import starts_of
from graphformers.encodings.encoders import PositionEncoder
from graphformers.layers.encoders import GraphEncoder
from graphformers.layers.gps import GPSLayer
from graphformers.layers.local import Conv, local_layer
from graphformers.layers.parts import freeze_edges, reset
from graphformers.layers.readout import Level, Pooling, Readout
from graphformers.ops import adjacency
from graphformers.ops.batches import check_sorted, graph_counts, graphs_of_nodes

AttentionName = Literal["softmax", "linear", "performer"]


class GPS(nn.Module):
    """Node or graph predictions.

    Softmax attention costs N² in each graph; linear attention and the Performer's estimate of softmax cost N.

    Args:
        channels: C. out_channels: Of a prediction. num_layers: Layers. heads: Of attention, a divisor of C.
        conv: Message passing among neighbours (``gcn`` leaves edge features aside); None for attention alone.
        attention: Among all nodes of a graph; None for message passing alone.
        attention_dropout: Share of softmax weights that are dropped. features: Of a Performer's head.
        in_channels, node_types, edge_channels, edge_types, pe_channels, pe_width, pe_encoder, pe_signs, pe_norm,
            wl_colours: As :class:`~graphformers.layers.encoders.GraphEncoder` has them.
        head_channels: Widths between the last layer's and ``out_channels``.
        readout: A prediction for each node or each graph. pooling: Of a graph's nodes.
        dropout: In the layers. in_dropout: Of the embedded nodes.

    Shapes:
        As in :class:`~graphformers.models.GraphTransformer`; batch [N] must be sorted.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        num_layers: int,
        heads: int = 4,
        *,
        conv: Conv | None = "gated_gcn",
        attention: AttentionName | None = "softmax",
        attention_dropout: float = 0.0,
        features: int = 64,
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
        dropout: float = 0.0,
        in_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"num_layers: expected at least 1, got {num_layers}")
        if conv in (None, "gcn"):  # no use for edge features
            edge_channels = edge_types = None
        self.encoder = GraphEncoder(
            channels, in_channels=in_channels, node_types=node_types, edge_channels=edge_channels,
            edge_types=edge_types, pe_channels=pe_channels, pe_width=pe_width, pe_encoder=pe_encoder,
            pe_signs=pe_signs, pe_norm=pe_norm, wl_colours=wl_colours, in_dropout=in_dropout,
        )  # fmt: skip
        edges = self.encoder.edge_encoder is not None
        self.layers = nn.ModuleList(
            GPSLayer(
                channels,
                None if conv is None else gps_local(conv, channels, edges, dropout),
                None if attention is None else _mixer(attention, channels, heads, attention_dropout, features, seed),
                dropout=dropout,
            )
            for seed in range(num_layers)
        )
        freeze_edges(self.layers[-1])
        self.readout = Readout(channels, head_channels, out_channels, level=readout, pooling=pooling)

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
                sorted, or edges name nodes that are not there.
        """
        batch, num_graphs = graphs_of_nodes(batch, num_graphs, len(x), x.device)
        check_sorted(batch)
        h, e = self.encoder.nodes(x, pe, eigenvalues, batch, wl), self.encoder.edges(edge_attr)
        graph, offsets = adjacency(edge_index, len(h)), starts_of(graph_counts(batch, num_graphs))
        for number, layer in enumerate(self.layers, 1):
            # Nothing reads the last layer's edges.
            h, e = layer(h, graph, e, offsets, update_edges=number < len(self.layers))
        return self.readout(h, batch, num_graphs)


def gps_local(conv: Conv, channels: int, edges: bool, dropout: float) -> nn.Module:
    """Message passing as GraphGPS has it: GatedGCN with its norm and ReLU, others without."""
    return local_layer(
        conv, channels, edges=edges, norm="batch" if conv == "gated_gcn" else None, dropout=dropout, activation=False
    )


def _mixer(
    attention: AttentionName, channels: int, heads: int, dropout: float, features: int, seed: int
) -> Attention | LinearAttention:
    if attention == "softmax":
        return Attention(channels, heads, dropout=dropout)
    if attention not in ("linear", "performer"):
        raise ValueError(f"attention: expected 'softmax', 'linear', 'performer' or None, got {attention!r}")
    return LinearAttention(channels, heads, features if attention == "performer" else None, seed=seed)
