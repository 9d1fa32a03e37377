"""Graphs that are larger than memory: built on disk, mapped, gathered from; and a generator of such graphs."""

from formerdata.store.build import build_store
from formerdata.store.communities import Communities, community_store
from formerdata.store.derived import ArrayWriter, scratch
from formerdata.store.edge_files import ArrayEdges, ParquetEdges, TextEdges
from formerdata.store.files_store import store_from_files
from formerdata.store.gather_rows import gather
from formerdata.store.graph_store import GraphStore
from formerdata.store.ogb_store import ogb_task, store_from_ogb
from formerdata.store.prefetch import Prefetch
from formerdata.store.resident import Resident, release
from formerdata.store.sizes import Estimate, estimate
from formerdata.store.snap_patents import SnapPatents, read_snap_patents, store_snap_patents

__all__ = [
    "ArrayEdges",
    "ArrayWriter",
    "Communities",
    "Estimate",
    "GraphStore",
    "ParquetEdges",
    "Prefetch",
    "Resident",
    "SnapPatents",
    "TextEdges",
    "build_store",
    "community_store",
    "estimate",
    "gather",
    "ogb_task",
    "read_snap_patents",
    "release",
    "scratch",
    "store_from_files",
    "store_from_ogb",
    "store_snap_patents",
]
