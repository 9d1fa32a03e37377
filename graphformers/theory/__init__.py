"""The constructions of Cai et al., *On the Connection Between MPNN and Graph Transformer* (ICML 2023), to run.

Each is a :class:`VirtualNodeNetwork`: message passing through a virtual node and nothing else.
"""

from graphformers.theory.deep_sets import DeepSetsLayer, deep_sets_network
from graphformers.theory.kernel_attention import PositiveFeatures, kernel_attention_network
from graphformers.theory.power_sums import power_sum_network
from graphformers.theory.selection import (
    SelectionNetwork,
    anchor_separation,
    distance_score,
    inner_product_score,
    output_error_bound,
    selection_temperature,
    separation,
)
from graphformers.theory.self_attention import SelfAttention, kernel_attention, softmax_attention
from graphformers.theory.virtual_node import NetworkSize, VirtualNodeLayer, VirtualNodeNetwork, network_size
from graphformers.theory.visited_selection import VisitedSelectionNetwork

__all__ = [
    "DeepSetsLayer", "NetworkSize", "PositiveFeatures", "SelectionNetwork", "SelfAttention", "VirtualNodeLayer",
    "VirtualNodeNetwork", "VisitedSelectionNetwork", "anchor_separation", "deep_sets_network", "distance_score",
    "inner_product_score", "kernel_attention", "kernel_attention_network", "network_size", "output_error_bound",
    "power_sum_network", "selection_temperature", "separation", "softmax_attention",
]  # fmt: skip
