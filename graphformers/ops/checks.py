"""What operations on edges ask of the tensors they are given."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from graphformers.ops.adjacency import Adjacency


def check_inputs(
    operation: str, graph: Adjacency, dtype: torch.dtype, expected: Mapping[str, tuple[Tensor | None, tuple[int, ...]]]
) -> None:
    """Look at an operation's inputs before they go to code that would read past their ends.

    Args:
        operation: For messages.
        graph: Whose device they are to be on.
        dtype: What they are to be of.
        expected: Each one by its name, with the shape it is to have; None is not there and not looked at.

    Raises:
        ValueError: On another shape, dtype or device.
    """
    device = graph.edge_index.device
    for name, (value, shape) in expected.items():
        if value is None:
            continue
        if tuple(value.shape) != shape:
            raise ValueError(f"{operation}: expected {name} {list(shape)}, got {list(value.shape)}")
        if value.device != device or value.dtype != dtype:
            raise ValueError(
                f"{operation}: expected {name} of {dtype} on {device}, got {value.dtype} on {value.device}"
            )
