"""Processes that work together: sums, what one makes for all, who waits for whom. Of one process each is nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

Item = TypeVar("Item")

PATIENCE = timedelta(days=2)
"""How long processes wait for one that scores or prepares data. Waits for gradients end after torch's ten minutes."""


def num_processes() -> int:
    """How many there are: 1 unless ``torch.distributed`` is initialised."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def process_number() -> int:
    """Which of them this is, from 0."""
    return distributed.get_rank() if num_processes() > 1 else 0


def join_torchrun() -> None:
    """Join the other processes, if ``torchrun`` has started several: for programs that exchange no gradients."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and num_processes() == 1:
        distributed.init_process_group("gloo", timeout=PATIENCE)


def total(x: Tensor) -> Tensor:
    """The sum of the processes' ``x``, which has the same shape in each. Its gradient is the sum of theirs."""
    return x if num_processes() == 1 else _Total.apply(x)


def everywhere(fine: bool, device: torch.device | str = "cpu") -> bool:
    """Whether it is so in all processes; ``device`` is where these exchange gradients."""
    if num_processes() == 1:
        return fine
    flag = torch.tensor(int(fine), device=device)
    distributed.all_reduce(flag, distributed.ReduceOp.MIN)
    return bool(flag.item())


def wait_for_all() -> None:
    """Go on when all processes have come here, however long one takes (at most :data:`PATIENCE`)."""
    if num_processes() > 1:
        distributed.barrier(_patient_group(distributed.group.WORLD))


@contextmanager
def first_process_first() -> Iterator[None]:
    """What the first process makes in the body of this context the others find ready when they enter it.

    On other machines, which may have disks of their own, the first process of each comes second, all others come third.
    Lightning Fabric's ``rank_zero_first`` gives up after the time that gradients may take.
    """
    first_here = os.environ.get("LOCAL_RANK", "0") == "0"
    turn = 0 if process_number() == 0 else 1 if first_here else 2
    for _ in range(turn):
        wait_for_all()
    yield
    for _ in range(2 - turn):
        wait_for_all()


def own_part(length: int) -> range:
    """Positions of this process: of every ``num_processes()`` one, in turn."""
    return range(process_number(), length, num_processes())


def parts_in_first(part: list[Item]) -> list[Item] | None:
    """Items of all processes in the first one, in the order that :func:`own_part` took them from; None in the others.

    Items are pickled and pass through the memory of the host, not of the devices.
    """
    count = num_processes()
    if count == 1:
        return part
    parts: list[Any] | None = [None] * count if process_number() == 0 else None
    distributed.gather_object(part, parts, group=_patient_group(distributed.group.WORLD))
    return None if parts is None else [parts[i % count][i // count] for i in range(sum(map(len, parts)))]


def share_buffers(model: nn.Module) -> None:
    """Give all processes the first one's buffers: batch norms that are not synchronised have their own statistics."""
    if num_processes() > 1:
        for buffer in model.buffers():
            distributed.broadcast(buffer, 0)


@lru_cache(maxsize=1)
def _patient_group(world: Any) -> Any:
    """Of all processes, on the CPU; made when it is first needed, in all of them."""
    return distributed.new_group(backend="gloo", timeout=PATIENCE)


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
