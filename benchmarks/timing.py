"""How the benchmarks measure: contenders in turn, run after run, and medians over the runs.

Machines drift; a ratio between two contenders measured in turn drifts less than either.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor


def medians(contenders: Mapping[str, Callable[[], object]], runs: int = 11, warm_up: int = 2) -> dict[str, float]:
    """Median seconds of each contender, run in turn ``runs`` times after ``warm_up`` turns that do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(warm_up + runs):
        for name, function in contenders.items():
            begin = time.perf_counter()
            function()
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in seconds.items()}


def forward(function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Callable[[], object]:
    """A call without gradients."""

    def call() -> None:
        with torch.no_grad():
            function(*inputs)

    return call


def both_ways(function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Callable[[], object]:
    """A call and the gradients of all inputs; some may have no part in it."""

    def call() -> None:
        y = function(*inputs)
        torch.autograd.grad(y, inputs, torch.ones_like(y), allow_unused=True)

    return call


def machine() -> str:
    """One line about where the figures come from."""
    return (
        f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"{torch.backends.cpu.get_cpu_capability()}, Python {platform.python_version()}"
    )


def print_table(title: str, rows: Mapping[str, float], yardstick: str) -> None:
    """Milliseconds, and each contender's time as a multiple of the yardstick's."""
    print(f"\n{title}")
    width = max(map(len, rows))
    for name, seconds in rows.items():
        print(f"  {name:<{width}}  {1e3 * seconds:9.2f} ms  {seconds / rows[yardstick]:6.2f} x")


def process_bytes(field: str) -> int:
    """What Linux says of this process' memory: ``VmRSS`` is resident now, ``VmHWM`` was at most, mapped files included.

    Raises:
        OSError: Where there is no such file to read.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
