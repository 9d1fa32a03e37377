"""Rows of the processes that train together; without any, each of these gives back what it was given."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, distributed

from formerkit.processes import num_processes, total

__all__ = ["num_processes", "own_share", "rows_of_all", "total"]


def rows_of_all(x: Tensor) -> Tensor:
    """The processes' rows [n, ...], one process after another; n may differ. Without gradient."""
    if num_processes() == 1:
        return x
    counts = [x.new_zeros(1, dtype=torch.long) for _ in range(num_processes())]
    distributed.all_gather(counts, torch.tensor([len(x)], device=x.device))
    most = max(int(count) for count in counts)
    padded = x.new_zeros(most, *x.shape[1:])
    padded[: len(x)] = x.detach()
    parts = [torch.empty_like(padded) for _ in counts]
    distributed.all_gather(parts, padded)
    return torch.cat([part[: int(count)] for part, count in zip(parts, counts, strict=True)])


def own_share(rows: np.ndarray) -> np.ndarray:
    """This process' part of rows that all have; :func:`rows_of_all` puts the parts together again."""
    count = num_processes()
    return rows if count == 1 else np.array_split(rows, count)[distributed.get_rank()]
