"""Models, one paper a file."""

from graphformers.models.gps import GPS
from graphformers.models.graph_transformer import GraphTransformer
from graphformers.models.gsm import GSM
from graphformers.models.gsm_plus_plus import GSMPlusPlus
from graphformers.models.large_gt import LargeGT
from graphformers.models.mpnn_vn import MPNNVirtualNode
from graphformers.models.todyformer import Todyformer

MODELS = (GraphTransformer, MPNNVirtualNode, GPS, GSM, GSMPlusPlus, LargeGT, Todyformer)

__all__ = [
    "GPS",
    "GSM",
    "MODELS",
    "GSMPlusPlus",
    "GraphTransformer",
    "LargeGT",
    "MPNNVirtualNode",
    "Todyformer",
]
