"""GSM++'s hierarchical positional encoding of sequences whose tokens are nodes: added to tokens, and to scores.

Of the paper (arXiv 2411.15671) it is known that places are shortest paths between clusters, on several levels; forms
are inferred (:mod:`graphformers.encodings.hierarchy`).
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from graphformers.encodings.hierarchy import (
    cluster_hops,
    common_level,
    pairs_in_turn,
    pairs_within,
    token_positions,
    tree_distance,
)
from graphformers.layers.hierarchical_encoding import HierarchicalBias, HierarchicalTokenEncoding, TreeDistanceBias
from graphformers.layers.parts import reset
from graphformers.tokenizers.hierarchy import Hierarchy
from graphformers.tokenizers.token_sequences import TokenSequences

Positions = Literal["hops", "tree"]


class HierarchicalPositions(nn.Module):
    """What a sequence model is told of where nodes are in a hierarchy of clusters.

    Args:
        channels: C. heads: H, of attention.
        form: ``hops``, steps between the clusters of two nodes in the graph of each level; ``tree``, the lowest level
            on which they are in one cluster, which takes no search.
        levels: K: those above are left out, and a hierarchy of fewer repeats its last, so that nothing depends on how
            many other graphs have.
        d_max: Steps that count as no way.
        biased: Whether there is attention, to which a bias is added.

    Raises:
        ValueError: On another form, no levels or no steps.
    """

    def __init__(
        self, channels: int, heads: int, form: Positions = "hops", *, levels: int = 8, d_max: int = 8, biased: bool
    ) -> None:
        super().__init__()
        if form not in get_args(Positions):
            raise ValueError(f"positions: expected 'hops', 'tree' or None, got {form!r}")
        for name, value in (("position_levels", levels), ("position_hops", d_max)):
            if value < 1:
                raise ValueError(f"{name}: expected at least 1, got {value}")
        self.form, self.levels, self.d_max = form, levels, d_max
        self.added: nn.Module
        self.bias: nn.Module | None = None
        if form == "hops":
            self.added = HierarchicalTokenEncoding(channels, levels, d_max)
            self.bias = HierarchicalBias(heads, levels, d_max) if biased else None
        else:
            self.added = nn.Embedding(levels + 3, channels)
            self.bias = TreeDistanceBias(heads, levels) if biased else None

    def reset_parameters(self) -> None:
        reset(self.added, self.bias)

    def forward(self, edge_index: Tensor, hierarchy: Hierarchy, tokens: TokenSequences) -> tuple[Tensor, Tensor | None]:
        """What is added to each token [T, C], and the bias [H, P] of attention, P pairs (:func:`pairs_within`).

        Args:
            edge_index: [2, E]. hierarchy: Of all nodes. tokens: Each of which stands for one node.
        """
        device = edge_index.device
        nodes = tokens.nodes.values[tokens.content].cpu()
        offsets, clusters, edges = tokens.cu_seqlens.cpu(), self._clusters(hierarchy), edge_index.cpu()
        added = self._added(edges, clusters, nodes, offsets, device)
        if self.bias is None:
            return added, None
        pairs = nodes[pairs_within(offsets)]
        if self.form == "hops":
            return added, self.bias(cluster_hops(edges, clusters, pairs, self.d_max).to(device))
        return added, self.bias(tree_distance(clusters, pairs).to(device))

    def _added(self, edges: Tensor, clusters: Tensor, nodes: Tensor, offsets: Tensor, device: torch.device) -> Tensor:
        if self.form == "hops":
            hops, common = token_positions(edges, clusters, nodes, offsets, self.d_max)
            return self.added(hops.to(device), common.to(device))
        turn = pairs_in_turn(offsets)
        common = common_level(clusters, nodes[turn])
        common[turn[0] == turn[1]] = self.levels + 2
        return self.added(common.to(device))

    def _clusters(self, hierarchy: Hierarchy) -> Tensor:
        """[K + 1, N]."""
        rows = hierarchy.clusters[: self.levels + 1]
        return torch.cat([rows, rows[-1:].expand(self.levels + 1 - len(rows), -1)])
