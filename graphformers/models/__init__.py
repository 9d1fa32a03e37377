"""Models, one paper a file."""

from graphformers.models.gps import GPS
from graphformers.models.graph_transformer import GraphTransformer
from graphformers.models.gsm import GSM
from graphformers.models.large_gt import LargeGT
from graphformers.models.mpnn_vn import MPNNVirtualNode
from graphformers.models.todyformer import Todyformer

MODELS = (GraphTransformer, MPNNVirtualNode, GPS, GSM, LargeGT, Todyformer)

__all__ = ["GPS", "GSM", "MODELS", "GraphTransformer", "LargeGT", "MPNNVirtualNode", "Todyformer"]
