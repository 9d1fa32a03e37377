"""Where a node stands in its graph: positional and structural encodings, and the modules that read them."""

from graphformers.encodings.cache import with_encodings
from graphformers.encodings.context import context_features, features_with_context
from graphformers.encodings.encoders import DeepSetEncoder, LinearEncoder, SignNetEncoder
from graphformers.encodings.fast_rp import fast_random_projection
from graphformers.encodings.heat_kernel import heat_kernel, heat_kernel_diagonals
from graphformers.encodings.hierarchy import (
    cluster_hops,
    common_level,
    pairs_in_turn,
    pairs_within,
    token_positions,
    tree_distance,
)
from graphformers.encodings.laplacian import laplacian_eigenvectors
from graphformers.encodings.random_walk import random_walk_probabilities
from graphformers.encodings.settings import EncodingSettings
from graphformers.encodings.sparse_laplacian import sparse_laplacian_eigenvectors
from graphformers.encodings.weisfeiler_lehman import hashed_colours, paper_colours

__all__ = [
    "DeepSetEncoder",
    "EncodingSettings",
    "LinearEncoder",
    "SignNetEncoder",
    "cluster_hops",
    "common_level",
    "context_features",
    "fast_random_projection",
    "features_with_context",
    "hashed_colours",
    "heat_kernel",
    "heat_kernel_diagonals",
    "laplacian_eigenvectors",
    "pairs_in_turn",
    "pairs_within",
    "paper_colours",
    "random_walk_probabilities",
    "sparse_laplacian_eigenvectors",
    "token_positions",
    "tree_distance",
    "with_encodings",
]
