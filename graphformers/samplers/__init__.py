"""Samples of huge graphs: tables of tokens, and neighbourhoods of mini-batches."""

from typing import Any

from graphformers.samplers.kept_tokens import KeptTokens
from graphformers.samplers.neighbour_sampler import NeighborSampler, Neighbourhood
from graphformers.samplers.timed_graph import timed_graph
from graphformers.samplers.token_table import TokenTable, token_table

__all__ = [
    "KeptTokens",
    "NeighborLoader",
    "NeighborSampler",
    "Neighbourhood",
    "TokenTable",
    "timed_graph",
    "token_table",
]


def __getattr__(name: str) -> Any:
    # It needs torch_geometric, which is optional and takes seconds to import.
    if name == "NeighborLoader":
        from graphformers.samplers.neighbour_loader import NeighborLoader

        return NeighborLoader
    raise AttributeError(f"module 'graphformers.samplers' has no attribute {name!r}")
