"""Tokenisers by their names, for models that leave the choice to their caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor

from graphformers.tokenizers.edge_tokens import edge_tokens
from graphformers.tokenizers.hierarchy import Hierarchy
from graphformers.tokenizers.k_hop_tokens import k_hop_tokens
from graphformers.tokenizers.leaf_order_tokens import leaf_order_tokens
from graphformers.tokenizers.level_tokens import level_tokens
from graphformers.tokenizers.node_tokens import NodeOrder, node_tokens
from graphformers.tokenizers.path_tokens import path_tokens
from graphformers.tokenizers.token_sequences import TokenSequences
from graphformers.tokenizers.walk_tokens import walk_tokens

TokenizerName = Literal["node", "edge", "k_hop", "walk", "leaf_order", "path", "level"]
MOST_LEVELS = 40
"""Levels of a hierarchy that are told apart; those above count as this one. A million nodes have at most 20."""


@dataclass(frozen=True)
class Tokenizer:
    """A tokeniser with its settings.

    Attributes:
        name: Which one.
        node_order: Of ``node`` and ``edge``.
        num_hops: Of ``k_hop``. walks, walk_length, walk_seed: Of ``walk``.
    """

    name: TokenizerName
    node_order: NodeOrder = "input"
    num_hops: int = 2
    walks: int = 2
    walk_length: int = 4
    walk_seed: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError for settings that no tokeniser can have."""
        if self.name not in get_args(TokenizerName):
            raise ValueError(f"tokenizer: expected one of {', '.join(get_args(TokenizerName))}, got {self.name!r}")
        if self.node_order not in get_args(NodeOrder):
            raise ValueError(f"node_order: expected 'input' or 'degree', got {self.node_order!r}")
        for field in ("num_hops", "walks", "walk_length"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field}: expected at least 1, got {getattr(self, field)}")

    @property
    def of_hierarchy(self) -> bool:
        """Whether it reads a hierarchy of clusters."""
        return self.name in ("leaf_order", "path", "level")

    @property
    def kinds(self) -> int:
        """How many kinds of tokens there are."""
        of_name = {"k_hop": self.num_hops, "walk": self.walk_length, "path": MOST_LEVELS, "level": MOST_LEVELS}
        return 1 + of_name.get(self.name, 0)

    def __call__(
        self, edge_index: Tensor, batch: Tensor, num_graphs: int | None = None, hierarchy: Hierarchy | None = None
    ) -> TokenSequences:
        """The tokens of a batch, on the CPU.

        Args:
            edge_index: [2, E]. batch: [N] int64, sorted. num_graphs: G, if the last may be empty.
            hierarchy: Of all nodes of the batch, for those that read one.

        Raises:
            ValueError: If a hierarchy is needed and missing; and those of the tokenisers.
        """
        if self.name == "node":
            return node_tokens(edge_index, batch, num_graphs, order=self.node_order)
        if self.name == "edge":
            return edge_tokens(edge_index, batch, num_graphs, order=self.node_order)
        if self.name == "k_hop":
            return k_hop_tokens(edge_index, batch, num_graphs, hops=self.num_hops)
        if self.name == "walk":
            return walk_tokens(
                edge_index, batch, num_graphs, walks=self.walks, length=self.walk_length, seed=self.walk_seed
            )
        if hierarchy is None:
            raise ValueError(f"hierarchy: expected one, for {self.name!r} tokens")
        read = {"leaf_order": leaf_order_tokens, "path": path_tokens, "level": level_tokens}[self.name]
        return read(hierarchy, batch)
