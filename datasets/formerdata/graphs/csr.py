"""A graph as one list of neighbours a node, in memory or mapped from disk: what samplers walk on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from formerdata.graphs.edges import check_edge_index
from formerdata.graphs.runs import starts_of


@dataclass(frozen=True)
class CSRGraph:
    """Compressed sparse rows: the neighbours of node i are ``neighbours[starts[i] : starts[i + 1]]``.

    Attributes:
        starts: [N + 1] int64.
        neighbours: [E] int32 or int64, nodes from 0 to ``num_columns`` - 1; several edges between two nodes stand there
            several times.
        edge_ids: [E] int64, the place of each edge in the list that the graph was made from; None where they are alike.
        num_columns: Nodes that may be neighbours, N unless the graph has two sides.
    """

    starts: np.ndarray
    neighbours: np.ndarray
    edge_ids: np.ndarray | None
    num_columns: int

    @property
    def num_nodes(self) -> int:
        return len(self.starts) - 1

    @property
    def num_edges(self) -> int:
        return len(self.neighbours)

    def degrees(self) -> np.ndarray:
        """[N] int64."""
        return np.diff(self.starts)


def csr_graph(edge_index: Tensor, num_nodes: int | tuple[int, int], *, rows: str = "source") -> CSRGraph:
    """Sort a list of edges; those of one row keep their order.

    Args:
        edge_index: [2, E] integers, source above destination.
        num_nodes: Nodes, or (sources, destinations) of a graph with two sides.
        rows: Whose lists to make: ``source``, of the nodes that each one points to; or ``destination``, of those that
            point to it, which is what message passing gathers.

    Raises:
        ValueError: If edge_index is not [2, E] of integers, names a node that is not there, or rows is another word.
    """
    if rows not in ("source", "destination"):
        raise ValueError(f"rows: expected 'source' or 'destination', got {rows!r}")
    counts = (num_nodes, num_nodes) if isinstance(num_nodes, int) else num_nodes
    check_edge_index(edge_index, *counts)
    first, second = (0, 1) if rows == "source" else (1, 0)
    keys, others = edge_index[first].long(), edge_index[second]
    order = torch.argsort(keys, stable=True)
    starts = starts_of(torch.bincount(keys, minlength=counts[first]))
    narrow = np.int32 if counts[second] <= np.iinfo(np.int32).max else np.int64
    return CSRGraph(starts.numpy(), others[order].numpy().astype(narrow), order.numpy(), counts[second])
