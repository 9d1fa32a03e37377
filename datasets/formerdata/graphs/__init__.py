"""Graphs: how they are stored and batched, readers of the files that their owners publish, built-in generators."""

from formerdata.graphs.facebook100 import read_facebook100
from formerdata.graphs.geom_gcn import read_geom_gcn, read_geom_gcn_splits
from formerdata.graphs.gin_text import read_gin_text
from formerdata.graphs.gnn_benchmark import read_gnn_benchmark
from formerdata.graphs.graph6 import read_graph6
from formerdata.graphs.heterophilous import read_heterophilous
from formerdata.graphs.index_lists import read_index_lists, read_index_splits, read_ten_folds
from formerdata.graphs.molecules import Molecules, read_molecules
from formerdata.graphs.packed import GraphBatch, PackedGraphs, Splits
from formerdata.graphs.planetoid import read_planetoid
from formerdata.graphs.scaffold import scaffold_split
from formerdata.graphs.splits import random_split, split_per_class
from formerdata.graphs.tu import LabelledGraphs, read_tu
from formerdata.graphs.twitch import read_twitch
from formerdata.graphs.zinc import ZincMolecules, crippen_logp, read_zinc

__all__ = [
    "GraphBatch",
    "LabelledGraphs",
    "Molecules",
    "PackedGraphs",
    "Splits",
    "ZincMolecules",
    "crippen_logp",
    "random_split",
    "read_facebook100",
    "read_geom_gcn",
    "read_geom_gcn_splits",
    "read_gin_text",
    "read_gnn_benchmark",
    "read_graph6",
    "read_heterophilous",
    "read_index_lists",
    "read_index_splits",
    "read_molecules",
    "read_planetoid",
    "read_ten_folds",
    "read_tu",
    "read_twitch",
    "read_zinc",
    "scaffold_split",
    "split_per_class",
]
