"""Layers of graph networks."""

from graphformers.layers.graph_transformer import GraphTransformerLayer

__all__ = ["GraphTransformerLayer"]
