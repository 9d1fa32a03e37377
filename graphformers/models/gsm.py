"""Graph sequence models: tokeniser, local encoder and global encoder, freely composed (Behrouz et al., 2024).

*Best of Both Worlds: Advantages of Hybrid Graph Sequence Models* (arXiv 2411.15671) has three stages: a graph becomes
sequences of tokens; each token is encoded by what it stands for; a sequence model reads the tokens. The authors have
published no code and the method was read from accounts of the paper: what had to be inferred is said where it stands.

Some models that are alike::

    GSM(..., tokenizer="node", local=None, global_="transformer")              # graph transformers
    GSM(..., tokenizer="k_hop", local="gcn", global_="transformer")            # NAGphormer
    GSM(..., tokenizer="k_hop", local=None, token_pooling="sum", global_="mamba", bidirectional=False)   # GRED
    GSM(..., tokenizer="walk", local="gated_gcn", global_="mamba")             # Graph Mamba
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from formerdata.graphs import PackedGraphs
from torch import Tensor, nn

from graphformers.encodings.encoders import PositionEncoder
from graphformers.layers.encoders import GraphEncoder
from graphformers.layers.hierarchical_positions import HierarchicalPositions, Positions
from graphformers.layers.local import Conv
from graphformers.layers.local_encoder import LocalEncoder, Scope
from graphformers.layers.mixture_of_tokens import Gate, MixtureOfTokens
from graphformers.layers.parts import Norm, reset
from graphformers.layers.readout import Level, Pooling, Readout
from graphformers.layers.sequence_encoder import Global, GlobalEncoder, unit_of
from graphformers.layers.token_branch import TokenBranch
from graphformers.layers.token_encoder import TokenEncoder, TokenPooling
from graphformers.ops import adjacency
from graphformers.ops.batches import graphs_of_nodes
from graphformers.tokenizers.affinity import Linkage
from graphformers.tokenizers.batch_hierarchy import batch_hierarchy
from graphformers.tokenizers.hierarchy import Hierarchy
from graphformers.tokenizers.node_tokens import NodeOrder
from graphformers.tokenizers.stored_hierarchy import hierarchy_of, with_hierarchies
from graphformers.tokenizers.token_sequences import TokenSequences
from graphformers.tokenizers.tokenizer import Tokenizer, TokenizerName


class GSM(nn.Module):
    """Node or graph predictions.

    Args:
        channels: C. out_channels: Of a prediction.
        tokenizer: What tokens stand for: ``node``, ``edge``, ``k_hop``, ``walk``, and of a hierarchy of clusters
            ``leaf_order``, ``path``, ``level`` (:mod:`graphformers.tokenizers`). Several: each node takes the two that
            suit it best (Mixture of Tokenisation), each with a sequence model of its own.
        local: Message passing that encodes nodes before they become tokens (``gcn`` leaves edge features aside); None
            for none. local_layers: How many. local_norm: In them. local_scope: Whether nodes hear of each other in the
            whole ``graph``, which costs a pass over its edges, or, as in the paper, in the subgraph of each ``token``
            alone: a token that stands for one node then knows nothing of its edges.
        global_: The sequence model, or several in turn (:class:`~graphformers.layers.sequence_encoder.GlobalEncoder`).
        num_layers: How often it is there. heads, bidirectional, rotary, expansion, global_norm: Of it.
        token_pooling: Of the nodes that a token stands for.
        node_order: Of ``node`` and ``edge`` tokens. num_hops: Of ``k_hop``. walks, walk_length, walk_seed: Of ``walk``.
        linkage: Of the hierarchy, if the model has to make it.
        positions: What ``node`` and ``leaf_order`` tokens, and attention among them, are told of where nodes are in the
            hierarchy (:class:`~graphformers.layers.hierarchical_positions.HierarchicalPositions`); None for nothing.
            position_levels, position_hops: Its levels and most steps.
        gate: Of the router of several tokenisers. balance: Weight of the loss that has all of them taken.
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
        num_layers: int = 1,
        heads: int = 4,
        *,
        tokenizer: TokenizerName | Sequence[TokenizerName] = "node",
        local: Conv | None = "gated_gcn",
        local_layers: int = 1,
        local_norm: Norm = "batch",
        local_scope: Scope = "graph",
        global_: Global | Sequence[Global] = "hybrid",
        bidirectional: bool = True,
        rotary: bool = False,
        expansion: int = 2,
        global_norm: Norm = "layer",
        token_pooling: TokenPooling = "mean",
        node_order: NodeOrder = "input",
        num_hops: int = 2,
        walks: int = 2,
        walk_length: int = 4,
        walk_seed: int = 0,
        linkage: Linkage = "average",
        positions: Positions | None = None,
        position_levels: int = 8,
        position_hops: int = 8,
        gate: Gate = "softmax",
        balance: float = 0.0,
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
        names = (tokenizer,) if isinstance(tokenizer, str) else tuple(tokenizer)
        if not names or len(set(names)) < len(names):
            raise ValueError(f"tokenizer: expected one or several different ones, got {list(names)}")
        if local_scope not in get_args(Scope):
            raise ValueError(f"local_scope: expected 'graph' or 'token', got {local_scope!r}")
        if balance < 0:
            raise ValueError(f"balance: expected at least 0, got {balance}")
        self.tokenizers = tuple(Tokenizer(n, node_order, num_hops, walks, walk_length, walk_seed) for n in names)
        self.linkage: Linkage = linkage
        read_as_tokens = "edge" in names
        if local in (None, "gcn") and not read_as_tokens:  # no use for edge features
            edge_channels = edge_types = None
        self.encoder = GraphEncoder(
            channels, in_channels=in_channels, node_types=node_types, edge_channels=edge_channels,
            edge_types=edge_types, pe_channels=pe_channels, pe_width=pe_width, pe_encoder=pe_encoder,
            pe_signs=pe_signs, pe_norm=pe_norm, wl_colours=wl_colours, in_dropout=in_dropout,
        )  # fmt: skip
        edges = self.encoder.edge_encoder is not None

        def local_encoder(scope: Scope) -> LocalEncoder | None:
            if local is None or scope != local_scope:
                return None
            return LocalEncoder(
                channels, local, local_layers, edges=edges, keep_edges=scope == "graph" and read_as_tokens,
                norm=local_norm, dropout=dropout,
            )  # fmt: skip

        self.local = local_encoder("graph")
        placed = [name in ("node", "leaf_order") for name in names]
        if positions is not None and not any(placed):
            raise ValueError(f"positions: expected None, or 'node' or 'leaf_order' tokens, got {', '.join(names)}")
        biased, sizes = "transformer" in unit_of(global_), {"levels": position_levels, "d_max": position_hops}
        self.branches = nn.ModuleList(
            TokenBranch(
                TokenEncoder(channels, one.kinds, pooling=token_pooling, local=local_encoder("token")),
                HierarchicalPositions(channels, heads, positions, biased=biased, **sizes)
                if positions is not None and here
                else None,
                GlobalEncoder(
                    channels, global_, num_layers, heads,
                    bidirectional=bidirectional, rotary=rotary, expansion=expansion, norm=global_norm, dropout=dropout,
                ),
            )
            for one, here in zip(self.tokenizers, placed, strict=True)
        )  # fmt: skip
        self.reads_hierarchy = any(one.of_hierarchy for one in self.tokenizers)
        self.reads_positions = positions is not None
        self.mixture = MixtureOfTokens(channels, len(names), gate=gate) if len(names) > 1 else None
        self.balance = balance
        self.auxiliary_loss: Tensor | None = None
        width = channels if self.mixture is None else 2 * channels
        self.readout = Readout(width, head_channels, out_channels, level=readout, pooling=pooling)

    def reset_parameters(self) -> None:
        reset(self.encoder, self.local, *self.branches, self.mixture, self.readout)

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
        clusters: Tensor | None = None,
        hierarchy: Hierarchy | None = None,
        tokens: Sequence[TokenSequences] | None = None,
    ) -> Tensor:
        """Predictions [N, out_channels] or [G, out_channels].

        In training, with ``balance`` and several tokenisers, ``auxiliary_loss`` is what is to be added to the loss.

        Args:
            x, edge_attr, batch: See the class; one graph if batch is None. A model without edge features does not look
                at edge_attr.
            edge_index: [2, E].
            pe: [N, pe_channels], each node's place in its graph. eigenvalues: [G, pe_channels], of eigenvectors.
            wl: [N] Weisfeiler-Lehman colours.
            num_graphs: Graphs of the batch, if its last ones may be empty.
            clusters: [N, K + 1], a hierarchy made before (:func:`~graphformers.tokenizers.with_hierarchies`).
            hierarchy: Of all nodes of the batch; None to take it from ``clusters``, or to make one of x, pe and the
                edges (:func:`~graphformers.tokenizers.batch_hierarchy`), where tokenisers or positions read one.
            tokens: The sequences of each tokeniser (:meth:`tokenise`), made before, or of another kind: then they
                stand in for those of the tokenisers named.

        Raises:
            ValueError: If an input the model was made for is missing, one it was not made for is given, batch is not
                sorted, edges name nodes that are not there or leave their graph, or tokens or hierarchy do not fit.
        """
        batch, num_graphs = graphs_of_nodes(batch, num_graphs, len(x), x.device)
        if hierarchy is None and (self.reads_positions or (tokens is None and self.reads_hierarchy)):
            hierarchy = (
                hierarchy_of(clusters, batch, num_graphs)
                if clusters is not None
                else batch_hierarchy(x, edge_index, batch, num_graphs, pe=pe, linkage=self.linkage)
            )
        if tokens is None:
            tokens = self.tokenise(x, edge_index, batch, pe=pe, num_graphs=num_graphs, hierarchy=hierarchy)
        elif len(tokens) != len(self.tokenizers):
            raise ValueError(f"tokens: expected {len(self.tokenizers)} of them, one a tokenizer, got {len(tokens)}")
        else:
            tokens = [one.checked() for one in tokens]
        self.auxiliary_loss = None
        h, e = self.encoder.nodes(x, pe, eigenvalues, batch, wl), self.encoder.edges(edge_attr)
        graph = adjacency(edge_index, len(h))
        if self.local is not None:
            h, e = self.local(h, graph, e)
        encodings = [
            branch(h, e, one.to(x.device), graph, hierarchy) for branch, one in zip(self.branches, tokens, strict=True)
        ]
        y = encodings[0] if self.mixture is None else self.mixture(h, encodings)
        if self.mixture is not None and self.balance and self.training:
            self.auxiliary_loss = self.balance * self.mixture.balance_loss(h)
        return self.readout(y, batch, num_graphs)

    def precomputed(self, graphs: PackedGraphs) -> PackedGraphs:
        """The data set with what ``forward`` would else make of each batch anew."""
        if not (self.reads_hierarchy or self.reads_positions):
            return graphs
        return with_hierarchies(graphs, self.linkage)

    def tokenise(
        self,
        x: Tensor,
        edge_index: Tensor,
        batch: Tensor | None = None,
        *,
        pe: Tensor | None = None,
        num_graphs: int | None = None,
        hierarchy: Hierarchy | None = None,
    ) -> list[TokenSequences]:
        """The sequences of each tokeniser, on the CPU; arguments as of ``forward``."""
        batch, num_graphs = graphs_of_nodes(batch, num_graphs, len(x), x.device)
        if hierarchy is None and self.reads_hierarchy:
            hierarchy = batch_hierarchy(x, edge_index, batch, num_graphs, pe=pe, linkage=self.linkage)
        return [one(edge_index, batch, num_graphs, hierarchy) for one in self.tokenizers]
