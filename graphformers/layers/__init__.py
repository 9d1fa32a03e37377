"""Layers of graph networks."""

from graphformers.layers.codebook import Codebook
from graphformers.layers.codebook_attention import CodebookAttention
from graphformers.layers.gated_gcn import GatedGCN
from graphformers.layers.gcn import GCN
from graphformers.layers.gine import GINE
from graphformers.layers.gps import GPSLayer
from graphformers.layers.graph_transformer import GraphTransformerLayer
from graphformers.layers.hierarchical_encoding import (
    HierarchicalBias,
    HierarchicalTokenEncoding,
    TreeDistanceBias,
)
from graphformers.layers.hierarchical_positions import HierarchicalPositions
from graphformers.layers.mixture_of_tokens import MixtureOfTokens
from graphformers.layers.sequence_encoder import GlobalEncoder, SequenceBlock
from graphformers.layers.token_branch import TokenBranch
from graphformers.layers.token_encoder import TokenEncoder
from graphformers.layers.token_set import LocalModule
from graphformers.layers.virtual_graph import VirtualGraph, VirtualNodeEmbedding, add_virtual_nodes
from graphformers.layers.virtual_nodes import DeepSetsVirtualNode, EmbeddingVirtualNode

__all__ = [
    "GCN",
    "GINE",
    "Codebook",
    "CodebookAttention",
    "DeepSetsVirtualNode",
    "EmbeddingVirtualNode",
    "GPSLayer",
    "GatedGCN",
    "GlobalEncoder",
    "GraphTransformerLayer",
    "HierarchicalBias",
    "HierarchicalPositions",
    "HierarchicalTokenEncoding",
    "LocalModule",
    "MixtureOfTokens",
    "SequenceBlock",
    "TokenBranch",
    "TokenEncoder",
    "TreeDistanceBias",
    "VirtualGraph",
    "VirtualNodeEmbedding",
    "add_virtual_nodes",
]
