"""When each pair of nodes was last seen: a growing table, read and written by whole batches."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class _Run(NamedTuple):
    codes: Tensor  # sorted, each once
    last: Tensor


class SeenPairs:
    """A map from codes of pairs to times, as sorted runs, each of more than twice the length of the next.

    One sorted run would have to be written anew for every batch; so each pair is moved some log2(pairs) times in all.
    """

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    def add(self, codes: Tensor, t: Tensor) -> None:
        """Events later than all before: codes [E] int64 and times [E] float64, which do not decrease."""
        if len(codes) == 0:
            return
        self._runs.append(_latest(codes, t))
        while len(self._runs) > 1 and len(self._runs[-2].codes) <= 2 * len(self._runs[-1].codes):
            newer, older = self._runs.pop(), self._runs.pop()
            self._runs.append(_latest(torch.cat([older.codes, newer.codes]), torch.cat([older.last, newer.last])))

    def last(self, codes: Tensor) -> Tensor:
        """The last time of each code, float64; minus infinity where it was never seen."""
        found = torch.full(codes.shape, -torch.inf, dtype=torch.float64)
        for run in self._runs:
            place = torch.searchsorted(run.codes, codes).clamp(max=len(run.codes) - 1)
            # Runs go from old to new: a later one has the later time.
            found = torch.where(run.codes[place] == codes, run.last[place], found)
        return found


def _latest(codes: Tensor, t: Tensor) -> _Run:
    codes, order = codes.sort(stable=True)
    final = torch.ones(len(codes), dtype=torch.bool)
    final[:-1] = codes[1:] != codes[:-1]
    return _Run(codes[final], t[order[final]])
