"""Graphs in the text format of DGCNN (Zhang et al. 2018) and GIN (Xu et al. 2019): all in one file.

The first line is the number of graphs. For each graph follow ``nodes label`` and a line for each node:
``tag degree neighbours... attributes...``, neighbours counted from 0, attributes optional.
"""

from __future__ import annotations

import os

import numpy as np
import torch
from torch import Tensor

from formerdata.graphs.packed import PackedGraphs
from formerdata.graphs.runs import starts_of
from formerdata.graphs.tables import read_lines
from formerdata.graphs.tu import LabelledGraphs, renumber
from formerkit.io import DataError

Node = tuple[int, list[int], list[float]]  # tag, neighbours, attributes


def read_gin_text(path: str | os.PathLike[str]) -> LabelledGraphs:
    """Graphs with classes, from a text file (gzipped if its name ends in ``.gz``).

    Returns:
        ``y`` is [G] int64, classes renumbered from 0 in ascending order (GIN itself numbers them as they appear). ``x``
        is [N] int64, tags renumbered in the same way; [N, F + T] float32 if nodes have F attributes, followed by the
        T one-hot tags. An edge goes from the node on whose line it stands to the neighbour; as both ends list each
        other, both directions are there.

    Raises:
        DataError: On the first line that is wrong; the message names it.
    """
    lines = read_lines(path)
    (count,) = _integers(path, lines, 0, 1)
    labels: list[int] = []
    graphs: list[list[Node]] = []
    at = 1
    for _ in range(count):
        size, label = _integers(path, lines, at, 2)
        if size < 1:
            raise DataError(path, f"a graph with {size} nodes", line=at + 1, expected="at least one")
        nodes = [_node(path, lines, at + 1 + node, size) for node in range(size)]
        _check_attributes(path, at + 2, nodes, (graphs[0] if graphs else nodes)[0][2])
        labels.append(label)
        graphs.append(nodes)
        at += 1 + size
    if at != len(lines):
        raise DataError(path, f"more lines than those of {count} graphs", line=at + 1, expected="the end of the file")
    y, classes = renumber(np.array(labels))
    x, tags = _features([node for nodes in graphs for node in nodes])
    ends = [(node, other) for nodes in graphs for node, (_, others, _) in enumerate(nodes) for other in others]
    degrees = [sum(len(others) for _, others, _ in nodes) for nodes in graphs]
    packed = PackedGraphs(
        node_starts=starts_of(torch.tensor([len(nodes) for nodes in graphs])),
        edge_starts=starts_of(torch.tensor(degrees)),
        edge_index=torch.from_numpy(np.array(ends, dtype=np.int64).reshape(-1, 2).T.copy()),
        x=x,
        y=y,
        name=str(path),
    )
    return LabelledGraphs(packed.checked(), classes, (tags,))


def _features(nodes: list[Node]) -> tuple[Tensor, tuple[int, ...]]:
    types, tags = renumber(np.array([tag for tag, _, _ in nodes]))
    if not nodes[0][2]:
        return types, tags
    attributes = torch.tensor([attributes for _, _, attributes in nodes])
    return torch.cat([attributes, torch.nn.functional.one_hot(types, len(tags)).float()], dim=1), tags


def _check_attributes(path: str | os.PathLike[str], line: int, nodes: list[Node], first: list[float]) -> None:
    for number, (_, _, attributes) in enumerate(nodes, line):
        if len(attributes) != len(first):
            wanted = f"{len(first)}, as of the first node"
            raise DataError(path, f"{len(attributes)} attributes", line=number, expected=wanted)


def _integers(path: str | os.PathLike[str], lines: list[str], at: int, count: int) -> list[int]:
    words = lines[at].split() if at < len(lines) else []
    try:
        if len(words) != count:
            raise ValueError
        return [int(word) for word in words]
    except ValueError:
        found = repr(lines[at]) if at < len(lines) else "the end of the file"
        wanted = "the number of graphs" if count == 1 else "the number of nodes and the label of a graph"
        raise DataError(path, found, line=at + 1, expected=wanted) from None


def _node(path: str | os.PathLike[str], lines: list[str], at: int, size: int) -> Node:
    if at >= len(lines):
        raise DataError(path, "the end of the file", line=at + 1, expected="the line of a node")
    words = lines[at].split()
    try:
        tag, degree = int(words[0]), int(words[1])
        neighbours = [int(word) for word in words[2 : 2 + degree]]
        attributes = [float(word) for word in words[2 + degree :]]
    except (ValueError, IndexError):
        raise DataError(path, repr(lines[at]), line=at + 1, expected="tag, degree, neighbours, attributes") from None
    if degree < 0 or len(neighbours) != degree:
        raise DataError(path, f"{len(neighbours)} neighbours", line=at + 1, expected=f"{degree}, the degree")
    for neighbour in neighbours:
        if not 0 <= neighbour < size:
            raise DataError(path, f"neighbour {neighbour}", line=at + 1, expected=f"0 to {size - 1}")
    if not np.isfinite(attributes).all():
        raise DataError(path, f"attributes {attributes}", line=at + 1, expected="finite numbers")
    return tag, neighbours, attributes
