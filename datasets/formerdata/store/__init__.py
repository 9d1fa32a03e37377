"""Graphs that are larger than memory: built on disk, mapped, gathered from; and a generator of such graphs."""

from formerdata.store.build import build_store
from formerdata.store.communities import Communities, community_store
from formerdata.store.derived import ArrayWriter
from formerdata.store.gather import gather
from formerdata.store.graph_store import GraphStore
from formerdata.store.prefetch import Prefetch

__all__ = ["ArrayWriter", "Communities", "GraphStore", "Prefetch", "build_store", "community_store", "gather"]
