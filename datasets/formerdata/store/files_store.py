"""Anybody's graph: a list of edges, features, classes and parts, each in a file of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from formerdata.graphs.packed import Splits
from formerdata.graphs.splits import random_split_of
from formerdata.ogb.csv_files import number_pieces, read_whole_numbers
from formerdata.store.array_stream import ArrayStream, array_rows
from formerdata.store.build import build_store
from formerdata.store.edge_files import ArrayEdges, ParquetEdges, TextEdges
from formerdata.store.graph_store import GraphStore
from formerkit.io import DataError

NUMPY = (".npy", ".npz")

FilePath = str | os.PathLike[str]


def store_from_files(
    path: FilePath,
    edges: FilePath,
    *,
    features: FilePath,
    labels: FilePath,
    parts: tuple[FilePath, FilePath, FilePath] | None = None,
    seed: int = 0,
    columns: tuple[str, str] = ("source", "target"),
    **options: Any,
) -> GraphStore:
    """Store a graph whose edges and features may be larger than memory.

    Args:
        path: The folder to write.
        edges: ``.npy`` or ``.npz`` (:class:`ArrayEdges`), ``.parquet`` (:class:`ParquetEdges`), or text
            (:class:`TextEdges`: CSV, tabs, spaces; gzip).
        features: Numbers [N, D], ``.npy`` or CSV without titles, one line a node.
        labels: Whole numbers [N], likewise; -1 where a class is not known.
        parts: Files of the nodes for training, validation and test; without them half, a quarter and a quarter of the
            nodes whose class is known.
        seed: Of these parts.
        columns: Names of source and target in a Parquet file.
        options: Further arguments of :func:`build_store`: ``undirected``, ``repeats``, ``loops``, ``dtype``,
            ``memory``, ``restart``.

    Raises:
        DataError: If a file is absent, damaged or does not fit the others, and as :func:`build_store`.
    """
    y = _integers(labels)
    splits = _random_parts(y, seed, str(labels)) if parts is None else Splits(*(_nodes(part) for part in parts))
    return build_store(
        path, _edges(Path(edges), columns), len(y), features=_rows(Path(features)), labels=y, splits=splits,
        source=f"{edges}", **options,
    )  # fmt: skip


def _edges(path: Path, columns: tuple[str, str]) -> ArrayEdges | ParquetEdges | TextEdges:
    if path.suffix in NUMPY:
        return ArrayEdges(path)
    return ParquetEdges(path, source=columns[0], target=columns[1]) if path.suffix == ".parquet" else TextEdges(path)


def _rows(path: Path) -> Iterator[np.ndarray]:
    return array_rows(path, "features") if path.suffix in NUMPY else number_pieces(path)


def _integers(path: FilePath) -> np.ndarray:
    """[n] int64."""
    if Path(path).suffix in NUMPY:
        with ArrayStream(Path(path), "labels") as stream:
            values = stream.read(int(np.prod(stream.shape, dtype=object)))
    else:
        values = read_whole_numbers(path)
        values = values[:, 0] if values.shape[1] == 1 else values
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise DataError(path, f"{values.dtype} {list(values.shape)}", expected="whole numbers, one a line")
    return values.astype(np.int64)


def _nodes(path: FilePath) -> Tensor:
    return torch.from_numpy(_integers(path))


def _random_parts(y: np.ndarray, seed: int, name: str) -> Splits:
    known = torch.from_numpy(np.flatnonzero(y >= 0))
    if len(known) < 4:
        raise DataError(name, f"{len(known)} known classes", field="labels", expected="at least 4, to draw parts from")
    return random_split_of(known, seed, (0.5, 0.25, 0.25))
