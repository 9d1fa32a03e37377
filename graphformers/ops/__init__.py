"""Operations on edges: attention over a node's neighbours, and the order of edges that makes it fast."""

from graphformers.ops.adjacency import Adjacency, adjacency
from graphformers.ops.edge_attention import edge_attention

__all__ = ["Adjacency", "adjacency", "edge_attention"]
