"""Graph transformers: layers, models, and the operations under them."""

from graphformers.models import GraphTransformer

__all__ = ["GraphTransformer"]
