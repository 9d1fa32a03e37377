"""Runs of rows: where each graph's nodes or edges begin, and the rows of some graphs."""

from __future__ import annotations

import torch
from torch import Tensor


def starts_of(counts: Tensor) -> Tensor:
    """[G + 1] int64, where each run begins, from the lengths of the runs [G]; the last is their sum."""
    return torch.cat([counts.new_zeros(1), torch.cumsum(counts, 0)])


def rows_of_runs(starts: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the chosen runs, one run after another [n], and the length of each [chosen].

    Args:
        starts: [G + 1], see :func:`starts_of`.
        chosen: Numbers of runs, in any order; one may stand there several times.
    """
    counts = starts[chosen + 1] - starts[chosen]
    first = torch.repeat_interleave(starts[chosen] - (torch.cumsum(counts, 0) - counts), counts)
    return first + torch.arange(len(first), device=first.device), counts


def blocks_of_runs(starts: Tensor, most: int) -> list[range]:
    """All runs, in blocks of neighbours that have at most ``most`` rows together, or of one run alone.

    Args:
        starts: [G + 1], see :func:`starts_of`.
    """
    blocks, begin, count = [], 0, len(starts) - 1
    while begin < count:
        end = int(torch.searchsorted(starts, starts[begin] + most, right=True)) - 1
        blocks.append(range(begin, min(count, max(begin + 1, end))))
        begin = blocks[-1].stop
    return blocks
