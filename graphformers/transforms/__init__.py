"""Encodings and clusters as transforms of PyTorch Geometric, for its data sets and loaders."""

from graphformers.transforms.affinity import AffinityClustering
from graphformers.transforms.encodings import HeatKernelSE, LaplacianPE, RandomWalkSE, WeisfeilerLehmanPE

__all__ = ["AffinityClustering", "HeatKernelSE", "LaplacianPE", "RandomWalkSE", "WeisfeilerLehmanPE"]
