"""Graphs as sequences: clusters, and the orders in which they are read."""

from graphformers.tokenizers.affinity import affinity_clustering, row_keys
from graphformers.tokenizers.hierarchy import Hierarchy, LevelGraph, Paths

__all__ = ["Hierarchy", "LevelGraph", "Paths", "affinity_clustering", "row_keys"]
