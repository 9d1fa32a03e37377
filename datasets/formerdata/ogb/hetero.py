"""One graph with nodes and edges of several types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from formerkit.io import DataError

Triplet = tuple[str, str, str]
"""The type of an edge: type of its source, its relation, type of its destination."""


@dataclass(frozen=True)
class HeteroGraph:
    """Nodes are counted from 0 in each type.

    Attributes:
        num_nodes: Nodes of each type.
        edge_index: [2, E] int64 of each type of edge: sources above destinations.
        node_arrays: By name (``node_feat``, ``node_year``, ...), then by type of node: [N, ...].
        edge_arrays: By name (``edge_feat``, ``edge_reltype``, ...), then by type of edge: [E, ...].
        name: For messages.
    """

    num_nodes: dict[str, int]
    edge_index: dict[Triplet, Tensor]
    node_arrays: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    edge_arrays: dict[str, dict[Triplet, Tensor]] = field(default_factory=dict)
    name: str = field(default="graph", compare=False)

    @property
    def num_edges(self) -> dict[Triplet, int]:
        """Edges of each type."""
        return {triplet: edges.shape[1] for triplet, edges in self.edge_index.items()}

    def checked(self) -> HeteroGraph:
        """Itself, after a look at every field.

        Raises:
            DataError: On a graph without nodes, edges that name absent nodes or types, arrays of another length, or
                features that are not finite; the field and the type are named.
        """
        if sum(self.num_nodes.values()) < 1:
            raise DataError(self.name, "a graph with no nodes", field="num_nodes", expected="at least one node")
        for triplet, edges in self.edge_index.items():
            self._check_edges(triplet, edges)
        for name, by_node in self.node_arrays.items():
            _check_arrays(self.name, name, by_node, self.num_nodes)
        for name, by_edge in self.edge_arrays.items():
            _check_arrays(self.name, name, by_edge, self.num_edges)
        return self

    def _check_edges(self, triplet: Triplet, edges: Tensor) -> None:
        place = f"edge_index of {'___'.join(triplet)}"
        if edges.ndim != 2 or edges.shape[0] != 2 or edges.dtype != torch.int64:
            raise DataError(
                self.name, f"{tuple(edges.shape)} {edges.dtype}", field=place, expected="[2, E] torch.int64"
            )
        for row, kind in ((0, triplet[0]), (1, triplet[2])):
            if kind not in self.num_nodes:
                raise DataError(
                    self.name, f"no nodes of type {kind!r}", field=place, expected=f"{list(self.num_nodes)}"
                )
            bad = (edges[row] < 0) | (edges[row] >= self.num_nodes[kind])
            if bool(bad.any()):
                edge = int(bad.nonzero()[0])
                raise DataError(
                    self.name, f"edge {edge} is {edges[:, edge].tolist()}", field=place,
                    expected=f"nodes of type {kind!r} from 0 to {self.num_nodes[kind] - 1}",
                )  # fmt: skip


def _check_arrays(place: str, name: str, arrays: Mapping, counts: Mapping) -> None:
    for kind, array in arrays.items():
        label = f"{name} of {kind if isinstance(kind, str) else '___'.join(kind)}"
        if kind not in counts:
            raise DataError(place, "an unknown type", field=label, expected=f"one of {list(counts)}")
        if len(array) != counts[kind]:
            raise DataError(place, f"{len(array)} rows", field=label, expected=str(counts[kind]))
        if name.endswith("_feat") and array.is_floating_point() and not bool(torch.isfinite(array).all()):
            row = int((~torch.isfinite(array)).reshape(len(array), -1).any(1).nonzero()[0])
            raise DataError(place, f"row {row} is not finite", field=label, expected="finite numbers")
