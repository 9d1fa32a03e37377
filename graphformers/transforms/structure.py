"""What transforms read of a ``Data`` or a ``Batch``, and how they write to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from formerkit.mixers.packing import starts_of


@dataclass(frozen=True)
class Structure:
    """One graph, or those of a batch.

    Attributes:
        edge_index: [2, E]. num_nodes: N. batch: [N], or None for one graph. num_graphs: G.
        starts: [G + 1] int64, where the nodes of each graph begin.
    """

    edge_index: Tensor
    num_nodes: int
    batch: Tensor | None
    num_graphs: int
    starts: Tensor


def structure(data: Any) -> Structure:
    """Of ``data``, a homogeneous graph or a batch of them.

    Raises:
        ValueError: If it has no ``edge_index`` tensor.
    """
    edge_index = getattr(data, "edge_index", None)
    if not torch.is_tensor(edge_index):
        raise ValueError(
            f"data: expected one edge_index tensor of a homogeneous graph, [2, 0] without edges, "
            f"got {type(edge_index).__name__} of {type(data).__name__}"
        )
    nodes, batch = int(data.num_nodes or 0), getattr(data, "batch", None)
    count = 1 if batch is None else int(data.num_graphs)
    sizes = torch.tensor([nodes]) if batch is None else torch.bincount(batch.cpu(), minlength=count)
    return Structure(edge_index, nodes, batch, count, starts_of(sizes))


def put(data: Any, name: str, value: Tensor, starts: Tensor, steps: Tensor | None = None) -> None:
    """Set an attribute; of a ``Batch`` also note, for ``to_data_list``, where each graph's share begins, [G + 1], and
    what its numbers count from, [G], 0 if None."""
    data[name] = value
    if getattr(data, "_slice_dict", None) is not None:
        data._slice_dict[name] = starts
        data._inc_dict[name] = torch.zeros(len(starts) - 1, dtype=torch.int64) if steps is None else steps
