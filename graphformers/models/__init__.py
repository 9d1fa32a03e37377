"""Models, one paper a file."""

from graphformers.models.gps import GPS
from graphformers.models.graph_transformer import GraphTransformer
from graphformers.models.mpnn_vn import MPNNVirtualNode

__all__ = ["GPS", "GraphTransformer", "MPNNVirtualNode"]
