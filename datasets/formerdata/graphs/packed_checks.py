"""What a data set of graphs is looked at for before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from formerkit.io import DataError

if TYPE_CHECKING:
    from formerdata.graphs.packed import PackedGraphs


def check_graphs(data: PackedGraphs, rows: Mapping[str, int]) -> None:
    """Raise the errors of :meth:`PackedGraphs.checked`; ``rows`` are those that each field must have."""
    if len(data) < 1:
        raise DataError(data.name, "no graphs", field="node_starts", expected="at least one graph")
    for name in ("node_starts", "edge_starts"):
        starts = getattr(data, name)
        if int(starts[0]) != 0 or bool((starts.diff() < 0).any()) or len(starts) != len(data) + 1:
            raise DataError(data.name, "falls, or has another length", field=name, expected="counts from 0 upwards")
    _check_edges(data)
    for name, count in rows.items():
        value = getattr(data, name)
        if value is None:
            continue
        if len(value) != count:
            raise DataError(data.name, f"{len(value)} rows", field=name, expected=str(count))
        if name in ("x", "edge_attr", "pe") and value.is_floating_point() and not bool(torch.isfinite(value).all()):
            row = int((~torch.isfinite(value)).reshape(count, -1).any(1).nonzero()[0])
            raise DataError(data.name, f"row {row} is not finite", field=name, expected="finite numbers")


def _check_edges(data: PackedGraphs) -> None:
    edges = data.edge_index
    if edges.ndim != 2 or edges.shape[0] != 2:
        raise DataError(data.name, f"shape {tuple(edges.shape)}", field="edge_index", expected="[2, E]")
    if edges.dtype != torch.int64:
        raise DataError(data.name, f"{edges.dtype}", field="edge_index", expected="torch.int64")
    if edges.shape[1] != data.num_edges:
        raise DataError(data.name, f"{edges.shape[1]} edges", field="edge_index", expected=str(data.num_edges))
    size = torch.repeat_interleave(data.node_starts.diff(), data.edge_starts.diff())
    bad = ((edges < 0) | (edges >= size)).any(0)
    if bool(bad.any()):
        edge = int(bad.nonzero()[0])
        graph = int(torch.searchsorted(data.edge_starts, edge, right=True)) - 1
        raise DataError(
            data.name, f"graph {graph}: edge {edges[:, edge].tolist()}", field="edge_index",
            expected=f"nodes from 0 to {int(size[edge]) - 1}",
        )  # fmt: skip
