"""Graphs of Platonov et al., *A critical look at the evaluation of GNNs under heterophily* (2023): an npz file each."""

from __future__ import annotations

import os

from formerdata.graphs.arrays import read_arrays, tensor
from formerdata.graphs.edges import both_ways
from formerdata.graphs.packed import PackedGraphs, Splits, single
from formerdata.graphs.splits import split_from_masks
from formerkit.io import DataError

MASKS = ("train_masks", "val_masks", "test_masks")


def read_heterophilous(path: str | os.PathLike[str]) -> tuple[PackedGraphs, list[Splits]]:
    """A graph with classes of nodes, and its fixed splits (ten in the files of the authors).

    The file holds ``node_features`` [N, F], ``node_labels`` [N], ``edges`` [E, 2] with a line for each undirected edge,
    and ``train_masks``, ``val_masks``, ``test_masks``, [S, N] each.

    Returns:
        ``x`` is [N, F] float32, ``y`` [N] int64 as in the file; every edge stands in both directions, once, loops once.

    Raises:
        DataError: If the file or an array in it is absent, of another shape or kind, or names a node that is not there.
    """
    arrays = read_arrays(path, ("node_features", "node_labels", "edges", *MASKS))
    x = tensor(path, "node_features", arrays["node_features"], "numbers", "nodes, features")
    count = len(x)
    y = tensor(path, "node_labels", arrays["node_labels"], "integers", f"{count}")
    pairs = tensor(path, "edges", arrays["edges"], "integers", "edges, 2")
    graph = single(pairs.T, count, x=x, y=y, name=str(path)).checked()
    masks = [tensor(path, name, arrays[name], "booleans", f"splits, {count}") for name in MASKS]
    if len({len(mask) for mask in masks}) > 1:
        raise DataError(path, f"{[len(mask) for mask in masks]} splits", field="masks", expected="as many in each")
    edges = both_ways(graph.edge_index, count)
    splits = [split_from_masks(path, *parts) for parts in zip(*masks, strict=True)]
    return single(edges, count, x=x, y=y, name=str(path)), splits
