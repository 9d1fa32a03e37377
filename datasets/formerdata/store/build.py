"""Building a stored graph from edges that need not fit in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from formerdata.graphs.packed import Splits, tensors_of
from formerdata.store.folder import built_folder
from formerdata.store.graph_store import GraphStore
from formerdata.store.header import NAME, ROWS, Header, write_json
from formerdata.store.node_rows import check_labels, write_features, write_list
from formerdata.store.rows import RowOptions, write_rows


def build_store(
    path: str | os.PathLike[str],
    edges: Iterable[Any],
    num_nodes: int | None = None,
    *,
    features: Any = None,
    labels: Any = None,
    splits: Splits | None = None,
    rows: str = "source",
    undirected: bool = False,
    repeats: bool = True,
    loops: bool = True,
    dtype: str = "float16",
    memory: int = 2 << 30,
    source: str = "",
    restart: bool = False,
) -> GraphStore:
    """Write a graph to a folder: all of it, or nothing.

    The result depends on the set of edges alone, not on their order, nor on the sizes of chunks, memory or threads.

    Args:
        path: The folder; it must not exist. ``path.partial`` is written first.
        edges: Arrays [2, n] of integers, source above destination: a list of them, one of the readers in
            :mod:`formerdata.store.edge_files`, or any iterable. One that can be gone through only once (a generator)
            is first copied to disk, 16 bytes an edge.
        num_nodes: N; by default as many as the largest node asks for.
        features: [N, D], or pieces of it: see :func:`formerdata.store.node_rows.write_features`.
        labels: [N] or [N, tasks] numbers.
        splits: Nodes for training, validation and test.
        rows: Whose lists of neighbours to store: ``source`` or ``destination`` (what message passing gathers).
        undirected: Give every edge its reverse. A loop, and an edge that comes in both directions, then stands twice in
            its rows, as in OGB's own loader, unless ``repeats`` is off.
        repeats: Keep entries that stand in a row several times.
        loops: Keep edges from a node to itself.
        dtype: Of the stored features, ``float16`` or ``float32``.
        memory: Most bytes that sorting the edges may take: 8 (N + 1) for the starts, 64 MB for pieces of edges (less
            below 512 MB), the rest for neighbours. What does not fit goes through temporary files.
        source: Where the graph comes from, for people who look at the header.
        restart: Remove what an earlier build that was killed has left.

    Returns:
        The opened store.

    Raises:
        DataError: If an edge names a node that is not there, features or labels are missing, double or not finite, the
            memory or the disk is too small (with the numbers), or ``path`` exists. Nothing is left behind then.
        ValueError: If an argument is none of its values.
    """
    if rows not in ROWS:
        raise ValueError(f"rows: expected 'source' or 'destination', got {rows!r}")
    if num_nodes is not None and num_nodes < 1:
        raise ValueError(f"num_nodes: expected at least 1, got {num_nodes}")
    options = RowOptions(rows, undirected, repeats, loops, memory)
    with built_folder(path, restart=restart) as folder:
        arrays = write_rows(folder, edges, num_nodes, options)
        count = arrays["starts"].shape[0] - 1
        header = Header(count, arrays["neighbours"].shape[0], undirected, rows, source, arrays)
        header = replace(header, arrays=arrays | _write_nodes(folder, count, features, labels, splits, dtype))
        write_json(folder / NAME, header.as_json())
        GraphStore.open(folder)
    return GraphStore.open(path)


def _write_nodes(
    folder: Path, count: int, features: Any, labels: Any, splits: Splits | None, dtype: str
) -> dict[str, Any]:
    """Everything that belongs to nodes."""
    arrays = {}
    if features is not None:
        arrays["features"] = write_features(folder, features, count, dtype)
    if labels is not None:
        values = check_labels(str(folder), np.asarray(labels), count)
        arrays["labels"] = write_list(folder / "labels.npy", values)
    if splits is not None:
        for part, nodes in tensors_of(splits.checked(count, str(folder))).items():
            arrays[part] = write_list(folder / f"{part}.npy", nodes.numpy())
    return arrays
