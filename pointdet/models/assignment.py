"""The cheapest way to pair rows with columns (Kuhn, 1955), each at most once."""

from __future__ import annotations

import numpy as np

_UNITS = 1e9  # costs are compared to so many parts
_MOST = 1e4


def cheapest_pairs(cost: np.ndarray) -> np.ndarray:
    """The column of each row in a pairing of as many as possible with the smallest sum of costs.

    It is the matching of :mod:`pointdet.metrics.waymo_kernels`, turned from the largest to the smallest sum.

    Args:
        cost: [M, P]. Costs beyond 10 000 count as that, as do those that are not numbers.

    Returns:
        [M] int64, -1 for a row without a column (there are such if M > P).

    Raises:
        ValueError: If the array has another shape.
    """
    from pointdet.metrics.waymo_kernels import add_row

    if cost.ndim != 2:
        raise ValueError(f"cheapest_pairs: expected costs [M, P], got {list(cost.shape)}")
    rows, columns = cost.shape
    found = np.full(rows, -1, dtype=np.int64)
    if not rows or not columns:
        return found
    units = np.rint(np.nan_to_num(cost.astype(np.float64), nan=_MOST).clip(-_MOST, _MOST) * _UNITS).astype(np.int64)
    # Every pair is worth more than what all others can lose by it, so none is left out for its cost.
    worth = int(units.max()) - int(units.min()) + 1
    weights = units.max() - units + worth * min(rows, columns)
    width = columns + rows
    row_of, way = np.full(width + 1, -1), np.empty(width + 1, dtype=np.int64)
    row_price, column_price = np.zeros(rows, dtype=np.int64), np.zeros(width + 1, dtype=np.int64)
    price, done = np.empty(width + 1, dtype=np.int64), np.empty(width + 1, dtype=np.bool_)
    for row in range(rows):
        add_row(weights, row, width, row_of, row_price, column_price, price, way, done)
    taken = (row_of[:columns] >= 0).nonzero()[0]
    found[row_of[taken]] = taken
    return found
