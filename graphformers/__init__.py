"""Graph transformers: layers, models, encodings, and the operations under them."""

from typing import Any

from graphformers.models import GPS, GSM, GraphTransformer, GSMPlusPlus, LargeGT, MPNNVirtualNode, Todyformer

_TRANSFORMS = ("AffinityClustering", "HeatKernelSE", "LaplacianPE", "RandomWalkSE", "WeisfeilerLehmanPE")

__all__ = [
    "GPS",
    "GSM",
    "AffinityClustering",
    "GSMPlusPlus",
    "GraphTransformer",
    "HeatKernelSE",
    "LaplacianPE",
    "LargeGT",
    "MPNNVirtualNode",
    "NeighborLoader",
    "RandomWalkSE",
    "Todyformer",
    "WeisfeilerLehmanPE",
]


def __getattr__(name: str) -> Any:
    # Transforms and the loader need torch_geometric, which is optional and takes seconds to import.
    if name in _TRANSFORMS:
        from graphformers import transforms

        return getattr(transforms, name)
    if name == "NeighborLoader":
        from graphformers.samplers.neighbour_loader import NeighborLoader

        return NeighborLoader
    raise AttributeError(f"module 'graphformers' has no attribute {name!r}")
