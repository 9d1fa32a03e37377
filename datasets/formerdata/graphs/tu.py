"""TU data sets: graphs as a folder of text files, as graphlearning.io publishes them (Morris et al. 2020).

``NAME_A.txt`` has one edge ``source, destination`` a line, nodes counted from 1 over all graphs;
``NAME_graph_indicator.txt`` the graph of each node, counted from 1. The rest may be absent: ``NAME_graph_labels.txt``,
``_graph_attributes``, ``_node_labels``, ``_node_attributes``, ``_edge_labels``, ``_edge_attributes``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from formerdata.graphs.packed import PackedGraphs
from formerdata.graphs.tables import read_integers, read_numbers, refuse_rows
from formerkit.io import DataError


@dataclass(frozen=True)
class LabelledGraphs:
    """Graphs whose labels were renumbered from 0, and what the labels were.

    Attributes:
        graphs: The data set.
        classes: Class c of ``graphs.y`` is ``classes[c]`` in the file; ascending. Empty if targets are no classes.
        node_labels: For each column of node labels, what type t of ``graphs.x`` is in the file; ascending.
        edge_labels: The same of edges and ``graphs.edge_attr``.
    """

    graphs: PackedGraphs
    classes: tuple[int, ...] = ()
    node_labels: tuple[tuple[int, ...], ...] = ()
    edge_labels: tuple[tuple[int, ...], ...] = ()


def read_tu(folder: str | os.PathLike[str], name: str | None = None) -> LabelledGraphs:
    """A TU data set.

    Args:
        folder: The folder ``NAME``.
        name: What its files begin with, if not with the folder's name.

    Returns:
        ``y`` is [G] int64 classes, renumbered from 0 in ascending order of the file's labels; or [G, T] float32 if the
        set has graph attributes. ``x`` is [N] int64 types (or [N, L], if nodes have L labels), renumbered in the same
        way; [N, F] float32 if nodes have attributes, followed by one-hot labels if they have both; None if neither.
        ``edge_attr`` likewise. Edges stay as they are listed, loops and repeats included, but sorted by graph.

    Raises:
        DataError: If a file is absent, or a line is wrong; it names the file and the line.
    """
    stem = str(Path(folder) / (Path(folder).name if name is None else name))
    sizes = _sizes(f"{stem}_graph_indicator.txt")
    node_starts = np.concatenate([[0], np.cumsum(sizes)])
    edges, order, edge_counts = _edges(f"{stem}_A.txt", sizes, node_starts)
    y, classes = _targets(stem, len(sizes))
    x, node_labels = _features(stem, "node", int(node_starts[-1]))
    edge_attr, edge_labels = _features(stem, "edge", len(order))
    graphs = PackedGraphs(
        torch.from_numpy(node_starts),
        torch.from_numpy(np.concatenate([[0], np.cumsum(edge_counts)])),
        torch.from_numpy(edges),
        x=x,
        edge_attr=None if edge_attr is None else edge_attr[torch.from_numpy(order)],
        y=y,
        name=stem,
    )
    return LabelledGraphs(graphs.checked(), classes, node_labels, edge_labels)


def renumber(labels: np.ndarray) -> tuple[Tensor, tuple[int, ...]]:
    """Types from 0 in ascending order of the labels, and the labels in that order."""
    values, types = np.unique(labels, return_inverse=True)
    return torch.from_numpy(types.reshape(labels.shape).astype(np.int64)), tuple(values.tolist())


def _sizes(path: str) -> np.ndarray:
    """Nodes of each graph."""
    graph = read_integers(path, columns=1)[:, 0]
    steps = np.diff(graph, prepend=0)
    wrong = (steps < 0) | (steps > 1)
    wrong[0] = graph[0] != 1
    refuse_rows(path, wrong, graph, "graphs counted from 1 upwards, each with a node")
    return np.bincount(graph)[1:]


def _edges(path: str, sizes: np.ndarray, node_starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """[2, E] with nodes counted in each graph, the line of each edge, and the number of edges of each graph."""
    pairs = read_integers(path, columns=2)
    refuse_rows(path, ((pairs < 1) | (pairs > node_starts[-1])).any(1), pairs, f"nodes from 1 to {node_starts[-1]}")
    graph = np.repeat(np.arange(len(sizes)), sizes)[pairs - 1]
    refuse_rows(path, graph[:, 0] != graph[:, 1], pairs, "two nodes of one graph")
    order = np.argsort(graph[:, 0], kind="stable")
    edges = (pairs[order] - 1 - node_starts[graph[order]]).T
    return np.ascontiguousarray(edges), order, np.bincount(graph[:, 0], minlength=len(sizes))


def _targets(stem: str, count: int) -> tuple[Tensor | None, tuple[int, ...]]:
    if (path := Path(f"{stem}_graph_attributes.txt")).is_file():
        return torch.from_numpy(_rows(path, read_numbers(path), count, "graph")).float(), ()
    if not (path := Path(f"{stem}_graph_labels.txt")).is_file():
        raise DataError(path, "no such file", expected="labels or attributes of graphs")
    return renumber(_rows(path, read_integers(path, columns=1), count, "graph")[:, 0])


def _features(stem: str, of: str, count: int) -> tuple[Tensor | None, tuple[tuple[int, ...], ...]]:
    """Features or types of nodes or edges, and what the types were."""
    labels, attributes = Path(f"{stem}_{of}_labels.txt"), Path(f"{stem}_{of}_attributes.txt")
    types: list[Tensor] = []
    known: list[tuple[int, ...]] = []
    if labels.is_file():
        for column in _rows(labels, read_integers(labels), count, of).T:
            renumbered, values = renumber(column)
            types.append(renumbered)
            known.append(values)
    if not attributes.is_file():
        joined = torch.stack(types, dim=1).squeeze(1) if types else None
        return joined, tuple(known)
    numbers = torch.from_numpy(_rows(attributes, read_numbers(attributes), count, of)).float()
    one_hot = [
        torch.nn.functional.one_hot(column, len(values)).float() for column, values in zip(types, known, strict=True)
    ]
    return torch.cat([numbers, *one_hot], dim=1), tuple(known)


def _rows(path: Path, table: np.ndarray, count: int, of: str) -> np.ndarray:
    if len(table) != count:
        raise DataError(path, f"{len(table)} lines", expected=f"{count}, one for each {of}")
    return table
