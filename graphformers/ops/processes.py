"""Sums over the processes that train together; without any, each of these gives back what it was given."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed


def num_processes() -> int:
    """How many there are: 1 unless ``torch.distributed`` is initialised."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def total(x: Tensor) -> Tensor:
    """The sum of the processes' ``x``, which has the same shape in each. Its gradient is the sum of theirs."""
    return x if num_processes() == 1 else _Total.apply(x)


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


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        out = x.detach().clone()
        distributed.all_reduce(out)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gout: Tensor) -> Tensor:
        gradient = gout.contiguous().clone()
        distributed.all_reduce(gradient)
        return gradient
