"""Whether rows are types or features."""

from __future__ import annotations

from torch import Tensor


def types_of(x: Tensor | None) -> int | tuple[int, ...] | None:
    """Values of each column of integers [n] or [n, K], which are types; None of numbers, or nothing."""
    if x is None or x.is_floating_point() or not len(x):
        return None
    sizes = tuple(int(column.max()) + 1 for column in x.reshape(len(x), -1).T)
    return sizes[0] if len(sizes) == 1 else sizes
