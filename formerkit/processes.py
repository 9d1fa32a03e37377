"""Sums over the processes that train together; without any, each of these gives back what it was given."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed


def num_processes() -> int:
    """How many there are: 1 unless ``torch.distributed`` is initialised."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def total(x: Tensor) -> Tensor:
    """The sum of the processes' ``x``, which has the same shape in each. Its gradient is the sum of theirs."""
    return x if num_processes() == 1 else _Total.apply(x)


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
