"""Graphs as sequences: tokens, clusters, and the orders in which they are read."""

from graphformers.tokenizers.affinity import affinity_clustering, row_keys
from graphformers.tokenizers.batch_hierarchy import batch_hierarchy
from graphformers.tokenizers.edge_tokens import edge_tokens
from graphformers.tokenizers.hierarchy import Hierarchy, LevelGraph, Paths
from graphformers.tokenizers.k_hop_tokens import k_hop_tokens
from graphformers.tokenizers.leaf_order_tokens import leaf_order_tokens
from graphformers.tokenizers.level_tokens import level_tokens
from graphformers.tokenizers.node_tokens import node_order, node_tokens
from graphformers.tokenizers.path_tokens import path_tokens
from graphformers.tokenizers.similarity import edge_similarity
from graphformers.tokenizers.stored_hierarchy import cluster_columns, hierarchy_of, with_hierarchies
from graphformers.tokenizers.token_sequences import Ragged, TokenSequences
from graphformers.tokenizers.tokenizer import Tokenizer
from graphformers.tokenizers.walk_tokens import walk_tokens

__all__ = [
    "Hierarchy",
    "LevelGraph",
    "Paths",
    "Ragged",
    "TokenSequences",
    "Tokenizer",
    "affinity_clustering",
    "batch_hierarchy",
    "cluster_columns",
    "edge_similarity",
    "edge_tokens",
    "hierarchy_of",
    "k_hop_tokens",
    "leaf_order_tokens",
    "level_tokens",
    "node_order",
    "node_tokens",
    "path_tokens",
    "row_keys",
    "walk_tokens",
    "with_hierarchies",
]
