"""What a model is told of the data: its arguments, and the fields of a batch."""

from __future__ import annotations

from typing import Any

from formerdata.graphs import GraphBatch, PackedGraphs
from torch import Tensor, nn

Types = int | tuple[int, ...] | None
"""Types of nodes or edges (of each column, if there are several); None for features."""


def input_arguments(graphs: PackedGraphs, node_types: Types, edge_types: Types) -> dict[str, Any]:
    """Arguments of a model that say what its input is."""
    arguments: dict[str, Any] = {}
    if node_types is not None:
        arguments["node_types"] = node_types
    elif graphs.x is not None:
        arguments["in_channels"] = graphs.x.shape[1]
    if edge_types is not None:
        arguments["edge_types"] = edge_types
    elif graphs.edge_attr is not None:
        arguments["edge_channels"] = graphs.edge_attr.shape[1]
    return arguments


def apply(model: nn.Module, batch: GraphBatch) -> Tensor:
    """The model's predictions for a batch."""
    encodings = {name: getattr(batch, name) for name in ("pe", "eigenvalues", "wl", "clusters")}
    given = {name: value for name, value in encodings.items() if value is not None}
    return model(batch.x, batch.edge_index, batch.edge_attr, batch.batch, num_graphs=batch.num_graphs, **given)
