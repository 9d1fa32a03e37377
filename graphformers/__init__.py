"""Graph transformers: layers, models, and the operations under them."""

from graphformers.models import GPS, GraphTransformer, MPNNVirtualNode

__all__ = ["GPS", "GraphTransformer", "MPNNVirtualNode"]
