"""Graphs: how they are stored and batched, readers of the files that their owners publish, built-in generators."""

from formerdata.graphs.packed import GraphBatch, PackedGraphs, Splits

__all__ = ["GraphBatch", "PackedGraphs", "Splits"]
