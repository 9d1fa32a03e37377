"""From nodes to tokens and back: what a set of nodes becomes, and what sequences say of each node."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from graphformers.layers.local_encoder import LocalEncoder
from graphformers.layers.parts import norm_of, reset
from graphformers.ops import Adjacency, adjacency, neighbour_sum
from graphformers.tokenizers.induced import induced_subgraphs
from graphformers.tokenizers.token_sequences import Ragged, TokenSequences

TokenPooling = Literal["mean", "sum"]
KIND_STD = 0.02


class TokenEncoder(nn.Module):
    """A token is its nodes' encodings taken together, with a learnt vector for its kind.

    The paper encodes the subgraph of each token on its own: with ``local`` nodes first hear of each other within each
    token, and of nobody outside. Without it a token pools nodes as they come, which a model may have encoded in the
    whole graph, as NAGphormer does: a pass over the edges, not over those of all subgraphs.

    Args:
        channels: C.
        kinds: Of tokens; hops, levels or steps. One needs no vector.
        pooling: Of a token's members. ``mean`` cannot tell how many there are; ``sum`` can, and a hidden layer with
            batch norm follows it, as in GIN: the sequence model's norm leaves a sum its direction alone, and the number
            is in its length.
        local: Encodes the subgraph of each token; None for none.

    Raises:
        ValueError: On another pooling.
    """

    def __init__(
        self, channels: int, kinds: int = 1, *, pooling: TokenPooling = "mean", local: LocalEncoder | None = None
    ) -> None:
        super().__init__()
        if pooling not in get_args(TokenPooling):
            raise ValueError(f"token_pooling: expected 'mean' or 'sum', got {pooling!r}")
        self.pooling, self.local = pooling, local
        hidden = 2 * channels
        self.mlp = (
            nn.Sequential(nn.Linear(channels, hidden), norm_of("batch", hidden), nn.ReLU(), nn.Linear(hidden, channels))
            if pooling == "sum"
            else None
        )
        self.kinds = nn.Embedding(kinds, channels) if kinds > 1 else None
        if self.kinds is not None:
            nn.init.normal_(self.kinds.weight, std=KIND_STD)

    def reset_parameters(self) -> None:
        reset(self.local, *(self.mlp or ()))
        if self.kinds is not None:
            nn.init.normal_(self.kinds.weight, std=KIND_STD)

    def forward(self, h: Tensor, tokens: TokenSequences, graph: Adjacency, e: Tensor | None = None) -> Tensor:
        """[T, C] of nodes h [N, C] and, if the tokens stand for edges, of edges e [E, C]; added where there are any.

        Args:
            graph: Edges of the nodes, which ``local`` reads along.

        Raises:
            ValueError: If the tokens are of another number of nodes.
        """
        if tokens.num_nodes != len(h):
            raise ValueError(f"tokens: expected those of {len(h)} nodes, got {tokens.num_nodes}")
        sets = pooled(*self._heard(self.local, h, tokens.nodes, graph, e), self.pooling)
        if e is not None and tokens.edges is not None:
            sets = sets + pooled(e, tokens.edges, self.pooling)
        if self.mlp is not None:
            sets = self.mlp(sets)
        x = sets.index_select(0, tokens.content)
        return x if self.kinds is None else x + self.kinds(tokens.kind.clamp(max=self.kinds.num_embeddings - 1))

    @staticmethod
    def _heard(
        local: LocalEncoder | None, h: Tensor, sets: Ragged, graph: Adjacency, e: Tensor | None
    ) -> tuple[Tensor, Ragged]:
        """Encodings of nodes, and which of their rows each set is made of."""
        if local is None:
            return h, sets
        edges, numbers = induced_subgraphs(sets, graph)
        members = h.index_select(0, sets.values)
        inside = None if e is None else e.index_select(0, numbers)
        members, _ = local(members, adjacency(edges, len(members)), inside)
        return members, Ragged(torch.arange(len(members), device=h.device), sets.starts)


def pooled(x: Tensor, sets: Ragged, pooling: TokenPooling) -> Tensor:
    """[U, C]: rows of x [N, C], those of each set taken together; zeros for an empty set."""
    if len(sets.values) == len(sets) and bool((sets.sizes == 1).all()):
        return x.index_select(0, sets.values)
    total = neighbour_sum(x, adjacency(torch.stack([sets.values, sets.rows]), (len(x), len(sets))))
    return total if pooling == "sum" else total / sets.sizes.clamp(min=1).to(x.dtype)[:, None]


def of_each_node(y: Tensor, tokens: TokenSequences) -> Tensor:
    """[N, C]: the mean of the outputs y [T, C] that tell of a node."""
    told = y.index_select(0, tokens.rows)
    if tokens.num_nodes == len(tokens.rows) == tokens.num_tokens:
        return torch.empty_like(told).index_copy(0, tokens.of_node, told)
    counts = torch.bincount(tokens.of_node, minlength=tokens.num_nodes).clamp(min=1).to(y.dtype)
    return y.new_zeros(tokens.num_nodes, y.shape[1]).index_add(0, tokens.of_node, told) / counts[:, None]
