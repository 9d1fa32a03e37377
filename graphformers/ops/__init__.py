"""Operations on edges: attention and sums over a node's neighbours, and the order of edges that makes them fast."""

from graphformers.ops.adjacency import Adjacency, adjacency
from graphformers.ops.edge_attention import edge_attention
from graphformers.ops.event_attention import event_attention
from graphformers.ops.gated_aggregation import gated_aggregation
from graphformers.ops.neighbour_sum import neighbour_sum

__all__ = ["Adjacency", "adjacency", "edge_attention", "event_attention", "gated_aggregation", "neighbour_sum"]
