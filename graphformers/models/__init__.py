"""Models, one paper a file."""

from graphformers.models.graph_transformer import GraphTransformer

__all__ = ["GraphTransformer"]
