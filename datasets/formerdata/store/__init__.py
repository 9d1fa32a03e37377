"""Graphs that are larger than memory: built on disk, mapped, gathered from."""

from formerdata.store.build import build_store
from formerdata.store.derived import ArrayWriter
from formerdata.store.graph_store import GraphStore

__all__ = ["ArrayWriter", "GraphStore", "build_store"]
