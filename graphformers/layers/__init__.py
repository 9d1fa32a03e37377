"""Layers of graph networks."""

from graphformers.layers.gated_gcn import GatedGCN
from graphformers.layers.gcn import GCN
from graphformers.layers.gine import GINE
from graphformers.layers.gps import GPSLayer
from graphformers.layers.graph_transformer import GraphTransformerLayer
from graphformers.layers.virtual_graph import VirtualGraph, VirtualNodeEmbedding, add_virtual_nodes
from graphformers.layers.virtual_nodes import DeepSetsVirtualNode, EmbeddingVirtualNode

__all__ = [
    "GCN",
    "GINE",
    "DeepSetsVirtualNode",
    "EmbeddingVirtualNode",
    "GPSLayer",
    "GatedGCN",
    "GraphTransformerLayer",
    "VirtualGraph",
    "VirtualNodeEmbedding",
    "add_virtual_nodes",
]
