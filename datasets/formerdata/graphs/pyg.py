"""To and from PyTorch Geometric's ``Data``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from formerdata.graphs.packed import PER_EDGE, PER_GRAPH, PER_NODE, GraphBatch, PackedGraphs, pack
from formerkit.io import DataError, require

PARTS = (*PER_NODE, *PER_EDGE, *PER_GRAPH, "y")


def from_pyg(graphs: Iterable[Any], *, name: str = "graphs") -> PackedGraphs:
    """A data set from ``Data`` objects, or a PyTorch Geometric data set; all with the same fields.

    Taken are ``x``, ``edge_index``, ``edge_attr``, ``y``, ``pe``, ``eigenvalues`` and ``wl``. Targets are of nodes if
    they are as many as nodes in every graph, and not one a graph.

    Raises:
        DataError: If there are no graphs, or their fields do not fit.
    """
    listed = list(graphs)
    if not listed:
        raise DataError(name, "no graphs", expected="at least one")
    of_nodes = _targets_of_nodes(listed)
    parts = [part for part in PARTS if getattr(listed[0], part, None) is not None]
    return pack(
        [_batch(graph, parts, of_nodes, number, name) for number, graph in enumerate(listed)],
        y_of="node" if of_nodes else "graph",
        name=name,
    ).checked()


def to_pyg(graphs: PackedGraphs) -> list[Any]:
    """A ``Data`` for each graph; needs torch_geometric (extra graph)."""
    data = require("torch_geometric.data", "graph", purpose="to_pyg").Data
    return [
        data(
            edge_index=one.edge_index,
            num_nodes=one.num_nodes,
            **{part: getattr(one, part) for part in PARTS if getattr(one, part) is not None},
        )
        for one in graphs
    ]


def _targets_of_nodes(graphs: list[Any]) -> bool:
    if any(getattr(graph, "y", None) is None for graph in graphs):
        return False
    counts = [(len(graph.y) if graph.y.ndim else 1, graph.num_nodes) for graph in graphs]
    return all(rows == nodes for rows, nodes in counts) and any(rows != 1 for rows, _ in counts)


def _batch(graph: Any, parts: list[str], of_nodes: bool, number: int, name: str) -> GraphBatch:
    found: dict[str, Tensor] = {}
    for part in PARTS:
        value = getattr(graph, part, None)
        if (value is None) == (part in parts):
            problem = f"graph {number} {'lacks it' if value is None else 'has it, and graph 0 does not'}"
            raise DataError(name, problem, field=part, expected="the same fields in all graphs")
        if value is None:
            continue
        alone = part in PER_GRAPH or (part == "y" and not of_nodes)
        found[part] = value.reshape(1, -1) if alone and value.numel() != 1 else value.reshape(-1) if alone else value
    if "y" in found and not of_nodes and found["y"].is_floating_point():
        found["y"] = found["y"].reshape(1, -1)
    nodes = torch.zeros(int(graph.num_nodes), dtype=torch.int64)
    return GraphBatch(graph.edge_index.long(), nodes, 1, **found)
