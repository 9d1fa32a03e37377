"""GSM++ (Behrouz et al., 2024, arXiv 2411.15671): hierarchical clusters as tokens, hybrid sequence models.

Affinity clustering makes the tokens, places are hierarchical, GatedGCN encodes nodes, two Mamba blocks and one
Transformer block read, and each node takes the tokenisers that suit it. The authors have published no code and no
hyperparameters: the defaults here are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphformers.encodings.encoders import PositionEncoder
from graphformers.layers.hierarchical_positions import Positions
from graphformers.layers.local import Conv
from graphformers.layers.local_encoder import Scope
from graphformers.layers.parts import Norm
from graphformers.layers.readout import Level, Pooling
from graphformers.layers.sequence_encoder import Global
from graphformers.layers.token_encoder import TokenPooling
from graphformers.models.gsm import GSM
from graphformers.tokenizers.affinity import Linkage
from graphformers.tokenizers.tokenizer import TokenizerName


class GSMPlusPlus(GSM):
    """:class:`~graphformers.models.GSM` with the paper's choices.

    What its tables call HAC (DFS) behaves as ``leaf_order`` does, HAC (BFS) as tokens of subgraphs do, which ``level``
    and ``path`` are; its text reads otherwise (:func:`~graphformers.tokenizers.leaf_order_tokens`). By default there is
    one of either, and a router.

    Args:
        All: As of :class:`~graphformers.models.GSM`.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        num_layers: int = 1,
        heads: int = 4,
        *,
        tokenizer: TokenizerName | Sequence[TokenizerName] = ("leaf_order", "level"),
        local: Conv | None = "gated_gcn",
        local_layers: int = 2,
        local_scope: Scope = "graph",
        global_: Global | Sequence[Global] = "hybrid",
        global_norm: Norm = "layer",
        token_pooling: TokenPooling = "mean",
        num_hops: int = 2,
        linkage: Linkage = "average",
        positions: Positions | None = "hops",
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
        super().__init__(
            channels, out_channels, num_layers, heads,
            tokenizer=tokenizer, local=local, local_layers=local_layers, local_scope=local_scope, global_=global_,
            global_norm=global_norm, token_pooling=token_pooling, num_hops=num_hops, linkage=linkage,
            positions=positions, balance=balance, in_channels=in_channels, node_types=node_types,
            edge_channels=edge_channels, edge_types=edge_types, pe_channels=pe_channels, pe_width=pe_width,
            pe_encoder=pe_encoder, pe_signs=pe_signs, pe_norm=pe_norm, wl_colours=wl_colours,
            head_channels=head_channels, readout=readout, pooling=pooling, dropout=dropout, in_dropout=in_dropout,
        )  # fmt: skip
