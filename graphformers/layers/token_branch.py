"""One tokeniser's way through a graph sequence model: from nodes to tokens, along sequences, and back."""

from __future__ import annotations

from torch import Tensor, nn

from graphformers.layers.hierarchical_positions import HierarchicalPositions
from graphformers.layers.parts import reset
from graphformers.layers.sequence_encoder import GlobalEncoder
from graphformers.layers.token_encoder import TokenEncoder, of_each_node
from graphformers.ops import Adjacency
from graphformers.tokenizers.hierarchy import Hierarchy
from graphformers.tokenizers.token_sequences import TokenSequences


class TokenBranch(nn.Module):
    """Encodings of nodes to encodings of nodes.

    Args:
        encoder: Of tokens.
        positions: What is told of places in a hierarchy, if tokens are nodes; None for nothing.
        sequence: The sequence model.
    """

    def __init__(self, encoder: TokenEncoder, positions: HierarchicalPositions | None, sequence: GlobalEncoder) -> None:
        super().__init__()
        self.encoder, self.positions, self.sequence = encoder, positions, sequence

    def reset_parameters(self) -> None:
        reset(self.encoder, self.positions, self.sequence)

    def forward(
        self, h: Tensor, e: Tensor | None, tokens: TokenSequences, graph: Adjacency, hierarchy: Hierarchy | None
    ) -> Tensor:
        """What the sequences say of each node [N, C].

        Args:
            h: [N, C] nodes. e: [E, C] edges, or None.
            tokens: On the device of h.
            graph: Edges of the nodes. hierarchy: Of all nodes; for positions alone.

        Raises:
            ValueError: If the tokens are of another number of nodes, or positions are wanted without a hierarchy.
        """
        rows, bias = self.encoder(h, tokens, graph, e), None
        if self.positions is not None:
            if hierarchy is None:
                raise ValueError("hierarchy: expected one, for positions in it")
            added, bias = self.positions(graph.edge_index, hierarchy, tokens)
            rows = rows + added
        return of_each_node(self.sequence(rows, tokens.cu_seqlens, bias), tokens)
