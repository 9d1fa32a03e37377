"""Encodings as transforms of PyTorch Geometric, for its data sets and loaders."""

from graphformers.transforms.encodings import HeatKernelSE, LaplacianPE, RandomWalkSE, WeisfeilerLehmanPE

__all__ = ["HeatKernelSE", "LaplacianPE", "RandomWalkSE", "WeisfeilerLehmanPE"]
